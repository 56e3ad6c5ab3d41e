package checkout_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/store/memory"
	"github.com/matryer/is"
)

func TestETagChangesWhenTheSessionDoes(t *testing.T) {
	eachStore(t, func(t *testing.T, store checkout.Store) {
		is := is.New(t)
		a := newAPI(t, store)
		created := a.post(mobileMoney)
		path := "/v1/checkouts/" + created.id()
		seen := map[string]bool{}
		tag := func(r response) string {
			is.True(r.header.Get("ETag") != "")
			return r.header.Get("ETag")
		}
		is.Equal(tag(a.get(path)), tag(created)) // every answer with one session has an ETag
		seen[tag(created)] = true
		_, err := a.Begin(t.Context(), live, created.id(), "PAY_1")
		is.NoErr(err)
		pending := tag(a.get(path))
		is.True(!seen[pending])
		seen[pending] = true
		a.clock.Advance(30 * time.Minute)
		expired := tag(a.get(path)) // expired by the clock, without a sweep
		is.True(!seen[expired])

		other := a.post(mobileMoney).id()
		cancelled := a.do("POST", "/v1/checkouts/"+other+"/cancel", "")
		is.Equal(tag(cancelled), tag(a.get("/v1/checkouts/"+other)))
		is.Equal(a.get("/v1/checkouts").header.Get("ETag"), "") // a list has none
	})
}

func TestIfNoneMatchIs304WhileNothingHasChanged(t *testing.T) {
	a := newAPI(t, openSQLite(t))
	created := a.post(mobileMoney)
	path, tag := "/v1/checkouts/"+created.id(), created.header.Get("ETag")
	strong := strings.TrimPrefix(tag, "W/")
	for _, match := range []string{tag, strong, "W/" + strong, "*", `"x", ` + tag, `"a,b",` + strong + `, "y"`, `W/"x" , W/` + strong} {
		t.Run(match, func(t *testing.T) {
			is := is.New(t)
			for _, method := range []string{"GET", "HEAD"} {
				got := a.do(method, path, "", "If-None-Match: "+match)
				is.Equal(got.status, 304)
				is.Equal(got.raw, "")
				is.Equal(got.header.Get("ETag"), tag)
				is.Equal(got.header.Get("Content-Length"), "")
				is.Equal(got.header.Get("Cache-Control"), "no-store")
				is.True(got.header.Get("Request-Id") != "")
			}
		})
	}
	for _, match := range []string{`"x"`, `W/"x"`, strings.Trim(strong, `"`), `"`, strong[:len(strong)-1], ""} {
		is.New(t).Equal(a.do("GET", path, "", "If-None-Match: "+match).status, 200)
	}
	is.New(t).Equal(a.get("/v1/checkouts/cs_ci_0193f0c2a7b47c5e9d3a1b2c3d4e5f60", "If-None-Match: *").status, 404)
}

// waited is an answer and how long it took.
type waited struct {
	response
	took time.Duration
}

// waiting sends a GET, calls change once the handler waits, and returns the answer.
func waiting(t *testing.T, a *api, path string, change func(), headers ...string) waited {
	t.Helper()
	answered := make(chan waited)
	start := time.Now()
	go func() {
		answered <- waited{a.do("GET", path, "", headers...), time.Since(start)}
	}()
	synctest.Wait()
	change()
	return <-answered
}

func TestPreferWaitHoldsTheAnswerBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		a := newAPIWith(t, memory.New(), checkout.Config{Clock: checkout.ClockFunc(time.Now)}, checkout.HandlerConfig{})
		id := a.post(mobileMoney).id()
		path := "/v1/checkouts/" + id
		noChange := func() {}

		got := waiting(t, a, path, noChange, "Prefer: wait=20")
		is.Equal(got.status, 200) // after the wait, the session as it is
		is.Equal(got.took, 20*time.Second)
		is.Equal(got.header.Get("Preference-Applied"), "wait=20")
		tag := got.header.Get("ETag")
		got = waiting(t, a, path, noChange, "Prefer: wait=300", "If-None-Match: "+tag)
		is.Equal(got.status, 304)
		is.Equal(got.took, 60*time.Second) // a longer wait is cut to a minute
		is.Equal(got.header.Get("Preference-Applied"), "wait=60")

		got = waiting(t, a, path, func() {
			time.Sleep(5 * time.Second)
			_, err := a.Begin(t.Context(), live, id, "PAY_1")
			is.NoErr(err)
		}, "Prefer: respond-async, wait=30", "If-None-Match: "+tag)
		is.Equal(got.status, 200)
		is.Equal(got.body["status"], "pending")
		is.True(got.took < 5100*time.Millisecond) // within 100 ms of a change by the same process

		got = waiting(t, a, path, noChange, "Prefer: wait=30", `If-None-Match: W/"1-created"`)
		is.Equal(got.status, 200) // the session already has another ETag
		is.Equal(got.took, 0*time.Second)

		got = waiting(t, a, path, func() {
			time.Sleep(5 * time.Second)
			_, err := a.Complete(t.Context(), live, id, "PAY_1")
			is.NoErr(err)
		}, `Prefer: Wait="30"; foo`)
		is.Equal(got.body["status"], "completed")
		is.True(got.took < 5100*time.Millisecond)
		got = waiting(t, a, path, noChange, "Prefer: wait=30")
		is.Equal(got.status, 200) // nothing can change any more, so the answer comes at once
		is.Equal(got.took, 0*time.Second)
		got = waiting(t, a, path, noChange, "Prefer: wait=30", "If-None-Match: "+got.header.Get("ETag"))
		is.Equal(got.status, 304)
		is.Equal(got.took, 0*time.Second)
		is.Equal(waiting(t, a, "/v1/checkouts/cs_ci_x", noChange, "Prefer: wait=30").status, 404)
	})
}

func TestAWaitEndsWhenTheClockExpiresTheSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		a := newAPIWith(t, memory.New(), checkout.Config{Clock: checkout.ClockFunc(time.Now)}, checkout.HandlerConfig{})
		created := a.post(with(t, mobileMoney, "expires_in", "300"))
		time.Sleep(290 * time.Second)
		got := waiting(t, a, "/v1/checkouts/"+created.id(), func() {}, "Prefer: wait=60", "If-None-Match: "+created.header.Get("ETag"))
		is.Equal(got.status, 200)
		is.Equal(got.body["status"], "expired")
		is.Equal(got.took, 10*time.Second)
	})
}

func TestAMalformedPreferIsIgnored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAPIWith(t, memory.New(), checkout.Config{Clock: checkout.ClockFunc(time.Now)}, checkout.HandlerConfig{})
		path := "/v1/checkouts/" + a.post(mobileMoney).id()
		for _, prefer := range []string{"", "wait", "wait=", "wait=0", "wait=-1", "wait=1.5", "wait=ten", "wait= ", "return=minimal", "waiting=5", "=5", `wait="`, "wait;=5"} {
			is := is.New(t)
			got := waiting(t, a, path, func() {}, "Prefer: "+prefer)
			is.Equal(got.status, 200)
			is.Equal(got.took, 0*time.Second)
			is.Equal(got.header.Get("Preference-Applied"), "")
		}
	})
}

func TestAChangeByAnotherProcessEndsAWaitWithinASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		store := memory.New()
		a := newAPIWith(t, store, checkout.Config{Clock: checkout.ClockFunc(time.Now)}, checkout.HandlerConfig{})
		another, err := checkout.New(store, checkout.Config{})
		is.NoErr(err)
		for _, after := range []time.Duration{time.Millisecond, time.Second, 7 * time.Second} {
			id := a.post(mobileMoney).id()
			got := waiting(t, a, "/v1/checkouts/"+id, func() {
				time.Sleep(after)
				_, err := another.Begin(t.Context(), live, id, "PAY_1")
				is.NoErr(err)
			}, "Prefer: wait=30")
			is.Equal(got.body["status"], "pending")
			is.True(got.took < after+time.Second)
		}
	})
}

