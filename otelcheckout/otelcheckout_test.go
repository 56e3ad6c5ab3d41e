package otelcheckout_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/matryer/is"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/otelcheckout"
	"github.com/caisse/checkout/store/memory"
	"github.com/caisse/checkout/store/storetest"
)

// TestStoreKeepsItsPromises proves that the observed store behaves as every store must.
func TestStoreKeepsItsPromises(t *testing.T) {
	storetest.Run(t, func(*testing.T) checkout.Store { return otelcheckout.Store(memory.New()) })
}

const (
	token = "secret-token-0193f0c2"
	key   = "0193f0c2-a7b4-4c5e-9d3a-1b2c3d4e5f60"
	phone = "+22507987654"
)

// server is a host's API over an observed store, whose Create can be made to fail. It has the spans and metrics of the API and of the store.
type server struct {
	http.Handler
	checkouts *checkout.Checkouts
	store     *failingStore
	spans     *tracetest.InMemoryExporter
	metrics   *sdkmetric.ManualReader
	meters    *sdkmetric.MeterProvider
}

// newServer makes a server with an empty store.
func newServer(t *testing.T) *server {
	t.Helper()
	is := is.New(t)
	s := &server{store: &failingStore{Store: memory.New()}, spans: tracetest.NewInMemoryExporter(), metrics: sdkmetric.NewManualReader()}
	tracers := sdktrace.NewTracerProvider(sdktrace.WithSyncer(s.spans))
	s.meters = sdkmetric.NewMeterProvider(sdkmetric.WithReader(s.metrics))
	var err error
	s.checkouts, err = checkout.New(otelcheckout.Store(s.store, otelcheckout.TracerProvider(tracers), otelcheckout.MeterProvider(s.meters),
		otelcheckout.System("postgresql")), checkout.Config{})
	is.NoErr(err)
	auth, err := checkout.BearerTokens(map[string]checkout.Account{token: {ID: "acct_secret"}})
	is.NoErr(err)
	handler, err := checkout.NewHandler(s.checkouts, auth, checkout.HandlerConfig{})
	is.NoErr(err)
	mux := http.NewServeMux()
	mux.Handle("/v1/", handler)
	s.Handler = otelhttp.NewHandler(mux, "checkout", otelhttp.WithTracerProvider(tracers), otelhttp.WithMeterProvider(s.meters))
	return s
}

// failingStore is a store whose Create returns err, unless err is nil.
type failingStore struct {
	checkout.Store
	err error
}

func (f *failingStore) Create(ctx context.Context, s checkout.Session) (checkout.Session, bool, error) {
	if f.err != nil {
		return checkout.Session{}, false, f.err
	}
	return f.Store.Create(ctx, s)
}

// create requests a session and expects the status want. All requests have the same idempotency key.
func (s *server) create(t *testing.T, amount int, want int) (id string) {
	t.Helper()
	is := is.New(t)
	body := fmt.Sprintf(`{"amount": %d, "currency": "XOF", "user_phone": %q}`, amount, phone)
	request := httptest.NewRequestWithContext(t.Context(), "POST", "/v1/checkouts", strings.NewReader(body))
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Idempotency-Key", key)
	request.Header.Set("Content-Type", "application/json")
	answer := httptest.NewRecorder()
	s.ServeHTTP(answer, request)
	is.Equal(answer.Code, want)
	_, id, _ = strings.Cut(answer.Header().Get("Location"), "/v1/checkouts/")
	return id
}

// spanLines returns a line for each span since the last call: its name, some of its attributes and its error.
func (s *server) spanLines() (lines []string) {
	for _, span := range s.spans.GetSpans() {
		line := span.Name
		for _, a := range span.Attributes {
			switch a.Key {
			case "http.route", "http.response.status_code", "db.system.name", "error.type":
				line += fmt.Sprintf(" %s=%s", a.Key, a.Value.String())
			}
		}
		if span.Status.Code == codes.Error {
			line += " failed: " + span.Status.Description
		}
		lines = append(lines, line)
	}
	s.spans.Reset()
	return lines
}

// TestSpans checks which spans each kind of request makes.
func TestSpans(t *testing.T) {
	is := is.New(t)
	s := newServer(t)
	s.create(t, 5000, 201)
	is.Equal(s.spanLines(), []string{
		"checkout.store create db.system.name=postgresql",
		"POST /v1/checkouts http.response.status_code=201",
	})
	s.create(t, 5000, 200)
	is.Equal(s.spanLines(), []string{
		"checkout.store create db.system.name=postgresql", // it finds the session of the key
		"POST /v1/checkouts http.response.status_code=200",
	})
	s.create(t, 1, 400)
	is.Equal(s.spanLines(), []string{"POST /v1/checkouts http.response.status_code=400"}) // validation refuses it, so the store is not called
	s.create(t, 6000, 422)
	is.Equal(s.spanLines(), []string{
		"checkout.store create db.system.name=postgresql", // it finds the session of the key
		"POST /v1/checkouts http.response.status_code=422",
	})
	down := newServer(t)
	down.store.err = fmt.Errorf("connect to 10.0.0.1 as %s: %w", phone, checkout.ErrUnavailable)
	down.create(t, 5000, 503)
	is.Equal(down.spanLines(), []string{
		"checkout.store create db.system.name=postgresql error.type=unavailable failed: unavailable",
		"POST /v1/checkouts http.response.status_code=503 failed: ",
	})
}

