// Package workload is what callers do while faults happen: few sessions, many callers, every method, in an order that a
// seed chooses.
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
	Name    string // of the round: other names use other accounts and keys
	Callers int    // at once
	Calls   int    // of each caller
	Keys    int    // in each account
	Retries int    // how often a caller repeats a call that got no answer

	// FeedTime is for how long a [Settle] looks for an event that the feed lacks. See [FeedTime].
	FeedTime time.Duration
	// Since is where the feed stood before the first call, for a [Settle] whose recorder does not know it. "" reads all.
	Since checkout.Cursor

	// Caller, if there is one, stands between the workload and the recorded client: a caller with habits of its own.
	Caller func(history.Service) history.Service
	// Clock, if there is one, is moved forward by the callers. It is the service's.
	Clock *clock.Clock
}

// Accounts are two that share nothing, and the test mode of the first.
func (p Plan) Accounts() []checkout.Account {
	first, second := p.Name+" acct_1", p.Name+" acct_2"
	return []checkout.Account{{ID: first}, {ID: first, Test: true}, {ID: second}}
}

// Run lets the callers of the plan loose on a service, and a reader of the feed who begins before them, and returns when
// they are done, or soon after ctx ends. Every call is recorded.
func Run(ctx context.Context, p Plan, recorder *history.Recorder, service history.Service) {
	w := &workload{Plan: p, ids: newNotebook()}
	reader := recorder.Client(p.Name+" reader", service)
	place := newest(ctx, reader)
	over, reading := make(chan struct{}), sync.WaitGroup{}
	reading.Go(func() { Follow(ctx, reader, place, over) })
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

// Settle asks for everything once more when the faults are over, as callers do who want to know what became of their
// calls: creates each session again under its key, gets it and its history, lists every account, and sweeps what the clock
// has decided, with a clock of the plan's all that it will decide. Then it reads the feed, from where it was before the
// first call that the recorder knows, or from Plan.Since. The history then tells whether anything was lost,
// and whether calls of unknown outcome ended in one session.
//
// A history is of all that happened in a store, or of accounts that nobody else uses and sweeps that find nothing of
// anybody else's: then rounds can share a store.
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

// slot is one key of one account.
type slot struct {
	account checkout.Account
	key     int
}

// notebook is what all callers know of the sessions' IDs.
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

// caller is one caller. Its choices follow from the seed and from what calls answer.
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

// again makes a call until it is answered, or has been tried often enough.
func (c *caller) again(ctx context.Context, call func() error) {
	for range c.Retries + 1 {
		if err := call(); err == nil || answered(err) || ctx.Err() != nil {
			return
		}
	}
}

// answered reports whether an error tells what is, rather than that nothing could be told.
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

// tick moves the clock a little, or by minutes: sessions live from 5 minutes to 30.
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
