package pgfault

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/faults/history"
	"github.com/caisse/checkout/faults/oracle"
	"github.com/caisse/checkout/faults/stores"
	"github.com/caisse/checkout/faults/suite"
	"github.com/caisse/checkout/faults/workload"
)

// failover loses the primary while many callers create sessions, and promotes the standby.
type failover struct {
	vanish  bool // the primary's machine disappears: no connection is refused or reset
	forsake bool // the control: commits do not wait for the standby, and for a while before the failover the standby receives nothing
}

// How many callers create sessions at once, and how many sessions they create before and after the failover.
const (
	failoverCallers  = 64
	failoverSessions = 500
)

// failovers loses the primary in two ways, which alternate. Its process crashes, which clients notice at once. Or its machine vanishes,
// which they do not notice.
func failovers(tb testing.TB, o suite.Options) (result suite.Result) {
	tb.Helper()
	rounds := o.Times(2, 40)
	var (
		mu                 sync.Mutex
		without, promoting [2][]time.Duration
	)
	each(tb, rounds, 2, func(tb testing.TB, n int) {
		h, promotion := failover{vanish: n%2 == 1}.lose(tb, o.Seed+uint64(n))
		tally := oracle.Check(tb, h, oracle.Options{}).Tally
		mu.Lock()
		defer mu.Unlock()
		result.Add(tally)
		without[n%2] = append(without[n%2], h.LongestGap(history.Create))
		promoting[n%2] = append(promoting[n%2], promotion)
	})
	for n, how := range []string{"the server crashed", "its machine vanished"} {
		gaps := without[n]
		if len(gaps) == 0 {
			continue
		}
		slices.Sort(gaps)
		slices.Sort(promoting[n])
		result.Notes = append(result.Notes, fmt.Sprintf("%d times %s: %d callers without a success for %.1f s, at most %.1f s, and the standby took %.1f s to take writes",
			len(gaps), how, failoverCallers, gaps[len(gaps)/2].Seconds(), gaps[len(gaps)-1].Seconds(), promoting[n][len(gaps)/2].Seconds()))
	}
	return result
}

func (f failover) round(tb testing.TB, seed uint64) history.History {
	tb.Helper()
	h, _ := f.lose(tb, seed)
	return h
}

// lose makes a round. It also returns the time from the loss until the standby took writes.
func (f failover) lose(tb testing.TB, seed uint64) (h history.History, promotion time.Duration) {
	tb.Helper()
	servers := startPair(tb, !f.forsake)
	now := checkout.ClockFunc(time.Now)
	checkouts, err := checkout.New(servers.open(), checkout.Config{Clock: now})
	if err != nil {
		tb.Fatal(err)
	}
	recorder := history.New(history.Header{Test: tb.Name(), Store: string(stores.Postgres), Seed: seed}, now)
	crowd := workload.Shop(tb.Context(), workload.Plan{Seed: seed, Name: "crowd", Callers: failoverCallers}, time.Millisecond, recorder, checkouts)
	defer crowd.Leave()
	crowd.Await(tb, failoverSessions)
	if f.forsake {
		servers.detach()
		crowd.Await(tb, failoverSessions)
	}
	if f.vanish {
		servers.proxy.Vanish()
	}
	lost := time.Now()
	servers.failOver()
	promotion = time.Since(lost)
	crowd.Await(tb, failoverSessions)
	crowd.Leave()

	sound, err := checkout.New(open(tb, servers.standby.URL()), checkout.Config{Clock: now})
	if err != nil {
		tb.Fatal(err)
	}
	crowd.Settle(tb, recorder, sound)
	return recorder.History(), promotion
}