// countingStore counts the calls of Get and Events. While failing is set, its feed is unavailable.
type countingStore struct {
	checkout.Store
	reads   atomic.Int64
	failing atomic.Bool
}

func (s *countingStore) Get(ctx context.Context, account checkout.Account, id string) (checkout.Session, error) {
	s.reads.Add(1)
	return s.Store.Get(ctx, account, id)
}

func (s *countingStore) Events(ctx context.Context, after checkout.Cursor, limit int) ([]checkout.Event, error) {
	s.reads.Add(1)
	if s.failing.Load() {
		return nil, checkout.ErrUnavailable
	}
	return s.Store.Events(ctx, after, limit)
}

// All waiters share one reader of the feed, so the number of reads must not grow with the number of waiters. Still, each waiter must
// be woken within a second after its session has changed.
func TestManyWaitersCostTheStoreWhatOneCosts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		store := &countingStore{Store: memory.New()}
		a := newAPIWith(t, store, checkout.Config{Clock: checkout.ClockFunc(time.Now)}, checkout.HandlerConfig{})
		another, err := checkout.New(store.Store, checkout.Config{Clock: checkout.ClockFunc(time.Now)})
		is.NoErr(err)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		const n = 1000
		var sessions [n]checkout.Session
		var woken [n]time.Time
		var wg sync.WaitGroup
		for i := range n {
			sessions[i] = a.mustCreate(live, "")
			wg.Go(func() {
				s, err := a.Wait(ctx, live, sessions[i].ID, sessions[i])
				if err == nil && s.Status == checkout.StatusPending {
					woken[i] = time.Now()
				}
			})
		}
		time.Sleep(5 * time.Second)
		before := store.reads.Load()
		time.Sleep(100 * time.Second)
		is.True(store.reads.Load()-before <= 400) // at most 4 reads a second while nothing changes

		store.failing.Store(true) // the feed is unavailable for a while, which must end no wait
		time.Sleep(30 * time.Second)
		store.failing.Store(false)
		start := time.Now()
		for i := range n / 2 { // changes by another process
			_, err := another.Begin(t.Context(), live, sessions[i].ID, "PAY_1")
			is.NoErr(err)
		}
		for i := n / 2; i < n-1; i++ { // changes by this process
			_, err := a.Begin(t.Context(), live, sessions[i].ID, "PAY_1")
			is.NoErr(err)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		for i := range n - 1 {
			if woken[i].IsZero() || woken[i].Sub(start) > time.Second {
				t.Fatalf("waiter %d was not woken within a second: woken at %s, changed at %s", i, woken[i], start)
			}
		}
		is.True(woken[n-1].IsZero()) // its session has not changed
		cancel()
		wg.Wait()
	})
}

func TestWaitReturnsASessionThatDiffers(t *testing.T) {
	eachStore(t, func(t *testing.T, store checkout.Store) {
		is := is.New(t)
		a := newAPI(t, store)
		s := a.mustCreate(live, "")
		got, err := a.Wait(t.Context(), live, s.ID, checkout.Session{})
		is.NoErr(err)
		is.Equal(got, s)
		ended, done := context.WithCancel(t.Context())
		done()
		_, err = a.Wait(ended, live, s.ID, s)
		is.True(errors.Is(err, context.Canceled))
		_, err = a.Wait(t.Context(), other, s.ID, s)
		is.True(errors.Is(err, checkout.ErrNotFound))
	})
}

// afterRead is a store that calls do each time it has read a session.
type afterRead struct {
	checkout.Store
	do func()
}

func (s *afterRead) Get(ctx context.Context, account checkout.Account, id string) (checkout.Session, error) {
	got, err := s.Store.Get(ctx, account, id)
	s.do()
	return got, err
}

