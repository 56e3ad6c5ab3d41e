package postgres_test

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/internal/pgtest"
	"github.com/caisse/checkout/store/postgres"
	"github.com/caisse/checkout/store/storetest"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/matryer/is"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// open opens a store on an empty schema, which is dropped at the end of the test.
func open(t testing.TB, settings ...string) *postgres.Store {
	t.Helper()
	return openURL(t, pgtest.URL(t, settings...))
}

// openURL opens a store, which is closed at the end of the test.
func openURL(t testing.TB, url string) *postgres.Store {
	t.Helper()
	is := is.New(t)
	store, err := postgres.Open(t.Context(), url)
	is.NoErr(err)
	t.Cleanup(func() { is.NoErr(store.Close()) })
	return store
}

// connect returns a pool of the test's own, beside that of the store.
func connect(t testing.TB, url string) *pgxpool.Pool {
	t.Helper()
	return connectBy(t, url, nil)
}

// connectBy returns a pool that connects with dial. If dial is nil, it connects as usual.
func connectBy(t testing.TB, url string, dial pgconn.DialFunc) *pgxpool.Pool {
	t.Helper()
	is := is.New(t)
	config, err := pgxpool.ParseConfig(url)
	is.NoErr(err)
	if dial != nil {
		config.ConnConfig.DialFunc = dial
	}
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	is.NoErr(err)
	t.Cleanup(pool.Close)
	return pool
}

// begin begins a transaction of the host. It is rolled back at the end of the test, unless the test has ended it before.
func begin(t testing.TB, pool *pgxpool.Pool) pgx.Tx {
	t.Helper()
	tx, err := pool.Begin(t.Context())
	is.New(t).NoErr(err)
	t.Cleanup(func() { tx.Rollback(context.WithoutCancel(t.Context())) })
	return tx
}

