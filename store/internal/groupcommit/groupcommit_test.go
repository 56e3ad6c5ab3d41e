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

func TestLoneCaller(t *testing.T) {
	t.Run("commits at once, on its own goroutine", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			is := is.New(t)
			caller, goroutines, now := goroutine(), runtime.NumGoroutine(), time.Now()
			commits := 0
			g := groupcommit.New(groupcommit.Limits{}, func(batch []string) []groupcommit.Result[string] {
				commits++
				is.Equal(batch, []string{"a"})
				is.Equal(goroutine(), caller)
				is.True(runtime.NumGoroutine() <= goroutines) // those of an earlier test may still be ending
				is.True(time.Now().Equal(now))                // the clock of the bubble moves only while everybody waits
				return echo(batch)
			})
			got, err := g.Do(t.Context(), "a")
			is.NoErr(err)
			is.Equal(got, "did a")
			is.Equal(commits, 1)
		})
	})

	t.Run("does not yield, not even after a crowd has left", func(t *testing.T) {
		is := is.New(t)
		// On one processor a goroutine that was just started runs as soon as the caller yields, and hardly before.
		procs := runtime.GOMAXPROCS(1)
		t.Cleanup(func() { runtime.GOMAXPROCS(procs) })
		var bystander, yielded atomic.Bool
		g := groupcommit.New(groupcommit.Limits{}, func(batch []string) []groupcommit.Result[string] {
			yielded.Store(bystander.Load())
			runtime.Gosched() // for the crowd to gather
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
			do() // may still yield to the crowd
			bystander.Store(false)
			wg.Go(func() { bystander.Store(true) })
			do()
			if yielded.Load() {
				yields++
			}
			wg.Wait()
		}
		is.True(yields < tries/2) // the scheduler may step in of itself now and then
	})
}

func TestBatches(t *testing.T) {
	t.Run("take who came first, in order, and no more than the limit", func(t *testing.T) {
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
		t.Run(fmt.Sprintf("are 512 long and one at a time under limits of %d", limits.Batch), func(t *testing.T) {
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

	t.Run("are served each by the first of its callers", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			is := is.New(t)
			var leaders []string
			release := make(chan struct{})
			names := make(map[string]string) // of items, by goroutine
			var mu sync.Mutex
			g := groupcommit.New(groupcommit.Limits{Batch: 2}, func(batch []string) []groupcommit.Result[string] {
				mu.Lock()
				leaders = append(leaders, names[goroutine()])
				mu.Unlock()
				<-release
				return echo(batch)
			})
			for _, item := range []string{"a", "b", "c", "d", "e"} {
				go func() {
					mu.Lock()
					names[goroutine()] = item
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

	t.Run("belong to the commit, which may keep and change them", func(t *testing.T) {
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

	t.Run("wait for callers who are on their way back", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			is := is.New(t)
			const callers, rounds = 16, 200
			commits := 0
			g := groupcommit.New(groupcommit.Limits{}, func(batch []string) []groupcommit.Result[string] {
				commits++
				time.Sleep(time.Millisecond) // of the bubble: until all others wait
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
			is.True(perCommit > 10) // about 8 where small and large batches take turns
		})
	})
}

func TestInFlight(t *testing.T) {
	t.Run("batches overlap up to the limit and never beyond", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			is := is.New(t)
			d := newDisk(t, groupcommit.Limits{Batch: 2, InFlight: 3})
			for range 2 { // the second time shows that each leader left its place, once
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
	t.Run("are each item's own: one that fails does not fail its batch mates", func(t *testing.T) {
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
