package postgres_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/caisse/checkout/internal/pgtest"
	"github.com/caisse/checkout/store/postgres"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/matryer/is"
)

// TestPreparedStatements proves that the store prepares its statements again if a connection has lost them, and that they never mix with
// those of the host.
func TestPreparedStatements(t *testing.T) {
	const connections = 7 // more than the five connections that a call tries
	// setUp returns a store on a pool whose connections have all prepared the store's statements.
	setUp := func(t *testing.T) (*postgres.Store, *pgxpool.Pool) {
		t.Helper()
		is := is.New(t)
		url := pgtest.URL(t, fmt.Sprintf("pool_max_conns=%d", connections))
		openURL(t, url)
		pool := connect(t, url)
		store, err := postgres.New(pool)
		is.NoErr(err)
		onEach(t, pool, func() { mustCreate(t, store) })
		return store, pool
	}

	for _, vanish := range []string{"deallocate all", "discard all", "deallocate checkout_begin", "deallocate checkout_commit"} {
		t.Run("are prepared again after "+vanish+", without an error", func(t *testing.T) {
			is := is.New(t)
			store, pool := setUp(t)
			onEach(t, pool, func() { exec(t, pool, vanish) })
			for range connections {
				mustCreate(t, store)
			}
			is.Equal(value[int](t, pool, "select count(*) from checkout_sessions"), 2*connections)
		})
	}
	t.Run("are prepared again after the table was changed", func(t *testing.T) {
		store, pool := setUp(t)
		exec(t, pool, "alter table checkout_sessions alter column id type varchar") // INSERT returns this column
		onEach(t, pool, func() { mustCreate(t, store) })
	})
	t.Run("of pgx, which WithTx uses, are prepared again after one failed call", func(t *testing.T) {
		is := is.New(t)
		store, pool := setUp(t)
		within := func() error {
			return pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
				_, _, err := store.WithTx(tx).Create(t.Context(), newSession())
				return err
			})
		}
		onEach(t, pool, func() {
			is.NoErr(within())
			exec(t, pool, "deallocate all")
			_ = within() // here pgx finds out that its statement is gone
			is.NoErr(within())
		})
	})
	t.Run("are at most five on a connection, whatever the sizes of the batches are", func(t *testing.T) {
		is := is.New(t)
		store, pool := setUp(t)
		for n := range 20 {
			for _, a := range createAtOnce(t.Context(), newSessions(1+n), store) {
				is.NoErr(a.err)
			}
		}
		onEach(t, pool, func() { // BEGIN, SET LOCAL, COMMIT, and INSERT of one row and of many
			is.True(value[int](t, pool, "select count(*) from pg_prepared_statements where statement not like 'select%'") <= 5)
		})
	})
	t.Run("of the host stay, and the host's BEGIN and COMMIT do not use the store's", func(t *testing.T) {
		is := is.New(t)
		store, pool := setUp(t)
		onEach(t, pool, func() {
			conn, err := pool.Acquire(t.Context())
			is.NoErr(err)
			_, err = conn.Conn().Prepare(t.Context(), "hosts", "select 1")
			is.NoErr(err)
			conn.Release()
			exec(t, pool, "deallocate checkout_begin")
			exec(t, pool, "deallocate checkout_commit")
			options := pgx.TxOptions{IsoLevel: pgx.ReadCommitted} // its BEGIN has the same SQL as the store's
			is.NoErr(pgx.BeginTxFunc(t.Context(), pool, options, func(pgx.Tx) error { return nil }))
			mustCreate(t, store)
			is.Equal(value[int](t, pool, "hosts"), 1)
		})
	})
	for name, change := range map[string]func(*pgx.ConnConfig){
		"has a tracer, which would not see them": func(c *pgx.ConnConfig) { c.Tracer = new(panicTracer) },
		"uses QueryExecModeExec":                 func(c *pgx.ConnConfig) { c.DefaultQueryExecMode = pgx.QueryExecModeExec },
		"uses QueryExecModeDescribeExec":         func(c *pgx.ConnConfig) { c.DefaultQueryExecMode = pgx.QueryExecModeDescribeExec },
		"uses QueryExecModeCacheDescribe":        func(c *pgx.ConnConfig) { c.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe },
		"uses QueryExecModeSimpleProtocol":       func(c *pgx.ConnConfig) { c.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol },
	} {
		t.Run("are not used on a pool that "+name, func(t *testing.T) {
			is := is.New(t)
			url := pgtest.URL(t, "pool_max_conns=1")
			openURL(t, url)
			config, err := pgxpool.ParseConfig(url)
			is.NoErr(err)
			config.BeforeConnect = func(_ context.Context, c *pgx.ConnConfig) error { change(c); return nil }
			pool, err := pgxpool.NewWithConfig(t.Context(), config)
			is.NoErr(err)
			t.Cleanup(pool.Close)
			store, err := postgres.New(pool)
			is.NoErr(err)
			mustCreate(t, store)
			is.Equal(value[int](t, pool, "select count(*) from pg_prepared_statements where statement like 'INSERT%' and name not like 'stmtcache%'"), 0)
		})
	}
}

// mustCreate creates a session, which must not be a replay.
func mustCreate(t *testing.T, store *postgres.Store) {
	t.Helper()
	is := is.New(t)
	_, created, err := store.Create(t.Context(), newSession())
	is.NoErr(err)
	is.True(created)
}

// onEach calls f once for each connection of a pool. Meanwhile all other connections are taken, so that f gets this one.
func onEach(t *testing.T, pool *pgxpool.Pool, f func()) {
	t.Helper()
	is := is.New(t)
	conns := make([]*pgxpool.Conn, pool.Config().MaxConns)
	acquire := func(i int) {
		var err error
		conns[i], err = pool.Acquire(t.Context())
		is.NoErr(err)
	}
	for i := range conns {
		acquire(i)
		defer func() { conns[i].Release() }()
	}
	for i := range conns {
		conns[i].Release()
		f()
		acquire(i)
	}
}
