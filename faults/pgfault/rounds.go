package pgfault

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/faults/clock"
	"github.com/caisse/checkout/faults/history"
	"github.com/caisse/checkout/faults/oracle"
	"github.com/caisse/checkout/faults/pgfault/proxy"
	"github.com/caisse/checkout/faults/stores"
	"github.com/caisse/checkout/faults/suite"
	"github.com/caisse/checkout/faults/workload"
	"github.com/caisse/checkout/internal/pgtest"
)

// faults has a proxy make faults while callers use a store. It makes rounds until there were enough faults.
type faults struct {
	plan        func(round int, seed uint64) proxy.Plan
	counted     []proxy.Kind // the kinds of faults that count; if there is none, all kinds count
	everyWrite  bool         // at least one create, one transition and one sweep must have had an unknown outcome
	impatient   bool         // callers give up some of their calls
	places      int          // databases with rounds at the same time; 0 means 1
	short, long int          // how many faults in a short pass and in a long one

	// Set by controls.
	store  func(checkout.Store) checkout.Store
	caller func(history.Service) history.Service
}

// place is a database that can be reached through a proxy and without it.
type place struct {
	faults
	tb     testing.TB
	name   string // application_name of connections through the proxy
	seed   uint64
	random *rand.Rand
	clock  *clock.Clock
	proxy  *proxy.Proxy
	direct string              // URL without the proxy
	url    string              // URL through the proxy
	sound  *checkout.Checkouts // without the proxy

	result  suite.Result
	unknown map[history.Kind]int // calls of unknown outcome
}

func (f faults) run(tb testing.TB, o suite.Options) suite.Result {
	tb.Helper()
	enough := o.Times(f.short, f.long)
	var all []*place
	for n := range max(f.places, 1) {
		all = append(all, f.place(tb, n, o.Seed))
	}
	var done sync.WaitGroup
	for n, p := range all {
		done.Go(func() {
			for round := n; !tb.Failed() && !p.enough(enough/len(all)); round += len(all) {
				p.judge(p.round(round))
			}
		})
	}
	done.Wait()

	var result suite.Result
	unknown, counts := make(map[history.Kind]int), make(map[proxy.Kind]int)
	for _, p := range all {
		result.Runs += p.result.Runs
		result.Tally.Add(p.result.Tally)
		for kind, n := range p.unknown {
			unknown[kind] += n
		}
		for kind, n := range p.proxy.Counts() {
			counts[kind] += n
		}
	}
	result.Notes = []string{"done: " + list(counts), "calls of unknown outcome: " + list(unknown)}
	return result
}

// enough reports whether there were enough faults. If everyWrite is set, each kind of write must also have had an unknown outcome.
func (p *place) enough(times int) bool {
	moves := p.unknown[history.Begin] + p.unknown[history.Process] + p.unknown[history.Complete] + p.unknown[history.Fail] + p.unknown[history.Cancel]
	every := p.unknown[history.Create] > 0 && moves > 0 && p.unknown[history.Expire] > 0
	return p.result.Runs >= times && (every || !p.everyWrite)
}

func (f faults) place(tb testing.TB, n int, seed uint64) *place {
	tb.Helper()
	p := &place{
		faults:  f,
		tb:      tb,
		name:    fmt.Sprintf("proxy %d", n),
		seed:    seed,
		random:  rand.New(rand.NewPCG(seed, uint64(n))),
		unknown: make(map[history.Kind]int),
	}
	p.clock = clock.At(time.Date(2026, time.November, 22, 7, 31, 56, 123456789, time.UTC))
	p.direct = stores.New(tb, stores.Postgres).Address
	p.proxy, p.url = proxy.Between(tb, pgtest.With(tb, p.direct, "application_name="+p.name))
	checkouts, err := checkout.New(open(tb, p.direct), checkout.Config{Clock: p.clock})
	if err != nil {
		tb.Fatal(err)
	}
	p.sound = checkouts
	return p
}

// round has callers use stores behind the proxy, and then reads everything without the proxy. It returns the history.
func (p *place) round(n int) history.History {
	plan := workload.Plan{
		Seed:    p.random.Uint64(),
		Name:    fmt.Sprintf("round %d", n),
		Callers: 4 << p.random.IntN(3),
		Keys:    4 + p.random.IntN(8),
		Retries: 3,
		Caller:  p.caller,
		Clock:   p.clock,
	}
	plan.Calls = 256 / plan.Callers
	if p.impatient {
		plan.Caller = func(s history.Service) history.Service { return &impatient{Service: s} }
	}
	recorder := history.New(history.Header{Test: p.tb.Name(), Store: string(stores.Postgres), Seed: p.seed}, p.clock)
	both, err := p.instances(n)
	if err != nil {
		p.tb.Error(err)
		return recorder.History()
	}
	wrapped := checkout.Store(both)
	if p.store != nil {
		wrapped = p.store(both)
	}
	p.proxy.Set(p.plan(n, p.random.Uint64()))
	workload.Run(p.tb.Context(), plan, recorder, p.sound.WithStore(wrapped))
	p.proxy.Set(proxy.Plan{})
	both.close()

	// The server must have ended every transaction before Settle reads.
	ctx, cancel := context.WithTimeout(p.tb.Context(), time.Minute)
	defer cancel()
	if err := asked(ctx, p.direct, "select not exists (select from pg_stat_activity where application_name = '"+p.name+"' and datname = current_database())"); err != nil {
		p.tb.Error(err)
	}
	plan.FeedTime = workload.FeedTime
	plan.Caller = p.caller // not impatient: if a sweep were given up, the next round would find due sessions of this one
	workload.Settle(p.tb.Context(), plan, recorder, p.sound)
	return recorder.History()
}

// instances opens two stores through the proxy. The mode in which they use PostgreSQL's protocol depends on the round.
func (p *place) instances(round int) (*instances, error) {
	mode := []string{"cache_statement", "exec", "simple_protocol"}[round%3]
	at := stores.Place{Kind: stores.Postgres, Address: pgtest.With(p.tb, p.url, "default_query_exec_mode="+mode)}
	both := new(instances)
	for range 2 {
		store, err := at.Open(p.tb.Context())
		if err != nil {
			both.close()
			return nil, err
		}
		both.all = append(both.all, store)
	}
	return both, nil
}

// judge judges a round and counts it.
func (p *place) judge(h history.History) {
	p.result.Tally.Add(oracle.Check(p.tb, h, oracle.Options{}).Tally)
	p.result.Runs = 0
	for kind, n := range p.proxy.Counts() {
		if len(p.counted) == 0 || slices.Contains(p.counted, kind) {
			p.result.Runs += n
		}
	}
	for _, op := range h.Operations {
		if op.Return.Outcome == history.Unknown {
			p.unknown[op.Kind]++
		}
	}
}

func list[K ~string](counts map[K]int) string {
	var parts []string
	for _, kind := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%s %d", kind, counts[kind]))
	}
	return strings.Join(parts, ", ")
}