// TestAFailingStore checks which error.type each error has, and that only failures make a span fail. The caller gets the same error.
func TestAFailingStore(t *testing.T) {
	for name, test := range map[string]struct {
		err    error
		kind   string
		failed bool
	}{
		"an unavailable database":             {checkout.ErrUnavailable, "unavailable", true},
		"an unknown outcome":                  {errors.Join(checkout.ErrOutcomeUnknown, context.Canceled), "outcome_unknown", true},
		"a canceled context":                  {context.Canceled, "canceled", true},
		"a deadline that is exceeded":         {context.DeadlineExceeded, "deadline_exceeded", true},
		"any other error":                     {errors.New("the disk is on fire"), "_OTHER", true},
		"a conflict, which is no failure":     {checkout.ErrConflict, "conflict", false},
		"not found, which is no failure":      {checkout.ErrNotFound, "not_found", false},
		"bad arguments, which are no failure": {&checkout.ValidationError{}, "invalid", false},
	} {
		t.Run(name, func(t *testing.T) {
			is := is.New(t)
			spans := tracetest.NewInMemoryExporter()
			store := otelcheckout.Store(&failingStore{Store: memory.New(), err: test.err},
				otelcheckout.TracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans))))
			_, _, err := store.Create(t.Context(), checkout.Session{})
			is.Equal(err, test.err) // the error is not changed
			span := spans.GetSpans()[0]
			is.Equal(span.Status.Code == codes.Error, test.failed)
			is.True(slices.Contains(span.Attributes, attribute.String("error.type", test.kind)))
		})
	}
}

// TestAPanicIsRecordedAndReachesTheCaller proves that a panic of the store makes its span fail, and that the caller gets the panic.
func TestAPanicIsRecordedAndReachesTheCaller(t *testing.T) {
	is := is.New(t)
	spans := tracetest.NewInMemoryExporter()
	store := otelcheckout.Store(nil, otelcheckout.TracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans))))
	defer func() {
		is.True(recover() != nil)
		is.Equal(spans.GetSpans()[0].Status.Code, codes.Error)
	}()
	store.Get(t.Context(), checkout.Account{}, "")
}

// points returns the values of a metric by their attributes: the sums of a counter, or the counts of a histogram.
func (s *server) points(t *testing.T, name string) map[string]int64 {
	t.Helper()
	var all metricdata.ResourceMetrics
	is.New(t).NoErr(s.metrics.Collect(t.Context(), &all))
	points := make(map[string]int64)
	for _, scope := range all.ScopeMetrics {
		for _, metric := range scope.Metrics {
			if metric.Name != name {
				continue
			}
			switch data := metric.Data.(type) {
			case metricdata.Sum[int64]:
				for _, p := range data.DataPoints {
					points[p.Attributes.Encoded(attribute.DefaultEncoder())] = p.Value
				}
			case metricdata.Histogram[float64]:
				for _, p := range data.DataPoints {
					points[p.Attributes.Encoded(attribute.DefaultEncoder())] = int64(p.Count)
				}
			}
		}
	}
	return points
}

// TestMetrics checks which calls of the store and which requests are counted, and that requests are counted by route.
func TestMetrics(t *testing.T) {
	is := is.New(t)
	s := newServer(t)
	s.create(t, 5000, 201)
	s.create(t, 5000, 200)
	s.create(t, 6000, 422)
	s.create(t, 1, 400)
	is.Equal(s.points(t, "checkout.store.duration"), map[string]int64{
		"checkout.operation=create,db.system.name=postgresql": 3, // validation refuses the fourth request, so it does not reach the store
	})
	series := 0
	for attributes := range s.points(t, "http.server.request.duration") {
		is.True(strings.Contains(attributes, "http.route=/v1/checkouts"))
		series++
	}
	is.Equal(series, 4) // one for each status
}

