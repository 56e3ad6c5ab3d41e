package checkout_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/idempotency"
	"github.com/caisse/checkout/store/memory"
	"github.com/google/uuid"
	"github.com/matryer/is"
)

// failingStore does what fail says in place of a method, and what the store does where fail says nothing.
type failingStore struct {
	checkout.Store
	fail func(method string) error
}

func (s failingStore) Create(ctx context.Context, session checkout.Session) (checkout.Session, bool, error) {
	if err := s.fail("Create"); err != nil {
		return checkout.Session{}, false, err
	}
	return s.Store.Create(ctx, session)
}

func (s failingStore) Get(ctx context.Context, account checkout.Account, id string) (checkout.Session, error) {
	if err := s.fail("Get"); err != nil {
		return checkout.Session{}, err
	}
	return s.Store.Get(ctx, account, id)
}

func (s failingStore) GetByKey(ctx context.Context, account checkout.Account, key idempotency.Key) (checkout.Session, error) {
	if err := s.fail("GetByKey"); err != nil {
		return checkout.Session{}, err
	}
	return s.Store.GetByKey(ctx, account, key)
}

func (s failingStore) Update(ctx context.Context, session checkout.Session) error {
	if err := s.fail("Update"); err != nil {
		return err
	}
	return s.Store.Update(ctx, session)
}

func (s failingStore) List(ctx context.Context, account checkout.Account, q checkout.Query) ([]checkout.Session, int, error) {
	if err := s.fail("List"); err != nil {
		return nil, 0, err
	}
	return s.Store.List(ctx, account, q)
}

func (s failingStore) Expire(ctx context.Context, now time.Time, limit int) ([]checkout.Session, error) {
	if err := s.fail("Expire"); err != nil {
		return nil, err
	}
	return s.Store.Expire(ctx, now, limit)
}

// A driver's text as it must never reach a client.
const driverText = `pq: INSERT INTO checkout_sessions at /var/lib/db host=10.0.0.7`

func TestStoreFailures(t *testing.T) {
	for _, test := range []struct {
		name   string
		err    error // nil: panic
		status int
		code   string
	}{
		{"unavailable", fmt.Errorf("%w: %s", checkout.ErrUnavailable, driverText), 503, "unavailable"},
		{"an unknown outcome", fmt.Errorf("%w: %s", checkout.ErrOutcomeUnknown, driverText), 503, "unavailable"},
		{"a deadline", context.DeadlineExceeded, 503, "unavailable"},
		{"a fault", errors.New(driverText), 500, "internal"},
		{"a panic", nil, 500, "internal"},
	} {
		t.Run(test.name, func(t *testing.T) {
			broken := true
			store := failingStore{memory.New(), func(string) error {
				if broken && test.err == nil {
					panic(driverText)
				}
				if broken {
					return test.err
				}
				return nil
			}}
			var log bytes.Buffer
			a := newAPIWith(t, store, checkout.Config{}, checkout.HandlerConfig{Logger: slog.New(slog.NewTextHandler(&log, nil))})
			key := keyHeader()
			for i, send := range []func() response{
				func() response { return a.post(mobileMoney, key) },
				func() response { return a.post(with(t, card, "currency", `"gbp"`)) }, // looks the key up
				func() response { return a.get("/v1/checkouts") },
				func() response { return a.get("/v1/checkouts/cs_x") },
				func() response { return a.do("POST", "/v1/checkouts/cs_x/cancel", "") },
			} {
				is := is.New(t)
				log.Reset()
				got := send()
				is.Equal(got.status, test.status)
				is.Equal(got.code(), test.code)
				is.Equal(got.header.Get("Content-Type"), "application/problem+json")
				is.Equal(got.header.Get("Retry-After") != "", test.status == 503)
				for _, leak := range []string{"INSERT", "/var/lib", "10.0.0.7", "goroutine", "panic"} {
					is.True(!strings.Contains(got.raw, leak))
				}
				if i > 0 && errors.Is(test.err, checkout.ErrUnavailable) {
					is.Equal(log.String(), "") // the first one told of the outage
					continue
				}
				is.True(strings.Contains(log.String(), got.header.Get("Request-Id"))) // the operator gets the cause
				if test.err != context.DeadlineExceeded {
					is.True(strings.Contains(log.String(), "INSERT"))
				}
			}
			broken = false
			is.New(t).Equal(a.post(mobileMoney, key).status, 201) // and the key stayed free
		})
	}
}

func TestAnOutageIsTwoLinesOfTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		var down atomic.Bool
		store := failingStore{memory.New(), func(string) error {
			if down.Load() {
				return fmt.Errorf("%w: %s", checkout.ErrUnavailable, driverText)
			}
			return nil
		}}
		var log bytes.Buffer
		a := newAPIWith(t, store, checkout.Config{}, checkout.HandlerConfig{Logger: slog.New(slog.NewTextHandler(&log, nil))})
		is.Equal(a.post(mobileMoney, keyHeader()).status, 201)
		is.Equal(log.String(), "")

		down.Store(true)
		for range 100 {
			is.Equal(a.post(mobileMoney, keyHeader()).status, 503)
			time.Sleep(100 * time.Millisecond)
		}
		is.Equal(strings.Count(log.String(), "\n"), 1)
		is.True(strings.Contains(log.String(), "INSERT")) // the cause

		down.Store(false)
		time.Sleep(time.Second)
		for range 3 {
			is.Equal(a.post(mobileMoney, keyHeader()).status, 201)
		}
		is.Equal(strings.Count(log.String(), "\n"), 2)
		is.True(strings.Contains(log.String(), "succeed again"))
		is.True(strings.Contains(log.String(), "failed=100"))
		is.True(strings.Contains(log.String(), "failed_for=9.9s"))
	})
}

