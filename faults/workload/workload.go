// Package workload makes the calls during which faults happen: many callers use every method on few sessions. What each caller does
// follows from a seed.
package workload

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/faults/clock"
	"github.com/caisse/checkout/faults/history"
)

// Plan says what callers do.
type Plan struct {
	Seed    uint64
	Name    string // of the round: each name has accounts and keys of its own
	Callers int    // at once
	Calls   int    // of each caller
	Keys    int    // in each account
	Retries int    // how often a caller repeats a call that got no answer

	// FeedTime is how long [Settle] waits for an event that the feed lacks. See [FeedTime].
	FeedTime time.Duration
	// Since is the cursor of the feed before the first call, for a [Settle] whose recorder does not know it. "" reads all.
	Since checkout.Cursor

	// Caller, if it is not nil, wraps the recorded client.
	Caller func(history.Service) history.Service
	// Clock, if it is not nil, is the service's clock. The callers move it forward.
	Clock *clock.Clock
}

// Accounts returns two accounts, and the first of them in test mode. They share nothing.
func (p Plan) Accounts() []checkout.Account {
	first, second := p.Name+" acct_1", p.Name+" acct_2"
	return []checkout.Account{{ID: first}, {ID: first, Test: true}, {ID: second}}
}

// Run has the callers of the plan use a service, while a reader follows the feed, and returns when they are done or soon after ctx
// ends. Every call is recorded.
func Run(ctx context.Context, p Plan, recorder *history.Recorder, service history.Service) {
	w := &workload{Plan: p, ids: newNotebook()}
	reader := recorder.Client(p.Name+" reader", service)
	place := newest(ctx, reader)
	over, reading := make(chan struct{}), sync.WaitGroup{}
	reading.Go(func() { Follow(ctx, reader, place, time.Millisecond, over) })
	defer reading.Wait()
	defer close(over)
	var done sync.WaitGroup
	for i := range p.Callers {
		done.Go(func() {
			c := w.caller(i, recorder, service)
			for range p.Calls {
				if ctx.Err() != nil {
					return
				}
				c.act(ctx)
			}
		})
	}
	done.Wait()
}

// Settle asks for everything when the faults are over. It creates each session again under its key, gets it and its history, lists
// every account, and sweeps what has expired. If the plan has a clock, Settle then moves the clock forward by an hour and does
// all of that again. At last it reads the feed, from where it was before the first recorded call, or from Plan.Since. So the history shows
// whether anything was lost, and what happened to calls of unknown outcome.
//
// Rounds may share a store, since each has its own accounts. But a sweep must not find sessions of another round.
func Settle(ctx context.Context, p Plan, recorder *history.Recorder, service history.Service) {
	w := &workload{Plan: p, ids: newNotebook()}
	start := beginning(recorder.History(), p.Since)
	c := w.caller(p.Callers, recorder, service)
	c.sweep(ctx)
	c.askAll(ctx)
	if p.Clock != nil {
		p.Clock.Advance(time.Hour)
		c.sweep(ctx)
		c.askAll(ctx)
	}
	ReadAll(ctx, recorder, c.service, start, p.FeedTime)
}

func (c *caller) sweep(ctx context.Context) {
	for {
		swept, err := c.service.ExpireDue(ctx, 100)
		if err != nil || len(swept) == 0 {
			return
		}
	}
}

func (c *caller) askAll(ctx context.Context) {
	for _, account := range c.Accounts() {
		for k := range c.Keys {
			s := slot{account, k}
			c.create(ctx, s, c.Request(account, k))
			if id := c.ids.id(s); id != "" {
				c.service.Get(ctx, account, id)
				c.service.History(ctx, account, id)
			}
		}
		for offset := 0; ; {
			page, err := c.service.List(ctx, account, checkout.Query{Limit: 100, Offset: offset})
			if offset = page.NextOffset; err != nil || offset == 0 {
				break
			}
		}
	}
}

type workload struct {
	Plan
	ids *notebook
}

// slot is a key of an account.
type slot struct {
	account checkout.Account
	key     int
}

// notebook has the IDs of those sessions that callers know.
type notebook struct {
	mu    sync.Mutex
	known map[slot]string
}

func newNotebook() *notebook { return &notebook{known: make(map[slot]string)} }

func (n *notebook) id(s slot) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.known[s]
}

func (n *notebook) learn(s slot, id string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.known[s] = id
}

// caller is one caller. Its choices follow from the seed and from the answers to its calls.
type caller struct {
	*workload
	service history.Service
	random  *rand.Rand
}

func (w *workload) caller(n int, recorder *history.Recorder, service history.Service) *caller {
	c := &caller{
		workload: w,
		service:  recorder.Client(fmt.Sprintf("%s caller %d", w.Name, n), service),
		random:   rand.New(rand.NewPCG(w.Seed, uint64(n+1)<<32+uint64(len(w.Name)))),
	}
	if w.Plan.Caller != nil {
		c.service = w.Plan.Caller(c.service)
	}
	return c
}

// again repeats a call until it is answered or was tried Retries more times.
func (c *caller) again(ctx context.Context, call func() error) {
	for range c.Retries + 1 {
		if err := call(); err == nil || answered(err) || ctx.Err() != nil {
			return
		}
	}
}

// answered reports whether an error is the answer of a service that works.
func answered(err error) bool {
	var (
		invalid  *checkout.ValidationError
		reused   *checkout.KeyReusedError
		refused  *checkout.TransitionError
		conflict *checkout.PaymentConflictError
	)
	return errors.Is(err, checkout.ErrNotFound) || errors.As(err, &invalid) || errors.As(err, &reused) ||
		errors.As(err, &refused) || errors.As(err, &conflict)
}

// tick moves the clock before 10 % of the calls by up to 2 ms, and before 3 % by up to 400 s. Sessions live for 5 or for 30 minutes.
func (c *caller) tick() {
	if c.Clock == nil {
		return
	}
	switch n := c.random.IntN(100); {
	case n < 10:
		c.Clock.Advance(time.Duration(c.random.IntN(2000)) * time.Microsecond)
	case n < 13:
		c.Clock.Advance(time.Duration(c.random.IntN(400)) * time.Second)
	}
}
