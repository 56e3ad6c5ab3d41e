//go:build unix

package shop

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/faults/history"
	"github.com/caisse/checkout/faults/internal/child"
	"github.com/caisse/checkout/faults/oracle"
	"github.com/caisse/checkout/faults/stores"
	"github.com/caisse/checkout/faults/workload"
)

// Round is one trial of a fault: shops on one place, one after the other or at once, and what became of it all.
type Round struct {
	Config
	// Search bounds the search for an order of the calls on one session; 0 is a minute. That there is none takes long to
	// find.
	Search time.Duration

	tb        testing.TB
	place     stores.Place
	histories []history.History
}

// Brief is a Search for rounds that are to be found faulty.
const Brief = 10 * time.Millisecond

// NewRound begins a round of a name that no other round on the place has.
func NewRound(tb testing.TB, place stores.Place, name string, seed uint64) *Round {
	return &Round{
		Config: Config{
			Header:  history.Header{Test: tb.Name() + " " + name, Store: string(place.Kind), Seed: seed},
			Place:   place.String(),
			Clock:   NewClock(),
			Seed:    seed,
			Name:    name,
			Callers: 8,
			Keys:    30,
		},
		tb:    tb,
		place: place,
	}
}

// Start starts a shop. What change does to the config is for this shop only; it may be nil.
func (r *Round) Start(o child.Options, change func(*Config)) *child.Process {
	r.tb.Helper()
	config := r.Config
	if change != nil {
		change(&config)
	}
	return child.Start(r.tb, Program().Name, config, o)
}

// End takes over the history of a shop that has ended, or will. The shop must have been killed, or have ended well.
func (r *Round) End(p *child.Process) history.History {
	r.tb.Helper()
	if err := p.Wait(); err != nil {
		r.tb.Error(err)
	}
	return r.Take(p)
}

// Take is End for a shop that may have ended badly.
func (r *Round) Take(p *child.Process) history.History {
	return r.TakeUntil(p, history.Never, history.Never)
}

// TakeUntil is Take for a shop on a machine that went off between two instants. What it answered after the first reached
// nobody, and need not hold; what it was asked after the second was never asked.
func (r *Round) TakeUntil(p *child.Process, going, off int64) history.History {
	r.tb.Helper()
	h := p.History()
	h.Operations = slices.DeleteFunc(h.Operations, func(op history.Operation) bool { return op.At > off })
	for i := range h.Operations {
		if ret := &h.Operations[i].Return; ret.At > going {
			*ret = history.Return{ID: ret.ID, At: history.Never, Outcome: history.Unknown, Code: history.NoAnswer}
		}
	}
	r.histories = append(r.histories, h)
	return h
}

// Settle opens the place as it was left, asks for everything, looks at the database itself, and judges the whole round.
// It may come again, when more was done to the place: then it asks again, and judges anew.
func (r *Round) Settle() oracle.Verdict {
	r.tb.Helper()
	r.ask()
	r.inspect()
	v := oracle.Check(r.tb, r.history(), oracle.Options{Timeout: r.Search})
	if r.tb.Failed() {
		r.tb.FailNow()
	}
	return v
}

// Judge is Settle for a round that is to be found faulty: nothing but the verdict tells.
func (r *Round) Judge() oracle.Verdict {
	r.tb.Helper()
	r.ask()
	return oracle.Judge(r.history(), oracle.Options{Timeout: Brief})
}

// history is that of the whole round, without the calls about sessions that were shown to nobody: whoever made them knew
// of the session by an answer that does not count.
func (r *Round) history() history.History {
	h := history.Merge(r.histories...)
	h.Header = r.Header
	shown := make(map[string]bool)
	for _, op := range h.Operations {
		for _, s := range op.Return.Sessions {
			shown[s.ID] = true
		}
	}
	h.Operations = slices.DeleteFunc(h.Operations, func(op history.Operation) bool {
		return op.Session != "" && op.Return.Code == history.NoAnswer && !shown[op.Session]
	})
	return h
}

// ask has the owner ask for everything, now and an hour later, when the clock has expired all that it can.
func (r *Round) ask() {
	r.tb.Helper()
	ctx, cancel := context.WithTimeout(r.tb.Context(), time.Minute)
	defer cancel()
	store, err := r.place.Open(ctx)
	if err != nil {
		r.tb.Fatalf("open %s again: %v", r.place.Kind, err)
	}
	defer func() {
		if err := store.Close(); err != nil {
			r.tb.Errorf("close: %v", err)
		}
	}()
	plan := r.plan()
	plan.Since = workload.Beginning(history.Merge(r.histories...))
	if r.place.Kind == stores.Postgres {
		plan.FeedTime = workload.FeedTime
	}
	for range 2 {
		checkouts, err := checkout.New(store, checkout.Config{Clock: r.Clock})
		if err != nil {
			r.tb.Fatal(err)
		}
		recorder := history.New(r.Header, r.Clock)
		workload.Settle(ctx, plan, recorder, checkouts)
		h := recorder.History()
		for _, op := range h.Operations {
			if op.Return.Outcome != history.OK && !op.Return.Code.Answer() {
				r.tb.Errorf("after the fault: %s: %s: %s", op.Kind, op.Return.Code, op.Return.Detail)
				break
			}
		}
		r.histories = append(r.histories, h)
		r.Clock = r.Clock.Later(time.Hour)
	}
}

// Path is that of the database file.
func (r *Round) Path() string { return r.place.Address }
