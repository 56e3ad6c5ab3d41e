package pgfault

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caisse/checkout/faults/delivery"
	"github.com/caisse/checkout/faults/suite"
)

// deliveries lose the primary, by turns as failovers do, while sessions change and two dispatchers send what became of them.
func deliveries(tb testing.TB, o suite.Options) (result suite.Result) {
	tb.Helper()
	rounds := 2
	if o.Long {
		rounds = 20
	}
	var mu sync.Mutex
	repeated := 0
	each(tb, rounds, 1, func(tb testing.TB, n int) {
		v := told{vanish: n%2 == 1}.lose(tb, o.Seed+uint64(n))
		v.Report(tb)
		mu.Lock()
		defer mu.Unlock()
		result.Add(v.Tally)
		repeated += v.Repeated
	})
	result.Notes = append(result.Notes, fmt.Sprintf("%d deliveries came once more, whose answer was not written down when the primary was lost", repeated))
	return result
}

// told is a failover beneath dispatchers. Its fields are those of failover.
type told struct{ vanish, forsake bool }

// How many callers change sessions, and how many before and after the failover.
const (
	toldCallers = 8
	toldChanges = 150
)

func (f told) lose(tb testing.TB, seed uint64) delivery.Verdict {
	tb.Helper()
	servers := startPair(tb, !f.forsake)
	round := delivery.NewRound(tb, servers.open().(delivery.Store), seed)
	var stops []func()
	for range 2 {
		stops = append(stops, round.Dispatch())
	}
	var (
		made    atomic.Int64
		leaving = make(chan struct{})
		left    sync.WaitGroup
	)
	for range toldCallers {
		left.Go(func() {
			pace := time.NewTicker(5 * time.Millisecond)
			defer pace.Stop()
			for {
				select {
				case <-leaving:
					return
				case <-pace.C:
				}
				if round.Change() == nil {
					made.Add(1)
				}
			}
		})
	}
	await := func(more int64) {
		tb.Helper()
		want := made.Load() + more
		for deadline := time.Now().Add(3 * time.Minute); made.Load() < want; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				tb.Fatalf("no %d sessions changed in three minutes", more)
			}
		}
	}
	await(toldChanges)
	round.See()
	if f.forsake {
		servers.detach()
		await(toldChanges)
	}
	if f.vanish {
		servers.proxy.Vanish()
	}
	servers.failOver()
	await(toldChanges)
	close(leaving)
	left.Wait()
	for _, stop := range stops {
		stop()
	}
	round.Use(open(tb, servers.standby.URL()).(delivery.Store))
	round.See()
	round.Finish(0)
	return round.Judge()
}
