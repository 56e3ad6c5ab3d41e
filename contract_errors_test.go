package checkout_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
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

// failingStore calls fail before each of the methods below. If fail returns an error, the method returns it. Otherwise the store does
// its work. The methods of events, History and Prune never fail.
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

// driverText stands for the error text of a database driver, which must never reach a client.
const driverText = `pq: INSERT INTO checkout_sessions at /var/lib/db host=10.0.0.7`

// If the store fails, the client gets a fixed text and never the text of the driver, which may have secrets. The log gets the cause.
func TestStoreFailures(t *testing.T) {
	for _, test := range []struct {
		name   string
		err    error // nil: the store panics
		status int
		code   string
	}{
		{"a store that is unavailable", fmt.Errorf("%w: %s", checkout.ErrUnavailable, driverText), 503, "unavailable"},
		{"an unknown outcome", fmt.Errorf("%w: %s", checkout.ErrOutcomeUnknown, driverText), 503, "unavailable"},
		{"a deadline that has passed", context.DeadlineExceeded, 503, "unavailable"},
		{"any other error", errors.New(driverText), 500, "internal"},
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
				func() response { return a.post(with(t, card, "currency", `"gbp"`)) }, // gbp is not accepted, so the handler looks up the key
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
					is.Equal(log.String(), "") // the first request has logged the outage
					continue
				}
				is.True(strings.Contains(log.String(), got.header.Get("Request-Id"))) // the log must have the cause
				if test.err != context.DeadlineExceeded {
					is.True(strings.Contains(log.String(), "INSERT"))
				}
			}
			broken = false
			is.New(t).Equal(a.post(mobileMoney, key).status, 201) // the failures did not use up the key
		})
	}
}

// The log gets one line when an outage of the store begins and one when it ends, however many requests fail in between.
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
		ctx, leave := context.WithCancel(t.Context())
		leave()
		sendAndLeave := func() { a.send(createRequest(strings.NewReader(mobileMoney)).WithContext(ctx)) }
		sendAndLeave() // a client that leaves is no error, and does not begin the outage
		is.True(!strings.Contains(log.String(), "level=ERROR"))
		log.Reset()
		for range 100 {
			is.Equal(a.post(mobileMoney, keyHeader()).status, 503)
			sendAndLeave() // such a request adds no line and is not counted
			time.Sleep(100 * time.Millisecond)
		}
		is.Equal(strings.Count(log.String(), "\n"), 1)
		is.True(strings.Contains(log.String(), "level=ERROR"))
		is.True(strings.Contains(log.String(), "INSERT")) // the cause

		down.Store(false)
		time.Sleep(5 * time.Second)
		for range 3 {
			is.Equal(a.post(mobileMoney, keyHeader()).status, 201)
		}
		is.Equal(strings.Count(log.String(), "\n"), 2)
		is.True(strings.Contains(log.String(), "succeed again"))
		is.True(strings.Contains(log.String(), "failed=100"))
		is.True(strings.Contains(log.String(), "failed_for=9.9s"))
	})
}

// While MaxInFlight requests are in the store, the handler answers 503 to further ones at once. It accepts requests again when the first
// ones have ended, even if they ended with a panic.
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
	is.Equal(a.get("/v1/openapi.yaml").status, 200) // a request that needs no store is not limited
	is.Equal(a.get("/v1/checkouts", "Authorization: Bearer wrong").status, 401)
	is.Equal(a.post(`{}`, key).status, 400)
	is.Equal(log.String(), "") // an overload must not flood the log

	release <- nil
	is.Equal((<-answers).status, 201)
	release <- errors.New("the request ends with a panic, and must free its place too")
	is.Equal((<-answers).status, 500)
	start()
	start()
	release <- nil
	release <- nil
	is.Equal((<-answers).status, 201)
	is.Equal((<-answers).status, 201)
	go func() { <-inside; release <- nil }()
	is.Equal(a.post(mobileMoney, key).status, 201) // the refusals did not use up the key
}

// A client that leaves is no fault of the host, so it must not cause an alarm.
func TestAClientThatLeavesIsNotLoggedAsAnError(t *testing.T) {
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

// Create, the transitions, ExpireDue, List and Get must return the store's error, and no session with it.
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
		failing = "Create"
		created, replayed, err := a.Create(ctx, params(live, ""))
		is.True(errors.Is(err, failure))
		is.Equal(created, checkout.Session{})
		is.True(!replayed)
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
		expired, err := a.ExpireDue(ctx, 1)
		is.True(errors.Is(err, failure))
		is.Equal(len(expired), 0)
		failing = "List"
		page, err := a.List(ctx, live, checkout.Query{})
		is.True(errors.Is(err, failure))
		is.Equal(len(page.Sessions), 0)
		failing = "Get"
		got, err := a.Get(ctx, live, s.ID)
		is.True(errors.Is(err, failure))
		is.Equal(got, checkout.Session{})
	}
	failing = "Update"
	is := is.New(t)
	for want, err := range map[int]error{503: context.Canceled, 500: errors.New(driverText)} {
		failure = err
		is.Equal(a.do("POST", "/v1/checkouts/"+s.ID+"/cancel", "").status, want)
	}
	failure = checkout.ErrConflict // every attempt is a conflict
	got := a.do("POST", "/v1/checkouts/"+s.ID+"/cancel", "")
	is.Equal(got.status, 503)
	is.Equal(got.header.Get("Retry-After"), "1")
}

// The store must not see such IDs: PostgreSQL, for example, reports an error for U+0000, which would become a 500.
func TestIDsThatNoStoreCanHoldAreNotFound(t *testing.T) {
	a := newAPI(t, failingStore{memory.New(), func(method string) error { return errors.New(method + " was called") }})
	for _, id := range []string{"", "a\x00", "\xff", strings.Repeat("a", 256)} {
		_, err := a.Get(t.Context(), live, id)
		is.New(t).True(errors.Is(err, checkout.ErrNotFound))
	}
}

// A handler panics with http.ErrAbortHandler to make net/http close the connection. So this panic must reach net/http, and not become a
// 500.
func TestErrAbortHandlerReachesTheServer(t *testing.T) {
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