func exec(t testing.TB, pool *pgxpool.Pool, sql string) {
	t.Helper()
	if _, err := pool.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// value returns the only value of a query's only row.
func value[T any](t testing.TB, pool *pgxpool.Pool, sql string, args ...any) (v T) {
	t.Helper()
	if err := pool.QueryRow(t.Context(), sql, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

// TestStore runs the conformance suite in every mode in which pgx may send statements, and with every default isolation.
func TestStore(t *testing.T) {
	for name, settings := range map[string][]string{
		"with the defaults of Open":                    nil,
		"with exec mode, as behind a pooler":           {"default_query_exec_mode=exec", "statement_cache_capacity=0", "description_cache_capacity=0"},
		"with the simple protocol, as behind a pooler": {"default_query_exec_mode=simple_protocol"},
		"with cached descriptions":                     {"default_query_exec_mode=cache_describe"},
		"with a description for each call":             {"default_query_exec_mode=describe_exec"},
		"with REPEATABLE READ as the default":          {"default_transaction_isolation=repeatable read"},
		"with SERIALIZABLE as the default":             {"default_transaction_isolation=serializable"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := pgtest.URL(t, settings...)
			conforms(t, openURL(t, url), connect(t, url))
		})
	}
	t.Run("on the host's own pool", func(t *testing.T) {
		t.Parallel()
		is := is.New(t)
		pool := connect(t, pgtest.URL(t))
		is.NoErr(postgres.Migrate(t.Context(), pool))
		store, err := postgres.New(pool)
		is.NoErr(err)
		conforms(t, store, pool)
	})
}

// conforms runs the conformance suite on one store. It empties the tables before each check.
func conforms(t *testing.T, store checkout.Store, pool *pgxpool.Pool) {
	t.Helper()
	storetest.Run(t, func(t *testing.T) checkout.Store {
		exec(t, pool, "truncate checkout_sessions, checkout_events")
		return undisturbed{store, t, pool}
	})
}

// undisturbed is a store whose feed other tests do not delay. Before it reads the feed, it waits until the transactions of other tests on
// the same server have ended.
type undisturbed struct {
	checkout.Store
	t    testing.TB
	pool *pgxpool.Pool
}

func (u undisturbed) Events(ctx context.Context, after checkout.Cursor, limit int) ([]checkout.Event, error) {
	if ctx.Err() == nil {
		awaitTransactions(u.t, u.pool)
	}
	return u.Store.Events(ctx, after, limit)
}

// awaitTransactions waits for the end of every transaction that is under way on the server. The feed then shows every event so far.
func awaitTransactions(t testing.TB, pool *pgxpool.Pool) {
	t.Helper()
	now := value[string](t, pool, "select pg_snapshot_xmax(pg_current_snapshot())::text")
	await(t, "the transactions of other tests to end", func() bool {
		return value[bool](t, pool, "select pg_snapshot_xmin(pg_current_snapshot()) >= $1::text::xid8", now)
	})
}

func TestOpen(t *testing.T) {
	t.Run("refuses an invalid URL", func(t *testing.T) {
		_, err := postgres.Open(t.Context(), "postgres://localhost:port/")
		is.New(t).True(err != nil)
	})
	t.Run("returns ErrUnavailable if there is no server", func(t *testing.T) {
		_, err := postgres.Open(t.Context(), "postgres://127.0.0.1:1/")
		is.New(t).True(errors.Is(err, checkout.ErrUnavailable))
	})
	t.Run("ends when its context ends", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := postgres.Open(ctx, pgtest.URL(t))
		is.New(t).True(errors.Is(err, context.Canceled))
	})
}

func TestNew(t *testing.T) {
	t.Run("refuses a nil pool", func(t *testing.T) {
		_, err := postgres.New(nil)
		is.New(t).True(err != nil)
	})
	t.Run("does not create the schema", func(t *testing.T) {
		is := is.New(t)
		pool := connect(t, pgtest.URL(t))
		store, err := postgres.New(pool)
		is.NoErr(err)
		_, _, err = store.Create(t.Context(), newSession())
		is.True(err != nil) // there is no table
		for _, kind := range []error{checkout.ErrUnavailable, checkout.ErrOutcomeUnknown} {
			is.True(!errors.Is(err, kind)) // a retry would not help
		}
		is.Equal(value[int](t, pool, "select count(*) from pg_tables where schemaname = current_schema()"), 0)
	})
	t.Run("works on a pool of one connection", func(t *testing.T) {
		is := is.New(t)
		url := pgtest.URL(t, "pool_max_conns=1")
		openURL(t, url)
		store, err := postgres.New(connect(t, url))
		is.NoErr(err)
		s := newSession()
		for _, created := range []bool{true, false} { // the second call reads the session back
			_, got, err := store.Create(t.Context(), s)
			is.NoErr(err)
			is.Equal(got, created)
		}
	})
}

func TestClose(t *testing.T) {
	t.Run("closes the connections of Open, and may be called twice", func(t *testing.T) {
		is := is.New(t)
		url := pgtest.URL(t)
		store, pool := openURL(t, pgtest.With(t, url, "application_name=closing")), connect(t, url)
		const connections = "select count(*) from pg_stat_activity where application_name = 'closing'"
		_, _, err := store.Create(t.Context(), newSession())
		is.NoErr(err)
		is.True(value[int](t, pool, connections) > 0)
		is.NoErr(store.Close())
		is.NoErr(store.Close())
		await(t, "the server to see the end of the connections", func() bool { return value[int](t, pool, connections) == 0 })
		_, _, err = store.Create(t.Context(), newSession())
		is.True(errors.Is(err, checkout.ErrUnavailable))
		_, err = store.Get(t.Context(), checkout.Account{ID: "acct_1"}, "cs_1")
		is.True(errors.Is(err, checkout.ErrUnavailable))
	})
	t.Run("waits for a call that is under way, and refuses later calls", func(t *testing.T) {
		is := is.New(t)
		url := pgtest.URL(t)
		store, pool := openURL(t, url), connect(t, url)
		s := newSession()
		_, _, err := store.Create(t.Context(), s)
		is.NoErr(err)
		tx := begin(t, pool)
		_, err = tx.Exec(t.Context(), "lock table checkout_sessions")
		is.NoErr(err)
		found, closed := make(chan error, 1), make(chan error, 1)
		go func() { _, err := store.Get(t.Context(), s.Account, s.ID); found <- err }()
		await(t, "Get to wait for the locked table", func() bool {
			return value[int](t, pool, "select count(*) from pg_locks where relation = 'checkout_sessions'::regclass and not granted") == 1
		})
		go func() { closed <- store.Close() }()
		await(t, "Close to begin", func() bool {
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			_, err := store.Get(ctx, s.Account, s.ID) // before Close it waits for the locked table too
			return errors.Is(err, checkout.ErrUnavailable)
		})
		is.Equal(len(closed), 0)
		is.NoErr(tx.Rollback(t.Context()))
		is.NoErr(receive(t, "Get to end", found))
		is.NoErr(receive(t, "Close to end", closed))
	})
	t.Run("leaves no call in doubt: its session is written, or it fails with ErrUnavailable", func(t *testing.T) {
		is := is.New(t)
		url := pgtest.URL(t)
		store, pool := openURL(t, url), connect(t, url)
		sessions := newSessions(200)
		closed := make(chan error, 1)
		go func() { closed <- store.Close() }()
		for i, a := range createAtOnce(t.Context(), sessions, store) {
			there := value[int](t, pool, "select count(*) from checkout_sessions where id = $1", sessions[i].ID)
			switch kindOf(t, a.err) {
			case nil:
				is.NoErr(a.err)
				is.Equal(there, 1) // acknowledged
			default:
				is.Equal(kindOf(t, a.err), checkout.ErrUnavailable)
				is.Equal(there, 0) // a definite error: not written
			}
		}
		is.NoErr(receive(t, "Close to end", closed))
	})
	t.Run("leaves the host's pool open", func(t *testing.T) {
		is := is.New(t)
		pool := connect(t, pgtest.URL(t))
		store, err := postgres.New(pool)
		is.NoErr(err)
		is.NoErr(store.Close())
		is.NoErr(pool.Ping(t.Context()))
	})
}