// TestObserve proves that Observe counts each outcome once, by status, mode and lateness.
func TestObserve(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		reader := sdkmetric.NewManualReader()
		s := &server{metrics: reader}
		meter := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)).Meter("test")
		store := memory.New()
		checkouts, err := checkout.New(store, checkout.Config{})
		is.NoErr(err)
		account := checkout.Account{ID: "acct_secret"}
		create := func(a checkout.Account) checkout.Session {
			session, _, err := checkouts.Create(t.Context(), checkout.CreateParams{Account: a, Amount: 5000, Currency: "XOF", UserPhone: phone})
			is.NoErr(err)
			return session
		}
		before := create(account)
		_, err = checkouts.Cancel(t.Context(), account, before.ID) // not counted, because it was before Observe
		is.NoErr(err)

		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- otelcheckout.Observe(ctx, checkouts, meter) }()
		synctest.Wait()

		paid, expired, test := create(account), create(account), create(checkout.Account{ID: "acct_secret", Test: true})
		_, err = checkouts.Begin(t.Context(), account, paid.ID, "pay_1") // not counted, because pending is no outcome
		is.NoErr(err)
		time.Sleep(20 * time.Second)
		_, err = checkouts.Complete(t.Context(), account, paid.ID, "pay_1")
		is.NoErr(err)
		_, err = checkouts.Fail(t.Context(), test.Account, test.ID, "", "no money")
		is.NoErr(err)
		time.Sleep(time.Hour)
		_, err = checkouts.ExpireDue(t.Context(), 10)
		is.NoErr(err)
		_, err = checkouts.Complete(t.Context(), account, expired.ID, "pay_2")
		is.NoErr(err)
		time.Sleep(2 * time.Second)

		want := map[string]int64{
			"checkout.currency=XOF,checkout.late=false,checkout.livemode=true,checkout.status=completed": 1,
			"checkout.currency=XOF,checkout.late=false,checkout.livemode=false,checkout.status=failed":   1,
			"checkout.currency=XOF,checkout.late=false,checkout.livemode=true,checkout.status=expired":   1,
			"checkout.currency=XOF,checkout.late=true,checkout.livemode=true,checkout.status=completed":  1,
		}
		is.Equal(s.points(t, "checkout.sessions.ended"), want)
		is.Equal(s.points(t, "checkout.sessions.duration"), want)
		cancel()
		is.Equal(<-ended, context.Canceled)
	})
}

// TestObserveOutlivesAStoreThatFails proves that Observe continues after an outage of the store, and counts each event once, also if it has to
// read several pages of events.
func TestObserveOutlivesAStoreThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		reader := sdkmetric.NewManualReader()
		s := &server{metrics: reader}
		store := &failingFeed{Store: memory.New()}
		checkouts, err := checkout.New(store, checkout.Config{})
		is.NoErr(err)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() {
			ended <- otelcheckout.Observe(ctx, checkouts, sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)).Meter("test"))
		}()
		time.Sleep(1500 * time.Millisecond)
		account := checkout.Account{ID: "acct_1"}
		const many = 250
		for range many {
			session, _, err := checkouts.Create(t.Context(), checkout.CreateParams{Account: account, Amount: 5000, Currency: "XOF", UserPhone: phone})
			is.NoErr(err)
			_, err = checkouts.Cancel(t.Context(), account, session.ID)
			is.NoErr(err)
		}
		store.down.Store(true)
		time.Sleep(time.Minute)
		store.down.Store(false)
		time.Sleep(2 * time.Second)
		total := int64(0)
		for _, n := range s.points(t, "checkout.sessions.ended") {
			total += n
		}
		is.Equal(total, int64(many))
		cancel()
		<-ended
	})
}

// failingFeed is a store whose Events fails while down is set.
type failingFeed struct {
	checkout.Store
	down atomic.Bool
}

func (f *failingFeed) Events(ctx context.Context, after checkout.Cursor, limit int) ([]checkout.Event, error) {
	if f.down.Load() {
		return nil, checkout.ErrUnavailable
	}
	return f.Store.Events(ctx, after, limit)
}

// TestNoSecretInAnyAttribute proves that no span and no metric contains a phone number, a token or a key. The spans of the store and all
// metrics contain no account and no session's ID either. The spans of otelhttp may have the ID, because it is in the URL.
func TestNoSecretInAnyAttribute(t *testing.T) {
	is := is.New(t)
	s := newServer(t)
	id := s.create(t, 5000, 201)
	s.create(t, 6000, 422)
	s.store.err = fmt.Errorf("insert of %s under %s: %w", phone, key, checkout.ErrUnavailable)
	s.create(t, 5000, 503)
	get := httptest.NewRequestWithContext(t.Context(), "GET", "/v1/checkouts/"+id, nil)
	get.Header.Set("Authorization", "Bearer "+token)
	answer := httptest.NewRecorder()
	s.ServeHTTP(answer, get)
	is.Equal(answer.Code, 200)
	var all metricdata.ResourceMetrics
	is.NoErr(s.metrics.Collect(t.Context(), &all))
	recorded := ""
	for _, span := range s.spans.GetSpans() {
		if strings.HasPrefix(span.Name, "checkout.store") {
			recorded += fmt.Sprintln(span.Name, span.Attributes, span.Status, span.Events)
		}
		for _, secret := range []string{phone, phone[1:], token, key} {
			is.True(!strings.Contains(fmt.Sprintln(span.Name, span.Attributes, span.Status, span.Events), secret))
		}
	}
	recorded += fmt.Sprintf("%+v", all)
	for _, secret := range []string{phone, phone[1:], token, key, "acct_secret", id} {
		is.True(!strings.Contains(recorded, secret))
	}
}
