//go:build linux

package cluster

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/caisse/checkout/faults/history"
	"github.com/caisse/checkout/faults/oracle"
	"github.com/caisse/checkout/faults/stores"
	"github.com/caisse/checkout/faults/suite"
)

// fault is one thing that happens to a cluster. It returns what mends it.
type fault struct {
	name string
	make func(r *round) (mend func())
}

func nothing() {}

// The first two are the short pass.
var faults = []fault{
	{"the leader's node killed", func(r *round) func() {
		leader := r.leader(nil)
		leader.kill()
		return leader.start
	}},
	{"switchover", func(r *round) func() {
		r.switchover()
		return nothing
	}},
	{"the leader's PostgreSQL killed", func(r *round) func() {
		r.leader(nil).killServer()
		return nothing
	}},
	{"the leader's node stopped, and let go again", func(r *round) func() {
		old := r.leader(nil)
		try := r.holdOn(old)
		old.stop()
		r.leader(old)
		return func() {
			old.resume()
			try()
		}
	}},
	{"HAProxy and PgBouncer restarted", func(r *round) func() {
		r.restartProxies()
		return nothing
	}},
	{"etcd away", func(r *round) func() {
		r.etcd.kill()
		time.Sleep(r.ttl + r.loopWait) // the leader gives up, since it cannot say that it is there
		r.etcd.start()
		return nothing
	}},
}

// documented are the settings of docs/postgresql.md, and quick are those that it names for an outage below ten seconds.
var (
	documented = settings{ttl: 20 * time.Second, loopWait: 5 * time.Second, retry: 5 * time.Second}
	quick      = settings{ttl: 8 * time.Second, loopWait: 2 * time.Second, retry: 3 * time.Second}
)

// Suites lists what this package tries.
func Suites() []suite.Suite {
	return suite.Each("a cluster under Patroni", run, stores.Postgres)
}

// run makes each fault by each route to the cluster.
func run(tb testing.TB, _ stores.Kind, o suite.Options) (result suite.Result) {
	tb.Helper()
	if !o.Long {
		result.Notes = try(tb, documented, 2, o.Seed, &result) // one kill, one switchover
		return result
	}
	result.Notes = try(tb, documented, 5*len(faults), o.Seed, &result)
	result.Notes = append(result.Notes, try(tb, quick, len(faults), o.Seed+1000, &result)...)
	return result
}

// try makes so many rounds on a cluster of its own. It returns for how long each fault left callers without a success.
func try(tb testing.TB, s settings, rounds int, seed uint64, result *suite.Result) (notes []string) {
	tb.Helper()
	c := start(tb, s)
	defer c.end()
	routes := c.routes()
	without := make(map[string][]time.Duration)
	for n := range rounds {
		f, route := faults[n%len(faults)], routes[(n+n/len(faults))%len(routes)]
		tb.Logf("round %d: %s, by %s", n, f.name, route.name)
		r := begin(tb, c, route, seed+uint64(n), n)
		h, told := r.run(f)
		verdict := oracle.Check(tb, h, oracle.Options{})
		told.Report(tb)
		verdict.Tally.Add(told.Tally)
		result.Add(verdict.Tally)
		without[f.name] = append(without[f.name], h.LongestGap(history.Create))
		tb.Logf("round %d: without a success for %.1f s", n, h.LongestGap(history.Create).Seconds())
	}
	for _, f := range faults {
		if gaps := without[f.name]; len(gaps) > 0 {
			slices.Sort(gaps)
			notes = append(notes, fmt.Sprintf("%s, ttl %v: %d times, without a success for %.1f s, at most %.1f s",
				f.name, s.ttl, len(gaps), gaps[len(gaps)/2].Seconds(), gaps[len(gaps)-1].Seconds()))
		}
	}
	return notes
}
