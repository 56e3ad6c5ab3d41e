//go:build linux

package cluster

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/faults/delivery"
	"github.com/caisse/checkout/faults/history"
	"github.com/caisse/checkout/faults/stores"
	"github.com/caisse/checkout/faults/workload"
)

const (
	shoppers = 16  // callers who create sessions, and pay for some
	changers = 4   // callers who change sessions that have webhooks
	enough   = 100 // sessions of the shoppers, at each stage of a round
	few      = 25  // sessions of the changers, at each stage of a round
	poolSize = 8   // connections of each instance

	// pace is the time between two tries of all shoppers together, and of all changers together. Shoppers also try while there is no
	// leader, and the oracle has to judge every one of their calls, so there must not be too many.
	pace = 20 * time.Millisecond
)

// round makes one fault. Two instances serve the shoppers. Two others send webhooks, from another database.
type round struct {
	*cluster
	tb       testing.TB
	route    route
	shop     string // the database of the shoppers
	hooks    string // the database of the changers and the webhooks
	plan     workload.Plan
	recorder *history.Recorder
	open     []stores.Store
	sessions *workload.Shoppers // the shoppers
	changes  *workload.Crowd    // the changers
}

var clock = checkout.ClockFunc(time.Now)

func begin(tb testing.TB, c *cluster, by route, seed uint64, n int) *round {
	tb.Helper()
	r := &round{
		cluster: c, tb: tb, route: by, shop: fmt.Sprintf("shop%d", n), hooks: fmt.Sprintf("hooks%d", n),
		plan:     workload.Plan{Seed: seed, Name: fmt.Sprintf("round %d of seed %d", n, seed), Callers: shoppers},
		recorder: history.New(history.Header{Test: tb.Name(), Store: string(stores.Postgres), Seed: seed}, clock),
	}
	for _, database := range []string{r.shop, r.hooks} {
		if err := r.ask(c.direct("postgres"), "create database "+database, nil); err != nil {
			tb.Fatal(err)
		}
	}
	// pgx tries the hosts of a URL in turn, and gives up at a host that does not have the database yet.
	c.await("the databases on all nodes", time.Minute, func() bool {
		for _, member := range c.nodes {
			have := 0
			sql := fmt.Sprintf("select count(*) from pg_database where datname in ('%s', '%s')", r.shop, r.hooks)
			if err := r.ask(member.url("postgres"), sql, &have); err != nil || have != 2 {
				return false
			}
		}
		return true
	})
	return r
}

// run has callers use the cluster before a fault, during it and after it. It returns the history of the shoppers, the longest time in which
// none of them created a session, and the verdict on the webhooks.
func (r *round) run(f fault) (history.History, time.Duration, delivery.Verdict) {
	r.tb.Helper()
	defer r.close()
	ctx := r.tb.Context()
	r.sessions = workload.Shop(ctx, r.plan, pace, r.recorder, r.checkouts(r.route.url(r.shop)), r.checkouts(r.route.url(r.shop)))
	defer r.sessions.Leave()
	told := delivery.NewRound(r.tb, r.store(r.route.url(r.hooks)).(delivery.Store), r.plan.Seed)
	stop := sync.OnceFunc(told.Dispatch())
	defer stop()
	told.Use(r.store(r.route.url(r.hooks)).(delivery.Store))
	stopOther := sync.OnceFunc(told.Dispatch())
	defer stopOther()
	r.changes = workload.Gather(changers, pace, func(int) bool { return told.Change() == nil })
	defer r.changes.Leave()

	r.stage()
	told.See()
	mend := f.make(r)
	r.stage()
	mend()
	r.awaitHealth()
	r.stage()
	r.awaitConnections()

	r.sessions.Leave()
	gap := r.recorder.History().LongestGap(history.Create)
	r.changes.Leave()
	stop()
	stopOther()
	r.sessions.Settle(r.tb, r.recorder, r.checkouts(r.direct(r.shop)))
	told.Use(r.store(r.direct(r.hooks)).(delivery.Store))
	told.See()
	told.Finish(0)
	return r.recorder.History(), gap, told.Judge()
}

