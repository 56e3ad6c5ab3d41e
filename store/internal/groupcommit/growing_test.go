package groupcommit_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/matryer/is"

	"github.com/caisse/checkout/store/internal/groupcommit"
)

// panickingContext is a context whose Err panics when it is called for the second time.
type panickingContext struct {
	context.Context
	asked bool
}

func (c *panickingContext) Err() error {
	if c.asked {
		panic("boom")
	}
	c.asked = true
	return nil
}

func TestGrowing(t *testing.T) {
	type results = []groupcommit.Result[string]
	// growing gives d a new group and starts a call. While the first commit waits, growing calls the function meanwhile. Then that commit
	// calls more once, and returns the results of end.
	growing := func(t *testing.T, d *disk, limits groupcommit.Limits, meanwhile func(), end func(batch []string, more func() []string) results) {
		begun, proceed := make(chan struct{}), make(chan struct{})
		first := true
		d.Group = groupcommit.NewGrowing(limits, func(batch []string, more func() []string) results {
			if !first {
				d.batches = append(d.batches, batch)
				return echo(batch)
			}
			first = false
			close(begun)
			<-proceed
			batch = append(batch, more()...)
			d.batches = append(d.batches, batch)
			return end(batch, more)
		})
		d.start(t.Context(), "a")
		<-begun
		meanwhile()
		close(proceed)
		synctest.Wait()
	}

	t.Run("callers that arrive while a batch is being written are added to it, in order", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			is := is.New(t)
			d := newDisk(t, groupcommit.Limits{})
			growing(t, d, groupcommit.Limits{}, func() {
				d.start(t.Context(), "b")
				d.start(t.Context(), "c")
			}, func(batch []string, more func() []string) results {
				is.Equal(len(more()), 0) // nobody waits any more
				return echo(batch)
			})
			is.Equal(d.batches, [][]string{{"a", "b", "c"}})
			for _, item := range []string{"a", "b", "c"} {
				is.Equal(d.answers()[item], answer{"did " + item, nil})
			}
		})
	})

	t.Run("a batch does not grow beyond its limit", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			is := is.New(t)
			d := newDisk(t, groupcommit.Limits{})
			growing(t, d, groupcommit.Limits{Batch: 2}, func() {
				for _, item := range []string{"b", "c", "d"} {
					d.start(t.Context(), item)
				}
			}, func(batch []string, more func() []string) results {
				is.Equal(len(more()), 0)
				return echo(batch)
			})
			is.Equal(d.batches, [][]string{{"a", "b"}, {"c", "d"}})
			is.Equal(len(d.answers()), 4)
		})
	})

	t.Run("a caller that gave up before it was added is not written", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			is := is.New(t)
			d := newDisk(t, groupcommit.Limits{})
			quitter := &pollOnlyContext{Context: t.Context()}
			growing(t, d, groupcommit.Limits{}, func() {
				d.start(quitter, "b")
				d.start(t.Context(), "c")
				quitter.cancel()
			}, func(batch []string, _ func() []string) results { return echo(batch) })
			is.Equal(d.batches, [][]string{{"a", "c"}})
			is.Equal(d.answers()["b"], answer{"", quitter.Err()})
			is.Equal(d.answers()["c"], answer{"did c", nil})
		})
	})

	t.Run("a context that panics fails only the call that it belongs to", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			is := is.New(t)
			d := newDisk(t, groupcommit.Limits{})
			for _, item := range []string{"a", "b"} {
				d.start(t.Context(), item)
			}
			d.start(&panickingContext{Context: t.Context()}, "c")
			d.start(t.Context(), "d")
			d.flushAll()
			is.Equal(d.batches, [][]string{{"a"}, {"b", "d"}})
			var panicked *groupcommit.PanicError
			is.True(errors.As(d.answers()["c"].err, &panicked))
			is.Equal(panicked.Value, "boom")
			for _, item := range []string{"a", "b", "d"} {
				is.Equal(d.answers()[item], answer{"did " + item, nil})
			}
		})
	})

	for name, end := range map[string]func(batch []string, more func() []string) results{
		"a panic":                          func([]string, func() []string) results { panic("no such table") },
		"results for the first items only": func([]string, func() []string) results { return echo([]string{"a"}) },
	} {
		t.Run(name+": the callers that were added get an error, too", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				d := newDisk(t, groupcommit.Limits{})
				growing(t, d, groupcommit.Limits{}, func() { d.start(t.Context(), "b") }, end)
				for _, item := range []string{"a", "b"} {
					var panicked *groupcommit.PanicError
					is.True(errors.As(d.answers()[item].err, &panicked))
					is.Equal(d.answers()[item].value, "")
				}
				d.start(t.Context(), "c")
				is.Equal(d.answers()["c"], answer{"did c", nil})
			})
		})
	}

	t.Run("nobody is added to a commit that has returned", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			is := is.New(t)
			d := newDisk(t, groupcommit.Limits{})
			var late func() []string
			d.Group = groupcommit.NewGrowing(groupcommit.Limits{}, func(batch []string, more func() []string) results {
				if late == nil {
					late = more
					return echo(batch)
				}
				return d.commit(batch)
			})
			for _, item := range []string{"a", "b", "c"} {
				d.start(t.Context(), item)
			}
			is.Equal(len(late()), 0)
			d.flushAll()
			is.Equal(d.batches, [][]string{{"b"}, {"c"}})
			is.Equal(d.answers()["c"], answer{"did c", nil})
		})
	})
}
