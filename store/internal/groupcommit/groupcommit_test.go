package groupcommit_test

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/matryer/is"

	"github.com/caisse/checkout/store/internal/groupcommit"
)

func TestSingleCaller(t *testing.T) {
	t.Run("commits at once, on its own goroutine", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			is := is.New(t)
			caller, goroutines, now := goroutineName(), runtime.NumGoroutine(), time.Now()
			commits := 0
			g := groupcommit.New(groupcommit.Limits{}, func(batch []string) []groupcommit.Result[string] {
				commits++
				is.Equal(batch, []string{"a"})
				is.Equal(goroutineName(), caller)
				is.True(runtime.NumGoroutine() <= goroutines) // goroutines of an earlier test may still be ending
				is.True(time.Now().Equal(now))                // no time passes: the bubble's clock moves only while all goroutines wait
				return echo(batch)
			})
			got, err := g.Do(t.Context(), "a")
			is.NoErr(err)
			is.Equal(got, "did a")
			is.Equal(commits, 1)
		})
	})

	t.Run("does not yield to other goroutines, not even after many callers have left", func(t *testing.T) {
		is := is.New(t)
		// With one processor, a new goroutine runs as soon as the caller yields, and seldom before that.
		procs := runtime.GOMAXPROCS(1)
		t.Cleanup(func() { runtime.GOMAXPROCS(procs) })
		var bystander, yielded atomic.Bool
		g := groupcommit.New(groupcommit.Limits{}, func(batch []string) []groupcommit.Result[string] {
			yielded.Store(bystander.Load())
			runtime.Gosched() // so that the other callers arrive
			return echo(batch)
		})
		do := func() {
			_, err := g.Do(t.Context(), "a")
			is.NoErr(err)
		}
		yields := 0
		const tries = 50
		for range tries {
			var wg sync.WaitGroup
			for range 4 {
				wg.Go(do)
			}
			wg.Wait()
			do() // may still yield, because the batch before had several callers
			bystander.Store(false)
			wg.Go(func() { bystander.Store(true) })
			do()
			if yielded.Load() {
				yields++
			}
			wg.Wait()
		}
		is.True(yields < tries/2) // the scheduler may also switch goroutines by itself
	})
}

func TestBatches(t *testing.T) {
	t.Run("take callers in the order in which they arrived, up to the limit", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			is := is.New(t)
			d := newDisk(t, groupcommit.Limits{Batch: 3})
			for _, item := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
				d.start(t.Context(), item)
			}
			d.flushAll()
			is.Equal(d.batches, [][]string{{"a"}, {"b", "c", "d"}, {"e", "f", "g"}, {"h"}})
			for item, a := range d.answers() {
				is.NoErr(a.err)
				is.Equal(a.value, "did "+item)
			}
		})
	})

	for _, limits := range []groupcommit.Limits{{}, {Batch: -1, InFlight: -1}} {
		t.Run(fmt.Sprintf("have up to 512 items and run one at a time if the limits are %d", limits.Batch), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				d := newDisk(t, limits)
				for i := range 1 + 600 {
					d.start(t.Context(), string(rune('a'+i)))
				}
				is.Equal(d.writing, 1)
				d.flushAll()
				is.Equal(d.sizes(), []int{1, 512, 88})
			})
		})
	}

	t.Run("are each committed on the goroutine of their first caller", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			is := is.New(t)
			var leaders []string
			release := make(chan struct{})
			names := make(map[string]string) // the item of each goroutine
			var mu sync.Mutex
			g := groupcommit.New(groupcommit.Limits{Batch: 2}, func(batch []string) []groupcommit.Result[string] {
				mu.Lock()
				leaders = append(leaders, names[goroutineName()])
				mu.Unlock()
				<-release
				return echo(batch)
			})
			for _, item := range []string{"a", "b", "c", "d", "e"} {
				go func() {
					mu.Lock()
					names[goroutineName()] = item
					mu.Unlock()
					_, _ = g.Do(t.Context(), item)
				}()
				synctest.Wait()
			}
			close(release)
			synctest.Wait()
			is.Equal(leaders, []string{"a", "b", "d"})
		})
	})

	t.Run("belong to the commit function, which may keep and change them", func(t *testing.T) {
		is := is.New(t)
		var kept [][]string
		g := groupcommit.New(groupcommit.Limits{}, func(batch []string) []groupcommit.Result[string] {
			results := echo(batch)
			batch[0] = "changed by " + batch[0]
			kept = append(kept, batch)
			return results
		})
		for _, item := range []string{"a", "b"} {
			got, err := g.Do(t.Context(), item)
			is.NoErr(err)
			is.Equal(got, "did "+item)
		}
		is.Equal(kept, [][]string{{"changed by a"}, {"changed by b"}})
	})

	t.Run("wait for callers that are about to call again", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			is := is.New(t)
			const callers, rounds = 16, 200
			commits := 0
			g := groupcommit.New(groupcommit.Limits{}, func(batch []string) []groupcommit.Result[string] {
				commits++
				time.Sleep(time.Millisecond) // in the bubble: it ends when all other goroutines wait
				return echo(batch)
			})
			var wg sync.WaitGroup
			for range callers {
				wg.Go(func() {
					for range rounds {
						_, _ = g.Do(t.Context(), "a")
					}
				})
			}
			wg.Wait()
			perCommit := float64(callers*rounds) / float64(commits)
			t.Logf("%.1f calls per commit", perCommit)
			is.True(perCommit > 10) // if small and large batches alternated, it would be about 8
		})
	})
}

func TestInFlight(t *testing.T) {
	t.Run("lets batches overlap up to the limit and never beyond", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			is := is.New(t)
			d := newDisk(t, groupcommit.Limits{Batch: 2, InFlight: 3})
			for range 2 { // the second round shows that each leader has given up its place exactly once
				d.batches, d.most = nil, 0
				for _, item := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
					d.start(t.Context(), item)
				}
				is.Equal(d.writing, 3)
				d.flush()
				is.Equal(d.writing, 3)
				d.flushAll()
				is.Equal(d.writing, 0)
				is.Equal(d.most, 3)
				is.Equal(d.sizes(), []int{1, 1, 1, 2, 2, 1})
			}
		})
	})
}

func TestResults(t *testing.T) {
	t.Run("belong to one item each: an item that fails does not fail the rest of its batch", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			is := is.New(t)
			bad := errors.New("bad row")
			d := newDisk(t, groupcommit.Limits{})
			d.instead = map[string]func([]string) []groupcommit.Result[string]{
				"b": func([]string) []groupcommit.Result[string] {
					return []groupcommit.Result[string]{{Value: "half of b", Err: bad}, {Value: "did c"}, {Err: bad}, {Value: "did e"}}
				},
			}
			for _, item := range []string{"a", "b", "c", "d", "e"} {
				d.start(t.Context(), item)
			}
			d.flushAll()
			is.Equal(d.batches, [][]string{{"a"}, {"b", "c", "d", "e"}})
			is.Equal(d.answers(), map[string]answer{
				"a": {"did a", nil}, "c": {"did c", nil}, "e": {"did e", nil},
				"b": {"half of b", bad}, "d": {"", bad},
			})
		})
	})
}