// stage waits until the shoppers and the changers have finished enough more sessions.
func (r *round) stage() {
	r.tb.Helper()
	r.sessions.Await(r.tb, enough)
	r.changes.Await(r.tb, few)
}

func (r *round) store(url string) stores.Store {
	r.tb.Helper()
	store, err := stores.Place{Kind: stores.Postgres, Address: fmt.Sprintf("%s&pool_max_conns=%d", url, poolSize)}.Open(r.tb.Context())
	if err != nil {
		r.tb.Fatal(err)
	}
	r.open = append(r.open, store)
	return store
}

func (r *round) checkouts(url string) *checkout.Checkouts {
	r.tb.Helper()
	checkouts, err := checkout.New(r.store(url), checkout.Config{Clock: clock})
	if err != nil {
		r.tb.Fatal(err)
	}
	return checkouts
}

func (r *round) close() {
	for _, store := range r.open {
		store.Close()
	}
}

// holdOn opens a store whose connections lead to n only, while n is the leader. Call try when n has been stopped, replaced and continued.
// It writes with that store: at once, over the old connections, and again when n is a standby. No write may be acknowledged. At last try
// repeats all these creates on the new leader, so that the oracle can find a session that was acknowledged and lost.
func (r *round) holdOn(n *node) (try func()) {
	r.tb.Helper()
	plan := workload.Plan{Seed: r.plan.Seed, Name: r.plan.Name + ", the old leader"}
	request := func(key int) checkout.CreateParams { return plan.Request(plan.Accounts()[0], key) }
	old := r.checkouts(n.url(r.shop))
	held := r.open[len(r.open)-1]
	if _, _, err := r.recorder.Client("client of the leader", old).Create(r.tb.Context(), request(0)); err != nil {
		r.tb.Fatal(err)
	}
	keys := 1
	write := func() {
		r.tb.Helper()
		ctx, cancel := context.WithTimeout(r.tb.Context(), 5*time.Second)
		defer cancel()
		var done sync.WaitGroup
		for key := keys; key < keys+poolSize; key++ {
			client := r.recorder.Client(fmt.Sprintf("client of the old leader, %d", key), old)
			done.Go(func() {
				if _, _, err := client.Create(ctx, request(key)); err == nil {
					r.tb.Error("a leader that was stopped, replaced and continued has acknowledged a write")
				}
			})
		}
		done.Wait()
		keys += poolSize
	}
	return func() {
		r.tb.Helper()
		write()
		r.awaitHealth()
		write()
		held.Close()
		settler := r.recorder.Client("client of the new leader", r.checkouts(r.direct(r.shop)))
		for key := range keys {
			workload.Insist(r.tb, func() error {
				_, _, err := settler.Create(r.tb.Context(), request(key))
				return err
			})
		}
	}
}

// awaitConnections waits until all connections of the instances lead to the leader, and their number is at most the sum of the pools.
func (r *round) awaitConnections() {
	r.tb.Helper()
	leader := r.leader(nil)
	r.await("all connections to lead to the leader", time.Minute, func() bool {
		for _, n := range r.nodes {
			count, most := 0, 0
			if n == leader {
				most = len(r.open) * poolSize
			}
			err := r.ask(n.url("postgres"), fmt.Sprintf("select count(*) from pg_stat_activity where backend_type = 'client backend' and datname in ('%s', '%s')",
				r.shop, r.hooks), &count)
			if err != nil || count > most || n == leader && count == 0 {
				return false
			}
		}
		return true
	})
}

// ask runs a statement. If value is not nil, ask stores there the one value that the statement returns.
func (r *round) ask(url, sql string, value any) error {
	ctx, cancel := context.WithTimeout(r.tb.Context(), 10*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	if value == nil {
		_, err = conn.Exec(ctx, sql)
		return err
	}
	return conn.QueryRow(ctx, sql).Scan(value)
}