// Wait reads the session when it begins, and once more when it has found the end of the feed. After each of these reads, another process
// changes the session. Wait has just read the session as it was, so only the feed can tell it of the change.
func TestWaitSeesAChangeByAnotherProcessAfterItsRead(t *testing.T) {
	eachStore(t, func(t *testing.T, store checkout.Store) {
		for _, read := range []int{1, 2} {
			is := is.New(t)
			hooked := &afterRead{Store: store}
			a := newAPI(t, hooked)
			another, err := checkout.New(store, checkout.Config{Clock: a.clock})
			is.NoErr(err)
			s := a.mustCreate(live, "")
			var begun checkout.Session
			reads := 0
			hooked.do = func() {
				if reads++; reads == read {
					begun, err = another.Begin(t.Context(), live, s.ID, "PAY_1")
					is.NoErr(err)
				}
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			got, err := a.Wait(ctx, live, s.ID, s)
			is.NoErr(err)
			is.Equal(got, begun)
			is.Equal(got.Status, checkout.StatusPending)
		}
	})
}

func TestAServerThatStopsAnswersItsWaiters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		a := newAPIWith(t, memory.New(), checkout.Config{Clock: checkout.ClockFunc(time.Now)}, checkout.HandlerConfig{})
		created := a.post(mobileMoney)
		path := "/v1/checkouts/" + created.id()
		got := waiting(t, a, path, a.StopWaiting, "Prefer: wait=60", "If-None-Match: "+created.header.Get("ETag"))
		is.Equal(got.status, 304)
		is.Equal(got.took, 0*time.Second)
		a.StopWaiting()
		got = waiting(t, a, path, func() {}, "Prefer: wait=60")
		is.Equal(got.status, 200)
		is.Equal(got.took, 0*time.Second)
	})
}

func TestMaxWaitingIsABound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		a := newAPIWith(t, memory.New(), checkout.Config{Clock: checkout.ClockFunc(time.Now)}, checkout.HandlerConfig{MaxWaiting: 2, MaxInFlight: 1})
		path := "/v1/checkouts/" + a.post(mobileMoney).id()
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() { a.do("GET", path, "", "Prefer: wait=10") })
			synctest.Wait() // MaxInFlight allows one read at a time
		}
		got := waiting(t, a, path, func() {}, "Prefer: wait=10")
		is.Equal(got.status, 200) // beyond MaxWaiting the answer comes at once; requests that wait do not count for MaxInFlight
		is.Equal(got.took, 0*time.Second)
		is.Equal(got.header.Get("Preference-Applied"), "")
		wg.Wait()
		is.Equal(waiting(t, a, path, func() {}, "Prefer: wait=10").took, 10*time.Second)
	})
	is := is.New(t)
	_, err := checkout.NewHandler(newAPI(t, memory.New()).Checkouts, checkout.AuthenticatorFunc(nil), checkout.HandlerConfig{MaxWaiting: -1})
	is.True(strings.Contains(fmt.Sprint(err), "HandlerConfig.MaxWaiting"))
}

// The handler sets Request.Pattern, so that the host's middleware can label its metrics by route.
func TestTheHandlerNamesItsRoutes(t *testing.T) {
	is := is.New(t)
	a := newAPI(t, memory.New())
	id := a.post(mobileMoney).id()
	for path, pattern := range map[string]string{
		"/v1/checkouts":                   "/v1/checkouts",
		"/v1/checkouts/" + id:             "/v1/checkouts/{id}",
		"/v1/checkouts/" + id + "/events": "/v1/checkouts/{id}/events",
		"/v1/checkouts/" + id + "/cancel": "/v1/checkouts/{id}/cancel",
		"/v1/openapi.yaml":                "/v1/openapi.yaml",
		"/v1/other":                       "",
	} {
		r := httptest.NewRequest("GET", path, nil)
		a.handler.ServeHTTP(httptest.NewRecorder(), r)
		is.Equal(r.Pattern, pattern)
	}
}
