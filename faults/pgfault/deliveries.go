package pgfault

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/caisse/checkout/faults/delivery"
	"github.com/caisse/checkout/faults/suite"
	"github.com/caisse/checkout/faults/workload"
)

// deliveries loses the primary while sessions change and two dispatchers send webhooks. Rounds alternate between the two ways of failovers.
func deliveries(tb testing.TB, o suite.Options) (result suite.Result) {
	tb.Helper()
	rounds := o.Times(2, 20)
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

// told is a failover while dispatchers send webhooks. Its fields have the same meaning as those of failover.
type told struct{ vanish, forsake bool }

// How many callers change sessions, and how many sessions they change before and after the failover.
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
	crowd := workload.Gather(toldCallers, 5*time.Millisecond, func(int) bool { return round.Change() == nil })
	defer crowd.Leave()
	crowd.Await(tb, toldChanges)
	round.See()
	if f.forsake {
		servers.detach()
		crowd.Await(tb, toldChanges)
	}
	if f.vanish {
		servers.proxy.Vanish()
	}
	servers.failOver()
	crowd.Await(tb, toldChanges)
	crowd.Leave()
	for _, stop := range stops {
		stop()
	}
	round.Use(open(tb, servers.standby.URL()).(delivery.Store))
	round.See()
	round.Finish(0)
	return round.Judge()
}