func TestOverloadIsRefusedAtOnceAndPasses(t *testing.T) {
	is := is.New(t)
	inside, release := make(chan struct{}), make(chan error)
	store := failingStore{memory.New(), func(string) error {
		inside <- struct{}{}
		err := <-release
		if err != nil {
			panic(err)
		}
		return nil
	}}
	var log bytes.Buffer
	a := newAPIWith(t, store, checkout.Config{}, checkout.HandlerConfig{MaxInFlight: 2, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	answers := make(chan response)
	start := func() { go func() { answers <- a.post(mobileMoney, keyHeader()) }(); <-inside }
	start()
	start()

	key := keyHeader()
	for _, got := range []response{
		a.post(mobileMoney, key), a.get("/v1/checkouts"), a.get("/v1/checkouts/cs_x"), a.do("POST", "/v1/checkouts/cs_x/cancel", ""),
	} {
		is.Equal(got.status, 503)
		is.Equal(got.code(), "unavailable")
		is.Equal(got.header.Get("Retry-After"), "1")
		is.Equal(got.body["request_id"], got.header.Get("Request-Id"))
	}
	is.Equal(a.get("/v1/openapi.yaml").status, 200) // what needs no store is answered as ever
	is.Equal(a.get("/v1/checkouts", "Authorization: Bearer wrong").status, 401)
	is.Equal(a.post(`{}`, key).status, 400)
	is.Equal(log.String(), "") // a flood of requests must not become one of log lines

	release <- nil
	is.Equal((<-answers).status, 201)
	release <- errors.New("a store that panics gives its place back too")
	is.Equal((<-answers).status, 500)
	start()
	start()
	release <- nil
	release <- nil
	is.Equal((<-answers).status, 201)
	is.Equal((<-answers).status, 201)
	go func() { <-inside; release <- nil }()
	is.Equal(a.post(mobileMoney, key).status, 201) // the key stayed free
}

func TestAClientThatHasGoneWakesNobody(t *testing.T) {
	is := is.New(t)
	var log bytes.Buffer
	a := newAPIWith(t, memory.New(), checkout.Config{}, checkout.HandlerConfig{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	is.Equal(a.send(createRequest(strings.NewReader(mobileMoney)).WithContext(ctx)).status, 503)
	is.True(strings.Contains(log.String(), "level=INFO"))
	is.True(!strings.Contains(log.String(), "level=ERROR"))
	is.True(strings.Contains(log.String(), "method=POST route=/v1/checkouts "))
}

func TestOneMethodOfTheStoreFails(t *testing.T) {
	failure := fmt.Errorf("%w: %s", checkout.ErrOutcomeUnknown, driverText)
	failing := ""
	store := failingStore{memory.New(), func(method string) error {
		if method == failing {
			return failure
		}
		return nil
	}}
	a := newAPI(t, store)
	ctx := t.Context()
	s := a.mustCreate(live, "")
	for _, failure = range []error{fmt.Errorf("%w: %s", checkout.ErrOutcomeUnknown, driverText), checkout.ErrUnavailable, errors.New(driverText), context.Canceled} {
		is := is.New(t)
		failing = "Update"
		for _, move := range []func() (checkout.Session, error){
			func() (checkout.Session, error) { return a.Begin(ctx, live, s.ID, "P") },
			func() (checkout.Session, error) { return a.Process(ctx, live, s.ID, "") },
			func() (checkout.Session, error) { return a.Complete(ctx, live, s.ID, "") },
			func() (checkout.Session, error) { return a.Fail(ctx, live, s.ID, "", "") },
			func() (checkout.Session, error) { return a.Cancel(ctx, live, s.ID) },
		} {
			got, err := move()
			is.True(errors.Is(err, failure))
			is.Equal(got, checkout.Session{})
		}
		failing = "Expire"
		_, err := a.ExpireDue(ctx, 1)
		is.True(errors.Is(err, failure))
		failing = "List"
		_, err = a.List(ctx, live, checkout.Query{})
		is.True(errors.Is(err, failure))
		failing = "Get"
		_, err = a.Get(ctx, live, s.ID)
		is.True(errors.Is(err, failure))
	}
	failing = "Update"
	is := is.New(t)
	for want, err := range map[int]error{503: context.Canceled, 500: errors.New(driverText)} {
		failure = err
		is.Equal(a.do("POST", "/v1/checkouts/"+s.ID+"/cancel", "").status, want)
	}
	failure = checkout.ErrConflict // without end
	got := a.do("POST", "/v1/checkouts/"+s.ID+"/cancel", "")
	is.Equal(got.status, 503)
	is.Equal(got.header.Get("Retry-After"), "1")
}

func TestIDsThatNoStoreCanHoldAreNotFound(t *testing.T) {
	a := newAPI(t, failingStore{memory.New(), func(method string) error { return errors.New(method + " was called") }})
	for _, id := range []string{"", "a\x00", "\xff", strings.Repeat("a", 256)} {
		_, err := a.Get(t.Context(), live, id)
		is.New(t).True(errors.Is(err, checkout.ErrNotFound))
	}
}

func TestAbortHandlerIsTheServers(t *testing.T) {
	is := is.New(t)
	a := newAPI(t, failingStore{memory.New(), func(string) error { panic(http.ErrAbortHandler) }})
	defer func() { is.Equal(recover(), http.ErrAbortHandler) }()
	a.get("/v1/checkouts")
}

func TestCancelledContextWritesNothing(t *testing.T) {
	eachStore(t, func(t *testing.T, store checkout.Store) {
		is := is.New(t)
		a := newAPI(t, store)
		key := uuid.NewString()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, _, err := a.Create(ctx, params(live, key))
		is.True(errors.Is(err, context.Canceled))
		is.True(!errors.Is(err, checkout.ErrOutcomeUnknown))
		_, replayed, err := a.Create(t.Context(), params(live, key))
		is.NoErr(err)
		is.True(!replayed)
	})
}

func TestFullMemoryStoreIsUnavailableAndStillReplays(t *testing.T) {
	is := is.New(t)
	a := newAPI(t, memory.NewLimit(1))
	first, second := keyHeader(), keyHeader()
	is.Equal(a.post(mobileMoney, first).status, 201)
	got := a.post(mobileMoney, second)
	is.Equal(got.status, 503)
	is.Equal(got.header.Get("Retry-After"), "1")
	is.Equal(a.post(mobileMoney, first).status, 200)
}

// canaries are what must never be seen again. Each stands in one place of a request where a secret is sent.
var canaries = map[string]string{
	"token":       "sk_live_CANARYTOKEN",
	"key":         "CANARYKEY-17",
	"phone":       "+2250711223344",
	"description": "CANARYDESCRIPTION",
	"url":         "https://example.com/CANARYURL",
	"value":       "CANARYVALUE",
}

func TestSecretsNeverAppear(t *testing.T) {
	var mu sync.Mutex
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(writerFunc(func(p []byte) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		return log.Write(p)
	}), &slog.HandlerOptions{Level: slog.LevelDebug}))
	var failure error
	var panics bool
	store := failingStore{memory.NewLimit(3), func(string) error {
		if panics {
			panic("broken")
		}
		return failure
	}}
	a := newAPIWith(t, store, checkout.Config{Logger: logger}, checkout.HandlerConfig{Logger: logger, AnyIdempotencyKey: true})
	auth, err := checkout.BearerTokens(map[string]checkout.Account{canaries["token"]: live})
	is.New(t).NoErr(err)
	a.handler, err = checkout.NewHandler(a.Checkouts, auth, checkout.HandlerConfig{Logger: logger, AnyIdempotencyKey: true})
	is.New(t).NoErr(err)

	full := fmt.Sprintf(`{"amount": 5000, "currency": "XOF", "user_phone": %q, "description": %q, "success_url": %q}`,
		canaries["phone"], canaries["description"], canaries["url"])
	headers := func(more ...string) []string {
		return append([]string{"Authorization: Bearer " + canaries["token"], "Idempotency-Key: " + canaries["key"]}, more...)
	}
	answers := []response{}
	send := func(body string, headers ...string) { answers = append(answers, a.post(body, headers...)) }
	bad := func(member string) { send(with(t, full, member, `"`+canaries["value"]+`"`), headers()...) }

	for _, member := range []string{"amount", "currency", "user_phone", "payment_method", "success_url", "expires_in"} {
		bad(member)
	}
	send(with(t, full, "user_phone", `"`+canaries["phone"]+`5"`), headers()...)
	send(with(t, full, "description", `"`+strings.Repeat(canaries["value"], 30)+`"`), headers()...)
	send(with(t, full, "nope", `"`+canaries["value"]+`"`), headers()...)
	send(full+canaries["value"], headers()...)
	send(`{"`+canaries["value"], headers()...)
	send(full, headers("Authorization: Basic "+canaries["token"])...)
	send(full, "Authorization: Bearer "+canaries["token"]+"x")
	send(full, "Authorization: Bearer "+canaries["token"], "Idempotency-Key: "+canaries["key"]+",")
	send(full, "Authorization: Bearer "+canaries["token"], "Idempotency-Key: "+canaries["key"], "Idempotency-Key: "+canaries["key"])
	send(full, headers("Content-Type: "+canaries["value"])...)
	answers = append(answers, a.get("/v1/checkouts?status="+canaries["value"], headers()...))
	answers = append(answers, a.get("/v1/checkouts?"+canaries["value"]+"=1", headers()...))
	answers = append(answers, a.get("/v1/checkouts/"+canaries["value"], headers()...))
	answers = append(answers, a.do("POST", "/v1/checkouts/"+canaries["value"]+"/cancel", "", headers()...))
	for _, failure = range []error{checkout.ErrUnavailable, checkout.ErrOutcomeUnknown, errors.New("fault"), context.Canceled} {
		send(full, headers()...)
	}
	failure, panics = nil, true
	send(full, headers()...)
	panics = false
	created := a.post(full, headers()...)
	is.New(t).Equal(created.status, 201)
	send(with(t, full, "amount", "6000"), headers()...) // reused
	for range 3 {
		send(full, "Authorization: Bearer "+canaries["token"], keyHeader()) // until the store is full
	}
	canaryParams := params(live, canaries["key"])
	canaryParams.UserPhone, canaryParams.Description, canaryParams.SuccessURL = canaries["phone"], canaries["description"], canaries["url"]
	for _, move := range []func() (checkout.Session, error){
		func() (checkout.Session, error) { return a.Begin(t.Context(), live, created.id(), "PAY_1") },
		func() (checkout.Session, error) { return a.Cancel(t.Context(), live, created.id()) },
		func() (checkout.Session, error) { return a.Complete(t.Context(), live, created.id(), "PAY_1") },
		func() (checkout.Session, error) { return a.Complete(t.Context(), live, created.id(), "PAY_2") },
	} {
		s, err := move()
		logger.Info("a host logs what it got", "session", s, "error", err, "params", canaryParams, "all", []checkout.CreateParams{canaryParams}, "sessions", []checkout.Session{s}, "page", checkout.Page{Sessions: []checkout.Session{s}})
	}

	is := is.New(t)
	statuses := map[int]bool{}
	for _, got := range answers {
		statuses[got.status] = true
		if got.status < 300 {
			continue // the account's own session may be shown to it
		}
		for name, secret := range canaries {
			if strings.Contains(got.raw, secret) || strings.Contains(fmt.Sprint(got.header), secret) {
				t.Errorf("the %s appears in %s", name, got.raw)
			}
		}
	}
	for _, status := range []int{400, 401, 404, 415, 422, 500, 503} {
		is.True(statuses[status]) // the paths were really walked
	}
	is.True(strings.Contains(log.String(), "checkout session created"))
	is.True(strings.Contains(log.String(), `level=WARN msg="payment came late"`))
	is.True(strings.Contains(log.String(), "two payments claim one checkout session"))
	for name, secret := range canaries {
		if i := strings.Index(log.String(), secret); i >= 0 {
			t.Errorf("the %s appears in the log: %.200s", name, log.String()[max(0, i-100):])
		}
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestNoVerbOfFmtShowsASecret(t *testing.T) {
	params := checkout.CreateParams{
		Account: live, IdempotencyKey: "CANARY-key", Amount: 5000, Currency: "XOF", UserPhone: "+2250707987654",
		Description: "CANARY-text", SuccessURL: "https://CANARY.example",
	}
	session := checkout.Session{
		ID: "cs_ci_1", Account: live, IdempotencyKey: "CANARY-key", UserPhone: "+2250707987654",
		Description: "CANARY-text", SuccessURL: "https://CANARY.example",
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x", "%X", "%T %v", "%10v"} {
		for _, value := range []any{params, &params, []checkout.CreateParams{params}, session, &session, []checkout.Session{session}, map[string]checkout.Session{"a": session}, struct{ S checkout.Session }{session}} {
			args := []any{value, value}[:strings.Count(verb, "%")]
			text := fmt.Sprintf(verb, args...)
			for _, secret := range []string{"CANARY", "43414e415259", "43414E415259", "07987", "3037393837"} {
				if strings.Contains(text, secret) {
					t.Errorf("%s of %T: %s", verb, value, text)
				}
			}
		}
	}
}
