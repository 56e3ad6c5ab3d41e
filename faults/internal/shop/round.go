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

// Round is one trial of a fault: it runs shops on one place, one after the other or at once, and judges what they did.
type Round struct {
	Config
	// Search bounds the search for an order of the calls on one session; 0 is a minute. If there is no such order, the
	// search takes long.
	Search time.Duration

	tb        testing.TB
	place     stores.Place
	histories []history.History
}

// Brief is a Search for rounds with a planted bug.
const Brief = 10 * time.Millisecond

// NewRound begins a round. Rounds on one place must have different names.
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

// Start starts a shop. change, which may be nil, changes the config for this shop only.
func (r *Round) Start(o child.Options, change func(*Config)) *child.Process {
	r.tb.Helper()
	config := r.Config
	if change != nil {
		change(&config)
	}
	return child.Start(r.tb, Program().Name, config, o)
}

// End waits for a shop to end and adds its history to the round's. The shop must have been killed, or have ended well.
func (r *Round) End(p *child.Process) history.History {
	r.tb.Helper()
	if err := p.Wait(); err != nil {
		r.tb.Error(err)
	}
	return r.Take(p)
}

// Take is End for a shop that may have failed.
func (r *Round) Take(p *child.Process) history.History {
	return r.TakeUntil(p, history.Never, history.Never)
}

// TakeUntil is Take for a shop on a machine whose power went off between the instants going and off. An answer after going
// counts as lost. A call after off counts as never made.
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

// Settle opens the place as the fault left it, asks for everything, checks the database itself, and judges the whole round. It
// may be called again after more was done to the place.
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

// Judge is Settle for a round with a planted bug: it does not check the database itself, and returns the verdict without failing the test.
func (r *Round) Judge() oracle.Verdict {
	r.tb.Helper()
	r.ask()
	return oracle.Judge(r.history(), oracle.Options{Timeout: Brief})
}

// history returns the history of the whole round. It leaves out unanswered calls about sessions that no answer showed: their
// caller learned of the session by an answer that counts as lost.
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

// ask asks for everything, now and an hour later, when every session that can expire has expired.
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
		Answered(r.tb, "after the fault", h)
		r.histories = append(r.histories, h)
		r.Clock = r.Clock.Later(time.Hour)
	}
}

// Answered fails the test if a call was not answered.
func Answered(tb testing.TB, when string, h history.History) {
	tb.Helper()
	for _, op := range h.Operations {
		if op.Return.Outcome != history.OK && !op.Return.Code.Answer() {
			tb.Errorf("%s: %s: %s: %s", when, op.Kind, op.Return.Code, op.Return.Detail)
			return
		}
	}
}

// Path returns the path of the database file.
func (r *Round) Path() string { return r.place.Address }
