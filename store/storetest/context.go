package storetest

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/caisse/checkout"
)

var contextChecks = []check{
	{"refuses a context that has ended, and writes nothing", func(t *trial) {
		cancelled, cancel := context.WithCancel(t.Context())
		cancel()
		late, cancel := context.WithDeadline(t.Context(), time.Unix(0, 0))
		defer cancel()
		s := t.create(sample(1))
		for _, over := range []struct {
			ctx context.Context
			err error
		}{{cancelled, context.Canceled}, {late, context.DeadlineExceeded}} {
			t.refusesAll(over.ctx, over.err, s)
		}
		t.kept(s)
		t.lists(merchant, checkout.Query{}, s)
		t.kept(t.create(sample(2))) // the refused Create did not use up its key
		t.expires(s.ExpiresAt, 10, s)
	}},
	{"creates nothing if it returns an error, unless the outcome is unknown", func(t *trial) {
		for n := range 16 {
			_, created, err := t.store.Create(cancelAfterCalls(t, n), sample(n))
			if err == nil && !created {
				t.Errorf("Create replayed a session under a fresh key")
			}
			_, again, retryErr := t.store.Create(t.Context(), sample(n))
			if retryErr != nil {
				t.Fatalf("Create after %v: %v", err, retryErr)
			}
			t.agrees("Create", err, !again)
			t.kept(sample(n))
		}
	}},
	{"updates nothing if it returns an error, unless the outcome is unknown", func(t *trial) {
		for n := range 10 {
			s := t.create(sample(n))
			err := t.store.Update(cancelAfterCalls(t, n), completed(s))
			t.agrees("Update", err, t.get(merchant, s.ID).Version == 2)
			t.historyAgrees(err, s, completed(s))
		}
	}},
	{"expires nothing if it returns an error, unless the outcome is unknown", func(t *trial) {
		for n := range 10 {
			s := t.create(sample(n))
			_, err := t.store.Expire(cancelAfterCalls(t, n), s.ExpiresAt, 100) // s, and sessions that earlier rounds did not change
			t.agrees("Expire", err, t.get(merchant, s.ID).Version == 2)
			t.historyAgrees(err, s, expired(s))
		}
	}},
	{"prunes nothing if it returns an error, unless the outcome is unknown", func(t *trial) {
		for n := range 10 {
			s := t.update(completed(t.create(sample(n))))
			_, err := t.store.Prune(cancelAfterCalls(t, n), morning.Add(time.Hour), 100) // s, and sessions that earlier rounds did not change
			_, getErr := t.store.Get(t.Context(), merchant, s.ID)
			gone := errors.Is(getErr, checkout.ErrNotFound)
			t.agrees("Prune", err, gone)
			if gone {
				t.absent(merchant, s.ID, s.IdempotencyKey)
			} else if !errors.Is(err, checkout.ErrOutcomeUnknown) {
				t.kept(s)
				t.history(sample(n), s)
			}
		}
	}},
}

// refusesAll checks that every method returns the error of a context that has ended.
func (t *trial) refusesAll(ctx context.Context, want error, s checkout.Session) {
	t.Helper()
	_, _, err := t.store.Create(ctx, sample(2))
	t.failed("Create", err, want)
	_, err = t.store.Get(ctx, merchant, s.ID)
	t.failed("Get", err, want)
	_, err = t.store.GetByKey(ctx, merchant, s.IdempotencyKey)
	t.failed("GetByKey", err, want)
	t.failed("Update", t.store.Update(ctx, completed(s)), want)
	_, _, err = t.store.List(ctx, merchant, checkout.Query{Limit: 100, At: morning})
	t.failed("List", err, want)
	_, err = t.store.Expire(ctx, s.ExpiresAt, 10)
	t.failed("Expire", err, want)
	_, err = t.store.Events(ctx, "", 10)
	t.failed("Events", err, want)
	_, err = t.store.History(ctx, merchant, s.ID)
	t.failed("History", err, want)
	_, err = t.store.Prune(ctx, s.ExpiresAt, 10)
	t.failed("Prune", err, want)
}

// agrees checks that a write was made if, and only if, the call returned no error. If the outcome is unknown, it may have been made or not.
func (t *trial) agrees(what string, err error, written bool) {
	t.Helper()
	switch {
	case errors.Is(err, checkout.ErrOutcomeUnknown):
	case err != nil && written:
		t.Errorf("%s wrote, and answered with a definite error: %v", what, err)
	case err == nil && !written:
		t.Errorf("%s answered without an error, and did not write", what)
	}
}

// historyAgrees checks that the history of a session has a change if, and only if, the session has it. If the outcome is unknown, it
// checks nothing, because the change may be made between the two reads of this method.
func (t *trial) historyAgrees(err error, before, after checkout.Session) {
	t.Helper()
	switch now := t.get(before.Account, before.ID); {
	case errors.Is(err, checkout.ErrOutcomeUnknown):
	case now.Version == after.Version:
		t.history(before, after)
	default:
		t.history(before)
	}
}

// countingContext is a context that is cancelled after a number of calls of its methods. Each number interrupts a call of the store at
// a different point. The same number interrupts it at the same point in every run.
type countingContext struct {
	context.Context
	cancel context.CancelFunc
	left   atomic.Int64
}

func cancelAfterCalls(t *trial, calls int) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	c := &countingContext{Context: ctx, cancel: cancel}
	c.left.Store(int64(calls))
	return c
}

func (c *countingContext) count() {
	if c.left.Add(-1) < 0 {
		c.cancel()
	}
}

func (c *countingContext) Done() <-chan struct{} { c.count(); return c.Context.Done() }

func (c *countingContext) Err() error { c.count(); return c.Context.Err() }

func (c *countingContext) Deadline() (time.Time, bool) { c.count(); return c.Context.Deadline() }
