//go:build unix

package delivery

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/faults/internal/child"
	"github.com/caisse/checkout/faults/oracle"
	"github.com/caisse/checkout/faults/stores"
	"github.com/caisse/checkout/faults/suite"
	"github.com/caisse/checkout/webhook"
)

// Programs are those that child.Main must know in a binary that runs the suites.
func Programs() []child.Program { return []child.Program{program()} }

// Suites lists what this package tries.
func Suites() []suite.Suite {
	return suite.Each("kill -9 of a dispatcher of webhooks", killed, stores.SQLite, stores.Postgres)
}

// killed kills dispatchers at each of their steps, and at random.
func killed(tb testing.TB, kind stores.Kind, o suite.Options) (result suite.Result) {
	tb.Helper()
	rounds := 1
	if o.Long {
		rounds = 10
	}
	repeated := 0
	for n := range rounds {
		r := newRound(tb, kind, o.Seed+uint64(n))
		for _, step := range []string{beforePlan, afterPlan, afterClaim, beforeSettle, afterSettle, ""} {
			r.life(config{Dies: step})
		}
		r.finish()
		v := r.judge()
		for _, complaint := range v.complaints {
			tb.Error(complaint)
		}
		result.Runs += r.kills
		result.Tally.Add(v.tally)
		repeated += v.repeated
	}
	result.Notes = append(result.Notes, fmt.Sprintf("%d deliveries came once more, whose answer nobody had written down", repeated))
	return result
}

const endpoints = 6 // each of an account of its own

// round is one place, dispatchers one after the other, and a receiver that remembers.
type round struct {
	tb        testing.TB
	place     stores.Place
	store     hookStore
	checkouts *checkout.Checkouts
	hooks     *webhook.Webhooks
	receiver  *httptest.Server
	choose    *rand.Rand
	ahead     time.Duration
	kills     int
	endpoints []webhook.Endpoint
	sessions  []checkout.Session

	mu       sync.Mutex
	received map[string][]time.Time // by endpoint and event
	settled  map[string]time.Time   // that were seen delivered, and when
}

func account(n int) checkout.Account {
	return checkout.Account{ID: fmt.Sprintf("acct_%d", n%endpoints)}
}

func newRound(tb testing.TB, kind stores.Kind, seed uint64) *round {
	tb.Helper()
	r := &round{
		tb: tb, place: stores.New(tb, kind), choose: rand.New(rand.NewPCG(seed, 9)),
		received: make(map[string][]time.Time), settled: make(map[string]time.Time),
	}
	r.receiver = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		io.Copy(io.Discard, request.Body)
		r.mu.Lock()
		defer r.mu.Unlock()
		key := request.URL.Path + " " + request.Header.Get("Webhook-Id")
		r.received[key] = append(r.received[key], time.Now())
	}))
	tb.Cleanup(r.receiver.Close)
	opened, err := r.place.Open(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	r.store = opened.(hookStore)
	tb.Cleanup(func() { r.store.Close() })
	if r.checkouts, err = checkout.New(r.store, checkout.Config{}); err != nil {
		tb.Fatal(err)
	}
	if r.hooks, err = webhook.New(r.checkouts, r.store.Webhooks(), webhook.Config{AllowPrivate: true}); err != nil {
		tb.Fatal(err)
	}
	for n := range endpoints {
		e, err := r.hooks.Create(tb.Context(), account(n), webhook.EndpointParams{URL: fmt.Sprintf("%s/%d", r.receiver.URL, n)})
		if err != nil {
			tb.Fatal(err)
		}
		r.endpoints = append(r.endpoints, e)
	}
	return r
}

// life starts a dispatcher, changes sessions while it runs, and sees it die.
func (r *round) life(c config) {
	r.tb.Helper()
	r.ahead += 5 * time.Minute
	c.Place, c.Ahead = r.place.String(), r.ahead
	p := child.Start(r.tb, program().Name, c, child.Options{})
	if _, ok := p.Await(open); !ok {
		r.tb.Fatal(p.Wait())
	}
	for range 30 {
		r.change()
		time.Sleep(time.Duration(r.choose.Int64N(int64(8 * time.Millisecond))))
	}
	p.Kill() // if it has not died yet
	if err := p.Wait(); err != nil {
		r.tb.Error(err)
	}
	r.kills++
	r.see()
}

