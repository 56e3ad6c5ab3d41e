package pgfault

import (
	"sync"
	"testing"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/faults/clock"
	"github.com/caisse/checkout/faults/history"
	"github.com/caisse/checkout/faults/oracle"
	"github.com/caisse/checkout/faults/stores"
	"github.com/caisse/checkout/faults/suite"
	"github.com/caisse/checkout/faults/workload"
)

// waits has commits wait for a standby that is gone, ends these waits, and then loses the primary. Transactions that only the primary
// had are then lost.
type waits struct {
	store   func(checkout.Store) checkout.Store // set by controls
	retried bool                                // callers try again before the primary is lost
}

func (w waits) run(tb testing.TB, o suite.Options) (result suite.Result) {
	tb.Helper()
	rounds := o.Times(1, 10)
	each(tb, rounds, 1, func(tb testing.TB, n int) {
		h := w.round(tb, o.Seed+uint64(n))
		result.Tally.Add(oracle.Check(tb, h, oracle.Options{}).Tally)
		for _, op := range h.Operations {
			if op.Return.Outcome == history.Unknown {
				result.Runs++
			}
		}
	})
	return result
}

func (w waits) round(tb testing.TB, seed uint64) history.History {
	tb.Helper()
	now := clock.At(time.Date(2026, time.November, 22, 7, 31, 56, 0, time.UTC))
	servers := startPair(tb, true)
	store := servers.open()
	wrapped := store
	if w.store != nil {
		wrapped = w.store(store)
	}
	checkouts, err := checkout.New(wrapped, checkout.Config{Clock: now})
	if err != nil {
		tb.Fatal(err)
	}
	plan := workload.Plan{Seed: seed, Name: "waits", Keys: 6, Clock: now}
	recorder := history.New(history.Header{Test: tb.Name(), Store: string(stores.Postgres), Seed: seed}, now)
	client := recorder.Client("caller", checkouts)
	account := plan.Accounts()[0]
	create := func(key int) checkout.Session { // the history has its outcome
		session, _, _ := client.Create(tb.Context(), plan.Request(account, key))
		return session
	}
	begun, due := create(0), create(2)
	servers.detach()

	const waiting = "from pg_stat_activity where wait_event = 'SyncRep' and application_name = '" + faulty + "'"
	during := func(call func(), end func()) {
		var done sync.WaitGroup
		done.Go(call)
		await(tb, servers.primary.URL(), "select exists (select "+waiting+")")
		end()
		done.Wait()
	}
	cancel := func() { execute(tb, servers.primary.URL(), "select pg_cancel_backend(pid) "+waiting) }
	terminate := func() { execute(tb, servers.primary.URL(), "select pg_terminate_backend(pid) "+waiting) }
	during(func() { create(3) }, cancel)
	during(func() { create(4) }, terminate)
	during(func() { client.Begin(tb.Context(), account, begun.ID, "pay_1") }, cancel)
	now.Set(due.ExpiresAt)
	during(func() { client.ExpireDue(tb.Context(), 1) }, cancel)
	during(func() { create(5) }, servers.proxy.Hangup) // pgx may then ask the server to cancel
	if w.retried {
		var done sync.WaitGroup
		for key := 3; key <= 5; key++ {
			done.Go(func() { create(key) })
		}
		done.Wait()
	}
	servers.failOver()

	sound, err := checkout.New(servers.open(), checkout.Config{Clock: now})
	if err != nil {
		tb.Fatal(err)
	}
	plan.FeedTime = workload.FeedTime
	workload.Settle(tb.Context(), plan, recorder, sound)
	return recorder.History()
}
