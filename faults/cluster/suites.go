//go:build linux

package cluster

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/caisse/checkout/faults/oracle"
	"github.com/caisse/checkout/faults/stores"
	"github.com/caisse/checkout/faults/suite"
)

// fault is one fault of a cluster. make makes it, and returns a function that repairs the cluster.
type fault struct {
	name    string
	make    func(r *round) (mend func())
	proxies bool // it concerns only routes through proxies
}

func nothing() {}

// faults lists the faults. A short pass makes the first two.
var faults = []fault{
	{name: "the leader's node killed", make: func(r *round) func() {
		leader := r.leader(nil)
		leader.kill()
		return leader.start
	}},
	{name: "switchover", make: func(r *round) func() {
		r.switchover()
		return nothing
	}},
	{name: "the leader's PostgreSQL killed", make: func(r *round) func() {
		r.leader(nil).killServer()
		return nothing
	}},
	{name: "the leader's node stopped, and let go again", make: func(r *round) func() {
		old := r.leader(nil)
		try := r.holdOn(old)
		old.stop()
		r.leader(old)
		return func() {
			old.resume()
			try()
		}
	}},
	{name: "HAProxy and PgBouncer restarted", make: func(r *round) func() {
		r.restartProxies()
		return nothing
	}, proxies: true},
	{name: "etcd away", make: func(r *round) func() {
		r.etcd.kill()
		time.Sleep(r.ttl + r.loopWait) // the leader steps down, because it cannot renew its lock
		r.etcd.start()
		return nothing
	}},
}

// documented are the settings that docs/postgresql.md recommends. quick are those that it names for outages below ten seconds.
var (
	documented = settings{ttl: 20 * time.Second, loopWait: 5 * time.Second, retry: 5 * time.Second}
	quick      = settings{ttl: 8 * time.Second, loopWait: 2 * time.Second, retry: 3 * time.Second}
)

// Suites lists what this package tries.
func Suites() []suite.Suite {
	return suite.Each("a cluster under Patroni", run, stores.Postgres)
}

// trip is a fault, and the number of the route by which the callers reach the cluster meanwhile.
type trip struct {
	fault fault
	route int
}

// trips returns one trip for each round. The faults come in turn, and a fault that comes again has the next route.
func trips(rounds int) (all []trip) {
	for n := range rounds {
		f, route := faults[n%len(faults)], n+n/len(faults)
		if f.proxies {
			route = 1 + n/len(faults)%3
		}
		all = append(all, trip{f, route % 4})
	}
	return all
}

// run tries the first two faults. A long pass tries each fault by each of its routes. It then tries the quick settings: it makes each fault
// once, and kills the leader's node once by each route.
func run(tb testing.TB, _ stores.Kind, o suite.Options) (result suite.Result) {
	tb.Helper()
	if !o.Long {
		result.Notes = try(tb, documented, trips(2), o.Seed, &result)
		return result
	}
	result.Notes = try(tb, documented, trips(5*len(faults)), o.Seed, &result)
	quickly := trips(len(faults))
	for route := 1; route < 4; route++ {
		quickly = append(quickly, trip{faults[0], route})
	}
	result.Notes = append(result.Notes, try(tb, quick, quickly, o.Seed+1000, &result)...)
	return result
}

// try makes rounds on a new cluster. Its notes say for how long no caller had a success: the median and the most, for each fault.
func try(tb testing.TB, s settings, all []trip, seed uint64, result *suite.Result) (notes []string) {
	tb.Helper()
	c := start(tb, s)
	defer c.end()
	without := make(map[string][]time.Duration)
	for n, t := range all {
		route := c.routes()[t.route]
		r := begin(tb, c, route, seed+uint64(n), n)
		h, gap, told := r.run(t.fault)
		verdict := oracle.Check(tb, h, oracle.Options{})
		told.Report(tb)
		verdict.Tally.Add(told.Tally)
		result.Add(verdict.Tally)
		without[t.fault.name] = append(without[t.fault.name], gap)
		tb.Logf("round %d: %s, by %s: without a success for %.1f s", n, t.fault.name, route.name, gap.Seconds())
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