// change makes a session, and one or two changes of it.
func (r *round) change() {
	r.tb.Helper()
	ctx, a := r.tb.Context(), account(r.choose.IntN(endpoints))
	s, _, err := r.checkouts.Create(ctx, checkout.CreateParams{Account: a, Amount: 5000, Currency: "XOF", UserPhone: "+22507987654", ExpiresIn: 24 * time.Hour})
	if err == nil {
		r.sessions = append(r.sessions, s)
		_, err = r.checkouts.Begin(ctx, a, s.ID, "pay_1")
	}
	if err == nil && r.choose.IntN(2) == 0 {
		_, err = r.checkouts.Complete(ctx, a, s.ID, "pay_1")
	}
	if err != nil {
		r.tb.Fatal(err)
	}
}

// see notes what is written down as delivered: it must not come again.
func (r *round) see() {
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

// each walks the deliveries of an endpoint.
func (r *round) each(n int, f func(webhook.Delivery)) {
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

// finish has a dispatcher that nobody kills send what is left, until nothing more comes.
func (r *round) finish() {
	r.tb.Helper()
	ctx, cancel := context.WithCancel(r.tb.Context())
	defer cancel()
	now := checkout.ClockFunc(func() time.Time { return time.Now().Add(r.ahead + 10*time.Minute) })
	checkouts, err := checkout.New(r.store, checkout.Config{Clock: now})
	if err != nil {
		r.tb.Fatal(err)
	}
	last, err := webhook.New(checkouts, r.store.Webhooks(), webhook.Config{AllowPrivate: true, Clock: now})
	if err != nil {
		r.tb.Fatal(err)
	}
	ended := make(chan error)
	go func() { ended <- last.Run(ctx) }()
	quiet := 0
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
	}
	cancel()
	if err := <-ended; err != nil {
		r.tb.Error(err)
	}
}

// verdict is what became of all changes.
type verdict struct {
	complaints []string
	tally      oracle.Tally
	repeated   int // deliveries that came once more, as they may
}

// judge compares what was received with what the histories tell.
func (r *round) judge() (v verdict) {
	r.tb.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	owed := make(map[string]bool)
	for _, s := range r.sessions {
		events, err := r.checkouts.History(r.tb.Context(), s.Account, s.ID)
		if err != nil {
			r.tb.Fatal(err)
		}
		for _, e := range events[1:] {
			key := "/" + s.Account.ID[len("acct_"):] + " " + e.ID
			owed[key] = true
			v.tally.Acknowledged++
			v.tally.Events++
			if len(r.received[key]) == 0 {
				v.tally.Lost++
				v.complaints = append(v.complaints, fmt.Sprintf("%s was never delivered", key))
			}
		}
	}
	for key, times := range r.received {
		v.tally.Operations += len(times)
		v.repeated += len(times) - 1
		if !owed[key] {
			v.complaints = append(v.complaints, fmt.Sprintf("%s was delivered, and nothing has made it", key))
		}
		if at, ok := r.settled[key]; ok && times[len(times)-1].After(at) {
			v.tally.Doubled++
			v.complaints = append(v.complaints, fmt.Sprintf("%s was settled, and sent once more %v later", key, times[len(times)-1].Sub(at)))
		}
	}
	planned := make(map[string]int)
	for n := range r.endpoints {
		r.each(n, func(d webhook.Delivery) { planned[fmt.Sprintf("/%d %s", n, d.EventID)]++ })
	}
	for key, n := range planned {
		if n > 1 {
			v.complaints = append(v.complaints, fmt.Sprintf("%s was planned %d times", key, n))
		}
	}
	return v
}
