// Package delivery breaks dispatchers of webhooks and their receivers. Every change must still reach every endpoint that wants it,
// and a delivery whose success was recorded must not be sent again.
package delivery

import (
	"context"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/faults/oracle"
	"github.com/caisse/checkout/faults/stores"
	"github.com/caisse/checkout/webhook"
)

// Store is a store with a webhook.Store.
type Store interface {
	stores.Store
	Webhooks() webhook.Store
}

// Round changes sessions on one store, and has a receiver that remembers the webhooks about them.
type Round struct {
	tb        testing.TB
	store     Store
	checkouts *checkout.Checkouts
	hooks     *webhook.Webhooks
	endpoints []webhook.Endpoint

	mu       sync.Mutex
	choose   *rand.Rand
	changed  map[string]changed     // by the ID of a session
	received map[string][]time.Time // by endpoint and event
	settled  map[string]time.Time   // when a delivery was first seen as delivered
}

// changed is the last version of a session that a caller was told.
type changed struct {
	account checkout.Account
	version int64
}

const endpoints = 6 // each belongs to an account of its own

func account(n int) checkout.Account {
	return checkout.Account{ID: fmt.Sprintf("acct_%d", n%endpoints)}
}

// NewRound begins a round on a store. It creates the endpoints.
func NewRound(tb testing.TB, store Store, seed uint64) *Round {
	tb.Helper()
	r := &Round{
		tb: tb, choose: rand.New(rand.NewPCG(seed, 9)),
		changed: make(map[string]changed), received: make(map[string][]time.Time), settled: make(map[string]time.Time),
	}
	url, _ := receive(tb, func(_ http.ResponseWriter, request *http.Request) {
		io.Copy(io.Discard, request.Body)
		r.mu.Lock()
		defer r.mu.Unlock()
		key := request.URL.Path + " " + request.Header.Get("Webhook-Id")
		r.received[key] = append(r.received[key], time.Now())
	})
	r.Use(store)
	for n := range endpoints {
		e, err := r.hooks.Create(tb.Context(), account(n), webhook.EndpointParams{URL: fmt.Sprintf("%s/%d", url, n)})
		if err != nil {
			tb.Fatal(err)
		}
		r.endpoints = append(r.endpoints, e)
	}
	return r
}

// receive starts a server for receivers and returns its URL. hangUp closes all connections. The server ends with the test.
func receive(tb testing.TB, f http.HandlerFunc) (url string, hangUp func()) {
	tb.Helper()
	server := httptest.NewUnstartedServer(f)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.Start()
	tb.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return server.URL, server.CloseClientConnections
}

func open(tb testing.TB, place stores.Place) Store {
	tb.Helper()
	store, err := place.Open(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { store.Close() })
	return store.(Store)
}

// run runs a dispatcher until stop is called.
func run(tb testing.TB, hooks *webhook.Webhooks) (stop func()) {
	ctx, cancel := context.WithCancel(tb.Context())
	ended := make(chan error, 1)
	go func() { ended <- hooks.Run(ctx) }()
	return func() {
		cancel()
		if err := <-ended; err != nil {
			tb.Error(err)
		}
	}
}

// Use makes the round continue with another store on the same data.
func (r *Round) Use(store Store) {
	r.tb.Helper()
	r.store = store
	r.checkouts, r.hooks = r.open(webhook.Config{AllowPrivate: true})
}

func (r *Round) open(cfg webhook.Config) (*checkout.Checkouts, *webhook.Webhooks) {
	r.tb.Helper()
	checkouts, err := checkout.New(r.store, checkout.Config{Clock: cfg.Clock})
	if err != nil {
		r.tb.Fatal(err)
	}
	hooks, err := webhook.New(checkouts, r.store.Webhooks(), cfg)
	if err != nil {
		r.tb.Fatal(err)
	}
	return checkouts, hooks
}

// Dispatch runs a dispatcher until stop is called.
func (r *Round) Dispatch() (stop func()) {
	r.tb.Helper()
	return run(r.tb, r.hooks)
}

// Change creates a session and changes it once or twice. It may be called concurrently.
func (r *Round) Change() error {
	r.mu.Lock()
	a, completes := account(r.choose.IntN(endpoints)), r.choose.IntN(2) == 0
	r.mu.Unlock()
	ctx := r.tb.Context()
	s, _, err := r.checkouts.Create(ctx, checkout.CreateParams{Account: a, Amount: 5000, Currency: "XOF", UserPhone: "+22507987654", ExpiresIn: 24 * time.Hour})
	if err != nil {
		return err
	}
	r.note(s)
	if s, err = r.checkouts.Begin(ctx, a, s.ID, "pay_1"); err != nil {
		return err
	}
	r.note(s)
	if completes {
		if s, err = r.checkouts.Complete(ctx, a, s.ID, "pay_1"); err != nil {
			return err
		}
		r.note(s)
	}
	return nil
}

