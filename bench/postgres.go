package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"time"

	"github.com/caisse/checkout/store/postgres"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// The names of the contenders on PostgreSQL.
const (
	twoInstances = "two instances of the store"
	rowByRow     = "the store's row-by-row path, a transaction per call"
	pgbenchName  = "pgbench, the same insert per transaction"
)

// rowByRowConnections is the size of the pool where each call has a transaction and a connection of its own.
const rowByRowConnections = 64

// pgbenchClients are the numbers of clients that pgbench is run with. The best result counts.
var pgbenchClients = []int{1, 16, 64, 128}

// postgresContenders write to one table of one server.
func postgresContenders(opts options, server string) ([]contender, error) {
	pgbench, err := newPgbench(server)
	if err != nil {
		return nil, err
	}
	var contenders []contender
	add := func(name string, callers int, round func(context.Context, time.Duration) (sample, error)) {
		contenders = append(contenders, contender{name, callers, func(ctx context.Context, d time.Duration) (sample, error) {
			if err := emptyTable(ctx, server); err != nil {
				return sample{}, err
			}
			return round(ctx, d)
		}})
	}
	for _, clients := range pgbenchClients {
		add(pgbenchName, clients, func(ctx context.Context, d time.Duration) (sample, error) { return pgbench.run(ctx, clients, d) })
	}
	for _, work := range []struct {
		name    string
		callers int
	}{
		{storeName, 1}, {storeName, 16}, {storeName, 64}, {storeName, 256},
		{twoInstances, 16}, {twoInstances, 64}, {twoInstances, 256},
		{rowByRow, 1}, {rowByRow, 64}, {rowByRow, 256},
	} {
		task := working{URL: server, Callers: work.callers, RowByRow: work.name == rowByRow, Profile: opts.profileOf(work.name, work.callers)}
		instances := 1
		if work.name == twoInstances {
			instances, task.Callers = 2, work.callers/2
		}
		add(work.name, work.callers, func(ctx context.Context, d time.Duration) (sample, error) {
			return workers(ctx, task, instances, d)
		})
	}
	return contenders, nil
}

// bestPgbench returns the result of pgbench with the best number of clients.
func bestPgbench(results []result) result {
	var all []result
	for _, clients := range pgbenchClients {
		all = append(all, find(results, pgbenchName, clients))
	}
	return slices.MaxFunc(all, func(a, b result) int { return int(a.rate() - b.rate()) })
}

// working is the task of an instance: a process with a store and its pool.
type working struct {
	URL      string        `json:"url"`
	Callers  int           `json:"callers"`
	Duration time.Duration `json:"duration_ns"`
	RowByRow bool          `json:"row_by_row"`
	Profile  string        `json:"profile"` // the file for a processor profile, or ""
}

// workers runs instances that create sessions at the same time, and adds their results.
func workers(ctx context.Context, task working, instances int, d time.Duration) (sample, error) {
	task.Duration = d
	children := make([]*child, instances)
	for i := range children {
		c, err := spawn(ctx, "postgres", task, &struct{}{})
		if err != nil {
			return sample{}, err
		}
		defer c.kill()
		children[i] = c
	}
	for _, c := range children {
		if err := c.begin(); err != nil {
			return sample{}, err
		}
	}
	var took histogram
	sum := tally{Elapsed: d}
	for _, c := range children {
		var t tally
		if err := c.finish(&t); err != nil {
			return sample{}, err
		}
		took.addSparse(t.Took)
		sum.Calls, sum.All, sum.CPU = sum.Calls+t.Calls, sum.All+t.All, sum.CPU+t.CPU
		sum.Elapsed = max(sum.Elapsed, t.Elapsed)
	}
	sum.Took = took.sparse()
	return sum.sample(), nil
}

// workPostgres runs in the process of an instance.
func workPostgres(ctx context.Context, p parent) error {
	var task working
	if err := p.task(&task); err != nil {
		return err
	}
	create, closeStore, err := newPostgresCall(ctx, task)
	if err != nil {
		return err
	}
	defer closeStore()
	if err := create(ctx); err != nil { // opens a connection
		return err
	}
	if err := p.ready(struct{}{}); err != nil {
		return err
	}
	stopProfile, err := startProfile(task.Profile)
	if err != nil {
		return err
	}
	t, err := drive(ctx, task.Callers, usually(task.Duration), task.Duration, same(create))
	if err = errors.Join(err, stopProfile()); err != nil {
		return err
	}
	return p.out.Encode(t)
}

func newPostgresCall(ctx context.Context, task working) (create call, closeStore func(), err error) {
	if task.RowByRow {
		return newRowByRow(ctx, task.URL)
	}
	store, err := postgres.Open(ctx, task.URL)
	if err != nil {
		return nil, nil, err
	}
	checkouts, err := newCheckouts(store)
	return func(ctx context.Context) error {
		_, _, err := checkouts.Create(ctx, params())
		return err
	}, func() { store.Close() }, err
}

// newRowByRow creates each session in a transaction of its own, like a host that commits its own rows with it.
func newRowByRow(ctx context.Context, server string) (create call, closePool func(), err error) {
	config, err := pgxpool.ParseConfig(server)
	if err != nil {
		return nil, nil, err
	}
	config.MaxConns = rowByRowConnections
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, nil, err
	}
	store, err := postgres.New(pool)
	if err != nil {
		return nil, nil, err
	}
	checkouts, err := newCheckouts(store)
	return func(ctx context.Context) error {
		return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
			_, _, err := checkouts.WithStore(store.WithTx(tx)).Create(ctx, params())
			return err
		})
	}, pool.Close, err
}

// emptyTable empties the table of sessions, so that every round starts with an empty one.
func emptyTable(ctx context.Context, server string) error {
	return execute(ctx, server, "TRUNCATE checkout_sessions", "CHECKPOINT")
}

// withSchema is inSchema with the store's tables.
func withSchema(ctx context.Context, server string, f func(server string) error) (err error) {
	return inSchema(ctx, server, func(server string) error {
		store, err := postgres.Open(ctx, server)
		if err != nil {
			return err
		}
		if err := store.Close(); err != nil {
			return err
		}
		return f(server)
	})
}

// inSchema makes a schema on the server, calls f with a URL whose search_path is this schema, and drops the schema.
func inSchema(ctx context.Context, server string, f func(server string) error) (err error) {
	schema := fmt.Sprintf("checkout_bench_%d", os.Getpid())
	if err := execute(ctx, server, "CREATE SCHEMA "+schema); err != nil {
		return err
	}
	defer func() {
		dropped := execute(context.WithoutCancel(ctx), server, "DROP SCHEMA "+schema+" CASCADE")
		if err == nil {
			err = dropped
		}
	}()
	there, err := url.Parse(server)
	if err != nil {
		return err
	}
	query := there.Query()
	query.Set("options", "-csearch_path="+schema) // pgbench uses libpq, which has no parameter search_path
	there.RawQuery = query.Encode()
	return f(there.String())
}

func execute(ctx context.Context, server string, statements ...string) error {
	conn, err := pgx.Connect(ctx, server)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	for _, statement := range statements {
		if _, err := conn.Exec(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	return nil
}
