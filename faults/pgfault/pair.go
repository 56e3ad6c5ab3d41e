package pgfault

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/faults/pgfault/proxy"
	"github.com/caisse/checkout/faults/stores"
	"github.com/caisse/checkout/faults/trial"
	"github.com/caisse/checkout/internal/pgtest"
)

// pair is a primary behind a proxy, and its standby.
type pair struct {
	tb               testing.TB
	primary, standby *pgtest.Cluster
	proxy            *proxy.Proxy
}

// faulty is the application_name of a pair's stores.
const faulty = "faulty"

// startPair starts a primary and its standby. If synchronous is true, a commit waits until the standby has it. The servers do not flush:
// this package kills processes but does not cut the power, so the system keeps everything that was written.
func startPair(tb testing.TB, synchronous bool) *pair {
	tb.Helper()
	primary := pgtest.Start(tb, "fsync=off")
	p := &pair{tb: tb, primary: primary, standby: primary.Standby(tb), proxy: proxy.Start(tb, primary.Address())}
	if synchronous {
		primary.WaitForStandby(tb, true)
	}
	return p
}

// open opens a store on the server of the pair that takes writes. It is closed when the test ends.
func (p *pair) open() checkout.Store {
	p.tb.Helper()
	url := fmt.Sprintf("postgres://postgres@%s,%s/postgres?sslmode=disable&target_session_attrs=read-write&application_name=%s",
		p.proxy.Address(), p.standby.Address(), faulty)
	store := open(p.tb, url)
	p.tb.Cleanup(p.proxy.Hangup) // otherwise closing the store waits for a machine that has vanished
	return store
}

// open opens a store. It is closed when the test ends.
func open(tb testing.TB, url string) stores.Store {
	tb.Helper()
	store, err := stores.Place{Kind: stores.Postgres, Address: url}.Open(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { store.Close() })
	return store
}

// detach disconnects the standby from the primary.
func (p *pair) detach() {
	p.tb.Helper()
	execute(p.tb, p.standby.URL(), "alter system set primary_conninfo = ''")
	execute(p.tb, p.standby.URL(), "select pg_reload_conf()")
	await(p.tb, p.primary.URL(), "select not exists (select from pg_stat_replication)")
}

// failOver kills the primary and promotes the standby.
func (p *pair) failOver() {
	p.tb.Helper()
	p.primary.Crash(p.tb)
	p.standby.Promote(p.tb)
}

func execute(tb testing.TB, url, sql string) {
	tb.Helper()
	conn, err := pgx.Connect(tb.Context(), url)
	if err != nil {
		tb.Fatal(err)
	}
	defer conn.Close(tb.Context())
	if _, err := conn.Exec(tb.Context(), sql); err != nil {
		tb.Fatalf("%s: %v", sql, err)
	}
}

// await repeats a query until it returns true. It fails the test after a minute.
func await(tb testing.TB, url, sql string) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), time.Minute)
	defer cancel()
	if err := asked(ctx, url, sql); err != nil {
		tb.Fatalf("%s: %v", sql, err)
	}
}

// asked repeats a query until it returns true. It returns an error if the query fails or ctx ends.
func asked(ctx context.Context, url, sql string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	for done := false; !done; time.Sleep(time.Millisecond) {
		if err := conn.QueryRow(ctx, sql).Scan(&done); err != nil {
			return err
		}
	}
	return nil
}

// each makes rounds, at most atOnce of them at the same time. The cleanups of a round run at its end.
func each(tb testing.TB, rounds, atOnce int, f func(tb testing.TB, n int)) {
	tb.Helper()
	reports := make([]trial.Report, rounds)
	slots := make(chan struct{}, atOnce)
	var done sync.WaitGroup
	for n := range rounds {
		slots <- struct{}{}
		if tb.Failed() {
			break
		}
		done.Go(func() {
			defer func() { <-slots }()
			reports[n] = trial.Run(tb.Context(), tb.Name(), func(tb testing.TB) { f(tb, n) })
			if reports[n].Failed {
				tb.Errorf("round %d:\n%s", n, reports[n].Log)
			}
		})
	}
	done.Wait()
	for _, report := range reports {
		if report.Skipped {
			tb.Skip(report.Log)
		}
	}
}
