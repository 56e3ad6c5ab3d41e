package groupcommit_test

import (
	"errors"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/matryer/is"

	"github.com/caisse/checkout/store/internal/groupcommit"
)

// TestCommitWithoutOutcome proves that every caller of a batch learns that its outcome is unknown. Otherwise a caller would wait for ever,
// or would believe that nothing was written.
func TestCommitWithoutOutcome(t *testing.T) {
	full := errors.New("disk full")
	type results = []groupcommit.Result[string]
	for name, test := range map[string]struct {
		fail  func(batch []string) results
		value any    // of the PanicError; nil: not checked
		text  string // the end of the error's text
	}{
		"a panic":               {func([]string) results { panic("no such table") }, "no such table", ": no such table"},
		"a panic with an error": {func([]string) results { panic(full) }, full, ": disk full"},
		"a runtime error":       {func(batch []string) results { return echo(batch)[9:] }, nil, ": runtime error: slice bounds out of range [9:3]"},
		"no results":            {func([]string) results { return nil }, nil, ": 0 results for 3 items"},
		"too few results":       {func(batch []string) results { return echo(batch)[1:] }, nil, ": 2 results for 3 items"},
		"too many results":      {func(batch []string) results { return echo(append(batch, "x")) }, nil, ": 4 results for 3 items"},
	} {
		t.Run(name+": every caller of the batch gets an error, and the next batch is written", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				d := newDisk(t, groupcommit.Limits{Batch: 3})
				d.instead = map[string]func([]string) results{"b": test.fail}
				for _, item := range []string{"a", "b", "c", "d", "e"} {
					d.start(t.Context(), item)
				}
				d.flushAll()
				is.Equal(d.batches, [][]string{{"a"}, {"b", "c", "d"}, {"e"}})
				is.Equal(d.answers()["a"], answer{"did a", nil})
				is.Equal(d.answers()["e"], answer{"did e", nil})
				for _, item := range []string{"b", "c", "d"} {
					var panicked *groupcommit.PanicError
					is.True(errors.As(d.answers()[item].err, &panicked))
					is.Equal(d.answers()[item].value, "")
					is.True(strings.HasSuffix(panicked.Error(), test.text))
					is.True(strings.Contains(string(panicked.Stack), "groupcommit"))
					if test.value != nil {
						is.Equal(panicked.Value, test.value)
					}
					is.True(!errors.Is(panicked, full)) // full would say that nothing was written
				}
			})
		})
	}

	t.Run("the error of a panic has the stack of the place where it happened", func(t *testing.T) {
		is := is.New(t)
		g := groupcommit.New(groupcommit.Limits{}, insertNothing)
		_, err := g.Do(t.Context(), "a")
		var panicked *groupcommit.PanicError
		is.True(errors.As(err, &panicked))
		is.True(strings.Contains(string(panicked.Stack), "insertNothing"))
	})

	t.Run("runtime.Goexit ends only the leader, and the other callers get an error", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			is := is.New(t)
			d := newDisk(t, groupcommit.Limits{Batch: 3})
			d.instead = map[string]func([]string) results{"b": func([]string) results { runtime.Goexit(); return nil }}
			for _, item := range []string{"a", "b", "c", "d", "e"} {
				d.start(t.Context(), item)
			}
			d.flushAll()
			is.Equal(d.batches, [][]string{{"a"}, {"b", "c", "d"}, {"e"}})
			_, returned := d.answers()["b"]
			is.True(!returned)
			for _, item := range []string{"c", "d"} {
				var panicked *groupcommit.PanicError
				is.True(errors.As(d.answers()[item].err, &panicked))
				is.True(strings.Contains(panicked.Error(), "Goexit"))
			}
			is.Equal(d.answers()["e"], answer{"did e", nil})
		})
	})

	t.Run("a caller that gave up before a commit that panics still learns that it was not written", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			is := is.New(t)
			d := newDisk(t, groupcommit.Limits{})
			d.instead = map[string]func([]string) results{"b": func([]string) results { panic("no such table") }}
			d.start(t.Context(), "a")
			d.start(t.Context(), "b")
			quitter := &pollOnlyContext{Context: t.Context()}
			d.start(quitter, "c")
			quitter.cancel()
			d.flushAll()
			is.Equal(d.answers()["c"], answer{"", quitter.Err()})
		})
	})
}

func insertNothing([]string) []groupcommit.Result[string] { panic("nothing") }