// note remembers the version of a session that a caller was told.
func (r *Round) note(s checkout.Session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.changed[s.ID] = changed{s.Account, s.Version}
}

func (r *Round) pause() { time.Sleep(time.Duration(r.choose.Int64N(int64(8 * time.Millisecond)))) }

// See notes which deliveries the store has as delivered. They must not come again.
func (r *Round) See() {
	r.tb.Helper()
	for n := range r.endpoints {
		r.each(n, func(d webhook.Delivery) {
			if d.State == webhook.Delivered {
				key := fmt.Sprintf("/%d %s", n, d.EventID)
				if _, known := r.settled[key]; !known {
					r.settled[key] = time.Now()
				}
			}
		})
	}
}

// each calls f for every delivery of an endpoint.
func (r *Round) each(n int, f func(webhook.Delivery)) {
	r.tb.Helper()
	for cursor := ""; ; {
		page, err := r.hooks.Deliveries(r.tb.Context(), account(n), r.endpoints[n].ID, cursor, webhook.MaxPage)
		if err != nil {
			r.tb.Fatal(err)
		}
		for _, d := range page.Deliveries {
			f(d)
		}
		if cursor = page.NextCursor; !page.HasMore {
			return
		}
	}
}

// Finish runs a dispatcher without faults until nothing is left to send. Its clock is ahead, so that deliveries which an earlier
// dispatcher had claimed are due.
func (r *Round) Finish(ahead time.Duration) {
	r.tb.Helper()
	now := checkout.ClockFunc(func() time.Time { return time.Now().Add(ahead + 10*time.Minute) })
	_, last := r.open(webhook.Config{AllowPrivate: true, Clock: now})
	stop := run(r.tb, last)
	quiet, deadline := 0, time.Now().Add(3*time.Minute)
	for before := -1; quiet < 10; time.Sleep(200 * time.Millisecond) {
		pending := 0
		for n := range r.endpoints {
			r.each(n, func(d webhook.Delivery) {
				if d.State == webhook.Pending {
					pending++
				}
			})
		}
		r.mu.Lock()
		received := len(r.received)
		r.mu.Unlock()
		if quiet++; received != before || pending > 0 {
			quiet = 0
		}
		before = received
		if time.Now().After(deadline) {
			r.tb.Errorf("%d deliveries are still pending after three minutes", pending)
			break
		}
	}
	stop()
}

// Verdict says what happened to all changes.
type Verdict struct {
	Complaints []string
	Tally      oracle.Tally
	Repeated   int // deliveries that came more than once, which is allowed
}

// Report fails the test with the complaints.
func (v Verdict) Report(tb testing.TB) {
	tb.Helper()
	for _, complaint := range v.Complaints {
		tb.Error(complaint)
	}
}

func (v *Verdict) complain(format string, args ...any) {
	v.Complaints = append(v.Complaints, fmt.Sprintf(format, args...))
}

// Judge compares what was received with the histories of all sessions.
func (r *Round) Judge() (v Verdict) {
	r.tb.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	owed := make(map[string]bool)
	for id, told := range r.changed {
		events, err := r.checkouts.History(r.tb.Context(), told.account, id)
		if err != nil {
			v.Tally.Lost++
			v.complain("%s was acknowledged in version %d, and now: %v", id, told.version, err)
			continue
		}
		if last := events[len(events)-1]; last.Session.Version < told.version {
			v.Tally.Lost++
			v.complain("%s was acknowledged in version %d, and is now in version %d", id, told.version, last.Session.Version)
		}
		for _, e := range events[1:] {
			key := "/" + told.account.ID[len("acct_"):] + " " + e.ID
			owed[key] = true
			v.Tally.Acknowledged++
			v.Tally.Events++
			if len(r.received[key]) == 0 {
				v.Tally.Lost++
				v.complain("%s was never delivered", key)
			}
		}
	}
	for key, times := range r.received {
		v.Tally.Operations += len(times)
		v.Repeated += len(times) - 1
		if !owed[key] {
			v.complain("%s was delivered, and no session has such an event", key)
		}
		if at, ok := r.settled[key]; ok && times[len(times)-1].After(at) {
			v.Tally.Doubled++
			v.complain("%s was settled, and sent once more %v later", key, times[len(times)-1].Sub(at))
		}
	}
	planned := make(map[string]int)
	for n := range r.endpoints {
		r.each(n, func(d webhook.Delivery) { planned[fmt.Sprintf("/%d %s", n, d.EventID)]++ })
	}
	for key, n := range planned {
		if n > 1 {
			v.complain("%s was planned %d times", key, n)
		}
	}
	return v
}
