package groupcommit_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/matryer/is"

	"github.com/caisse/checkout/store/internal/groupcommit"
)

// broken is a context whose Err panics when it is asked again.
type broken struct {
	context.Context
	asked bool
}

func (b *broken) Err() error {
	if b.asked {
		panic("boom")
	}
	b.asked = true
	return nil
}

func TestGrowing(t *testing.T) {
	type results = []groupcommit.Result[string]
	// growing has d's first batch take more once before it is released, by meanwhile, and end as end says.
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

	t.Run("who comes while the commit works joins it, in order", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			is := is.New(t)
			d := newDisk(t, groupcommit.Limits{})
			growing(t, d, groupcommit.Limits{}, func() {
				d.start(t.Context(), "b")
				d.start(t.Context(), "c")
			}, func(batch []string, more func() []string) results {
				is.Equal(len(more()), 0) // nobody waits
				return echo(batch)
			})
			is.Equal(d.batches, [][]string{{"a", "b", "c"}})
			for _, item := range []string{"a", "b", "c"} {
				is.Equal(d.answers()[item], answer{"did " + item, nil})
			}
		})
	})

	t.Run("a batch has no more room than its limit", func(t *testing.T) {
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

	t.Run("who gave up before is surely not written", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			is := is.New(t)
			d := newDisk(t, groupcommit.Limits{})
			quitter := &quiet{Context: t.Context()}
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

	t.Run("a context of a host's that panics is its own caller's affair", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			is := is.New(t)
			d := newDisk(t, groupcommit.Limits{})
			for _, item := range []string{"a", "b"} {
				d.start(t.Context(), item)
			}
			d.start(&broken{Context: t.Context()}, "c")
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
		"a panic":                       func([]string, func() []string) results { panic("no such table") },
		"results for its first members": func([]string, func() []string) results { return echo([]string{"a"}) },
	} {
		t.Run(name+" reaches those who joined as an error", func(t *testing.T) {
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

	t.Run("nobody joins a commit that has returned", func(t *testing.T) {
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
