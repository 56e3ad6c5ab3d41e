package groupcommit_test

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/matryer/is"

	"github.com/caisse/checkout/store/internal/groupcommit"
)

func TestCancelledBeforeTaken(t *testing.T) {
	t.Run("a call with a context that has ended writes nothing", func(t *testing.T) {
		is := is.New(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		g := groupcommit.New(groupcommit.Limits{}, func(batch []string) []groupcommit.Result[string] {
			t.Errorf("committed %q", batch)
			return echo(batch)
		})
		value, err := g.Do(ctx, "a")
		is.Equal(err, context.Canceled)
		is.Equal(value, "")
	})

	t.Run("a call with a context that has ended does not wait for the commit under way", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			is := is.New(t)
			d := newDisk(t, groupcommit.Limits{})
			d.start(t.Context(), "a")
			quitter := &pollOnlyContext{Context: t.Context()}
			quitter.cancel()
			d.start(quitter, "b")
			is.Equal(d.answers(), map[string]answer{"b": {"", context.Canceled}})
			d.flushAll()
			is.Equal(d.batches, [][]string{{"a"}})
		})
	})

	t.Run("a caller that gives up returns at once and is not written, at any place in the queue", func(t *testing.T) {
		for _, quitters := range [][]string{{"b"}, {"d"}, {"f"}, {"b", "c"}, {"e", "f"}, {"c", "e", "d"}, {"f", "b", "d", "c", "e"}} {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				d := newDisk(t, groupcommit.Limits{})
				d.start(t.Context(), "a")
				cancels := make(map[string]context.CancelFunc)
				for _, item := range []string{"b", "c", "d", "e", "f"} {
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					cancels[item] = cancel
					d.start(ctx, item)
				}
				for _, item := range quitters {
					cancels[item]()
					synctest.Wait()
					is.Equal(d.answers()[item], answer{"", context.Canceled})
				}
				is.Equal(len(d.answers()), len(quitters)) // the others still wait
				d.start(t.Context(), "g")
				d.flushAll()
				rest := slices.DeleteFunc([]string{"b", "c", "d", "e", "f", "g"}, func(item string) bool {
					return slices.Contains(quitters, item)
				})
				is.Equal(d.batches, [][]string{{"a"}, rest})
				for _, item := range rest {
					is.Equal(d.answers()[item], answer{"did " + item, nil})
				}
			})
		}
	})

	t.Run("a deadline ends the wait for a slow commit", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			is := is.New(t)
			d := newDisk(t, groupcommit.Limits{})
			d.start(t.Context(), "a")
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			d.start(ctx, "b")
			time.Sleep(time.Second)
			synctest.Wait()
			is.Equal(d.answers(), map[string]answer{"b": {"", context.DeadlineExceeded}})
			d.flushAll()
			is.Equal(d.batches, [][]string{{"a"}})
		})
	})

	t.Run("a call that has not noticed the end of its context is not written, but its batch is", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			is := is.New(t)
			d := newDisk(t, groupcommit.Limits{})
			d.start(t.Context(), "a")
			d.start(t.Context(), "b")
			quitter := &pollOnlyContext{Context: t.Context()}
			d.start(quitter, "c")
			d.start(t.Context(), "d")
			quitter.cancel()
			d.flushAll()
			is.Equal(d.batches, [][]string{{"a"}, {"b", "d"}})
			is.Equal(d.answers()["b"], answer{"did b", nil})
			is.Equal(d.answers()["c"], answer{"", context.Canceled})
			is.Equal(d.answers()["d"], answer{"did d", nil})
		})
	})
}

func TestCancelledAfterTaken(t *testing.T) {
	t.Run("all callers of the batch wait for its outcome and get it", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			is := is.New(t)
			ctx, cancel := context.WithCancel(t.Context())
			d := newDisk(t, groupcommit.Limits{})
			d.start(t.Context(), "a")
			d.start(ctx, "leader")
			d.start(ctx, "member")
			d.flush()
			cancel()
			synctest.Wait()
			is.Equal(d.answers(), map[string]answer{"a": {"did a", nil}})
			d.flush()
			is.Equal(d.answers()["leader"], answer{"did leader", nil})
			is.Equal(d.answers()["member"], answer{"did member", nil})
		})
	})
}

func TestCancelledAsChosenLeader(t *testing.T) {
	t.Run("makes the next caller the leader", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			is := is.New(t)
			d := newDisk(t, groupcommit.Limits{})
			d.start(t.Context(), "a")
			quitter := &pollOnlyContext{Context: t.Context()}
			d.start(quitter, "b")
			d.start(quitter, "c")
			d.start(t.Context(), "d")
			quitter.cancel()
			d.flushAll()
			is.Equal(d.batches, [][]string{{"a"}, {"d"}})
			is.Equal(d.answers(), map[string]answer{
				"a": {"did a", nil}, "b": {"", context.Canceled}, "c": {"", context.Canceled}, "d": {"did d", nil},
			})
		})
	})

	t.Run("gives up its leadership if nobody waits", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			is := is.New(t)
			d := newDisk(t, groupcommit.Limits{})
			d.start(t.Context(), "a")
			quitter := &pollOnlyContext{Context: t.Context()}
			d.start(quitter, "b")
			quitter.cancel()
			d.flushAll()
			d.start(t.Context(), "c")
			d.flushAll()
			is.Equal(d.batches, [][]string{{"a"}, {"c"}})
		})
	})

	t.Run("makes the next caller the leader if its context ends at the same instant", func(t *testing.T) {
		for range 500 { // the caller is woken by both events and may notice either one first
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				ctx, cancel := context.WithCancel(t.Context())
				d := newDisk(t, groupcommit.Limits{})
				d.instead = map[string]func([]string) []groupcommit.Result[string]{
					"a": func(batch []string) []groupcommit.Result[string] {
						cancel() // caller a stops leading at the end of this commit
						return echo(batch)
					},
				}
				d.start(t.Context(), "a")
				d.start(ctx, "b")
				d.start(t.Context(), "c")
				d.flushAll()
				is.Equal(d.batches, [][]string{{"a"}, {"c"}})
				is.Equal(d.answers(), map[string]answer{"a": {"did a", nil}, "b": {"", context.Canceled}, "c": {"did c", nil}})
				d.start(t.Context(), "d")
				d.flushAll()
				is.Equal(d.answers()["d"], answer{"did d", nil})
			})
		}
	})
}

// pollOnlyContext is a context whose end wakes nobody and shows only in Err, as if the goroutine that waits for it had not run yet.
type pollOnlyContext struct {
	context.Context
	ended atomic.Bool
}

func (c *pollOnlyContext) cancel() { c.ended.Store(true) }

func (*pollOnlyContext) Done() <-chan struct{} { return nil }

func (c *pollOnlyContext) Err() error {
	if c.ended.Load() {
		return context.Canceled
	}
	return nil
}
