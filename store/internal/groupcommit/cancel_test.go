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
	t.Run("a context that is over at entry writes nothing", func(t *testing.T) {
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

	t.Run("nor does it wait for a commit that is under way", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			is := is.New(t)
			d := newDisk(t, groupcommit.Limits{})
			d.start(t.Context(), "a")
			quitter := &quiet{Context: t.Context()}
			quitter.cancel()
			d.start(quitter, "b")
			is.Equal(d.answers(), map[string]answer{"b": {"", context.Canceled}})
			d.flushAll()
			is.Equal(d.batches, [][]string{{"a"}})
		})
	})

	t.Run("who gives up returns at once and is not written, wherever it stood in the queue", func(t *testing.T) {
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
				is.Equal(len(d.answers()), len(quitters)) // the others wait on
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

	t.Run("who gave up without having noticed yet is not written, and its batch mates are", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			is := is.New(t)
			d := newDisk(t, groupcommit.Limits{})
			d.start(t.Context(), "a")
			d.start(t.Context(), "b")
			quitter := &quiet{Context: t.Context()}
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
	t.Run("leader and member wait for the outcome and get it", func(t *testing.T) {
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
	t.Run("passes leadership on", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			is := is.New(t)
			d := newDisk(t, groupcommit.Limits{})
			d.start(t.Context(), "a")
			quitter := &quiet{Context: t.Context()}
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

	t.Run("gives leadership back where nobody waits", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			is := is.New(t)
			d := newDisk(t, groupcommit.Limits{})
			d.start(t.Context(), "a")
			quitter := &quiet{Context: t.Context()}
			d.start(quitter, "b")
			quitter.cancel()
			d.flushAll()
			d.start(t.Context(), "c")
			d.flushAll()
			is.Equal(d.batches, [][]string{{"a"}, {"c"}})
		})
	})

	t.Run("does so when its context ends at the same instant", func(t *testing.T) {
		for range 500 { // who is woken by both may notice either first
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				ctx, cancel := context.WithCancel(t.Context())
				d := newDisk(t, groupcommit.Limits{})
				d.instead = map[string]func([]string) []groupcommit.Result[string]{
					"a": func(batch []string) []groupcommit.Result[string] {
						cancel() // the leadership of a ends with this commit
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

// quiet is a context that ends without waking anybody, as if the goroutine that waits for it had not run yet.
type quiet struct {
	context.Context
	ended atomic.Bool
}

func (q *quiet) cancel() { q.ended.Store(true) }

func (*quiet) Done() <-chan struct{} { return nil }

func (q *quiet) Err() error {
	if q.ended.Load() {
		return context.Canceled
	}
	return nil
}
