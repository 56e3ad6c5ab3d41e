//go:build linux

package cluster

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/faults/history"
	"github.com/caisse/checkout/faults/oracle"
	"github.com/caisse/checkout/faults/stores"
	"github.com/caisse/checkout/faults/suite"
	"github.com/caisse/checkout/faults/workload"
)

// fault is one thing that happens to a cluster. It returns what mends it, for when the callers have gone on.
type fault struct {
	name string
	make func(c *cluster) (mend func())
}

var faults = []fault{
	{"the leader's PostgreSQL killed", func(c *cluster) func() {
		leader := c.leader()
		leader.killServer()
		return func() {}
	}},
	{"switchover", func(c *cluster) func() {
		c.switchover(c.leader())
		return func() {}
	}},
	{"the leader's node killed", func(c *cluster) func() {
		leader := c.leader()
		leader.kill()
		return leader.start
	}},
	{"the leader's node stopped, and let go again", func(c *cluster) func() {
		leader := c.leader()
		leader.stop()
		c.awaitLeader(leader)
		return leader.resume // it must then take no write, and become a standby
	}},
	{"HAProxy and PgBouncer restarted", func(c *cluster) func() {
		c.restartProxies()
		return func() {}
	}},
	{"etcd away", func(c *cluster) func() {
		c.etcd.kill()
		time.Sleep(ttl + loopWait) // the leader gives up, since it cannot say that it is there
		c.etcd.start()
		return func() {}
	}},
}

// Suites lists what this package tries.
func Suites() []suite.Suite {
	return suite.Each("a cluster under Patroni", run, stores.Postgres)
}

const (
	callers  = 16
	pace     = 20 * time.Millisecond // a cluster takes half a minute to recover, and the oracle looks at all that was done meanwhile
	sessions = 100                   // before and after a fault
)

// run makes each fault by each route to the cluster.
func run(tb testing.TB, _ stores.Kind, o suite.Options) (result suite.Result) {
	tb.Helper()
	c := start(tb)
	rounds := 2 // one kill, one switchover
	if o.Long {
		rounds = 5 * len(faults)
	}
	routes := c.routes()
	without := make(map[string][]time.Duration)
	for n := range rounds {
		f, route := faults[n%len(faults)], routes[n%len(routes)]
		tb.Logf("round %d: %s, by %s", n, f.name, route.name)
		h := round(tb, c, f, route.url, o.Seed+uint64(n), fmt.Sprintf("round %d of seed %d", n, o.Seed))
		result.Add(oracle.Check(tb, h, oracle.Options{}).Tally)
		without[f.name] = append(without[f.name], h.LongestGap(history.Create))
	}
	for _, f := range faults {
		if gaps := without[f.name]; len(gaps) > 0 {
			slices.Sort(gaps)
			result.Notes = append(result.Notes, fmt.Sprintf("%d times %s: without a success for %.1f s, at most %.1f s",
				len(gaps), f.name, gaps[len(gaps)/2].Seconds(), gaps[len(gaps)-1].Seconds()))
		}
	}
	return result
}

// round has two instances create sessions by a route while a fault is made and mended, and asks for all of them afterwards.
func round(tb testing.TB, c *cluster, f fault, url string, seed uint64, name string) history.History {
	tb.Helper()
	now := checkout.ClockFunc(time.Now)
	recorder := history.New(history.Header{Test: tb.Name(), Store: string(stores.Postgres), Seed: seed}, now)
	open := func(url string) *checkout.Checkouts {
		store, err := stores.Place{Kind: stores.Postgres, Address: url}.Open(tb.Context())
		if err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(func() { store.Close() })
		checkouts, err := checkout.New(store, checkout.Config{Clock: now})
		if err != nil {
			tb.Fatal(err)
		}
		return checkouts
	}
	crowd := workload.Gather(tb.Context(), workload.Plan{Seed: seed, Name: name, Callers: callers, Pace: pace}, recorder, open(url), open(url))
	defer crowd.Leave()
	crowd.Await(tb, sessions)
	mend := f.make(c)
	crowd.Await(tb, sessions)
	mend()
	c.awaitHealth()
	crowd.Await(tb, sessions)
	crowd.Leave()
	crowd.Settle(tb.Context(), recorder, open(c.direct()))
	return recorder.History()
}
