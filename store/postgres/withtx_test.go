package postgres_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/internal/pgtest"
	"github.com/caisse/checkout/store/postgres"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/matryer/is"
)

// TestWithTx proves that everything that a store of WithTx does commits or rolls back with the host's transaction.
func TestWithTx(t *testing.T) {
	setUp := func(t *testing.T) (*postgres.Store, *pgxpool.Pool) {
		t.Helper()
		url := pgtest.URL(t)
		store, pool := openURL(t, url), connect(t, url)
		exec(t, pool, "create table orders (id text primary key, session_id text)")
		return store, pool
	}
	// order writes a row of the host and a session for it in one transaction, and returns the transaction.
	order := func(t *testing.T, store *postgres.Store, pool *pgxpool.Pool, s checkout.Session) pgx.Tx {
		t.Helper()
		is := is.New(t)
		tx := begin(t, pool)
		t.Cleanup(func() { tx.Rollback(context.WithoutCancel(t.Context())) })
		held, created, err := store.WithTx(tx).Create(t.Context(), s)
		is.NoErr(err)
		is.True(created)
		is.Equal(held, s)
		_, err = tx.Exec(t.Context(), "insert into orders values ('order_1', $1)", held.ID)
		is.NoErr(err)
		return tx
	}

	t.Run("commits together with the host's own row", func(t *testing.T) {
		is := is.New(t)
		store, pool := setUp(t)
		s := newSession()
		tx := order(t, store, pool, s)
		_, err := store.Get(t.Context(), s.Account, s.ID)
		is.Equal(err, checkout.ErrNotFound) // it is not committed yet
		inside, err := store.WithTx(tx).Get(t.Context(), s.Account, s.ID)
		is.NoErr(err)
		is.Equal(inside, s)
		is.NoErr(tx.Commit(t.Context()))
		got, err := store.GetByKey(t.Context(), s.Account, s.IdempotencyKey)
		is.NoErr(err)
		is.Equal(got, s)
		is.Equal(value[string](t, pool, "select session_id from orders"), s.ID)
	})
	t.Run("rolls back together with the host's own row", func(t *testing.T) {
		is := is.New(t)
		store, pool := setUp(t)
		s := newSession()
		is.NoErr(order(t, store, pool, s).Rollback(t.Context()))
		_, err := store.Get(t.Context(), s.Account, s.ID)
		is.Equal(err, checkout.ErrNotFound)
		is.Equal(value[int](t, pool, "select count(*) from orders"), 0)
		_, created, err := store.Create(t.Context(), s) // the key is still free
		is.NoErr(err)
		is.True(created)
	})
	t.Run("updates, lists and expires in the transaction", func(t *testing.T) {
		is := is.New(t)
		store, pool := setUp(t)
		s := newSession()
		tx := order(t, store, pool, s)
		in := store.WithTx(tx)
		s.Version, s.Status = 2, checkout.StatusPending
		is.NoErr(in.Update(t.Context(), s))
		is.Equal(in.Update(t.Context(), s), checkout.ErrConflict)
		s.Account.Test = true
		is.Equal(in.Update(t.Context(), s), checkout.ErrNotFound)
		s.Account.Test = false
		listed, total, err := in.List(t.Context(), s.Account, checkout.Query{Status: checkout.StatusPending, Limit: 50, At: s.CreatedAt})
		is.NoErr(err)
		is.Equal(listed, []checkout.Session{s})
		is.Equal(total, 1)
		expired, err := in.Expire(t.Context(), s.ExpiresAt, 10)
		is.NoErr(err)
		is.Equal(len(expired), 1)
		is.NoErr(tx.Rollback(t.Context()))
		_, total, err = store.List(t.Context(), s.Account, checkout.Query{Limit: 50, At: time.Now()})
		is.NoErr(err)
		is.Equal(total, 0)
	})
	t.Run("replays an existing session, and the transaction can go on", func(t *testing.T) {
		is := is.New(t)
		store, pool := setUp(t)
		first := newSession()
		_, _, err := store.Create(t.Context(), first)
		is.NoErr(err)
		tx := begin(t, pool)
		again := newSession()
		again.IdempotencyKey = first.IdempotencyKey
		held, created, err := store.WithTx(tx).Create(t.Context(), again)
		is.NoErr(err)
		is.True(!created)
		is.Equal(held, first)
		again = newSession()
		again.ID = first.ID
		_, _, err = store.WithTx(tx).Create(t.Context(), again)
		is.True(err != nil) // the id is taken, but no statement failed
		_, created, err = store.WithTx(tx).Create(t.Context(), newSession())
		is.NoErr(err)
		is.True(created)
		is.NoErr(tx.Commit(t.Context()))
	})
	t.Run("shows the host a serialization failure", func(t *testing.T) {
		for _, level := range []pgx.TxIsoLevel{pgx.RepeatableRead, pgx.Serializable} {
			is := is.New(t)
			store, pool := setUp(t)
			tx, err := pool.BeginTx(t.Context(), pgx.TxOptions{IsoLevel: level})
			is.NoErr(err)
			defer tx.Rollback(t.Context())
			_, err = tx.Exec(t.Context(), "select 1") // takes the snapshot
			is.NoErr(err)
			first := newSession()
			_, _, err = store.Create(t.Context(), first)
			is.NoErr(err)
			_, _, err = store.WithTx(tx).Create(t.Context(), first)
			var pg *pgconn.PgError
			is.True(errors.As(err, &pg))
			is.Equal(pg.Code, "40001")
		}
	})
	t.Run("refuses a session that cannot be stored, and the transaction can go on", func(t *testing.T) {
		is := is.New(t)
		store, pool := setUp(t)
		tx := order(t, store, pool, newSession())
		bad := newSession()
		bad.Description = "\x00"
		_, _, err := store.WithTx(tx).Create(t.Context(), bad)
		is.True(err != nil)
		is.True(store.WithTx(tx).Update(t.Context(), bad) != nil)
		is.NoErr(tx.Commit(t.Context()))
	})
	t.Run("reports a transaction that is over or has lost its connection", func(t *testing.T) {
		is := is.New(t)
		store, pool := setUp(t)
		tx := order(t, store, pool, newSession())
		is.NoErr(tx.Commit(t.Context()))
		_, _, err := store.WithTx(tx).Create(t.Context(), newSession())
		is.True(errors.Is(err, pgx.ErrTxClosed))
		is.Equal(kindOf(t, err), nil)

		tx = begin(t, pool)
		is.True(value[bool](t, pool, "select pg_terminate_backend($1)", int32(tx.Conn().PgConn().PID())))
		_, _, err = store.WithTx(tx).Create(t.Context(), newSession())
		is.Equal(kindOf(t, err), checkout.ErrUnavailable) // only the host commits, so nothing was written
	})
	t.Run("reports the end of the caller's context", func(t *testing.T) {
		is := is.New(t)
		store, pool := setUp(t)
		tx := order(t, store, pool, newSession())
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, _, err := store.WithTx(tx).Create(ctx, newSession())
		is.Equal(kindOf(t, err), context.Canceled)
	})
	t.Run("rolls back everything if the caller's context ends while a statement is under way", func(t *testing.T) {
		is := is.New(t)
		store, pool := setUp(t)
		locked := newSession()
		is.NoErr(lockKey(t.Context(), store, begin(t, pool), locked))
		tx := order(t, store, pool, newSession())
		ctx, cancel := context.WithCancel(t.Context())
		backend, done := tx.Conn().PgConn().PID(), make(chan error, 1)
		go func() { _, _, err := store.WithTx(tx).Create(ctx, locked); done <- err }()
		await(t, "Create to wait for the locked key", func() bool {
			return value[int](t, pool, "select count(*) from pg_stat_activity where pid = $1 and wait_event_type = 'Lock'", int32(backend)) == 1
		})
		cancel()
		is.Equal(kindOf(t, receive(t, "Create to end with its context", done)), context.Canceled)
		is.True(tx.Commit(t.Context()) != nil)
		is.Equal(value[int](t, pool, "select count(*) from orders")+value[int](t, pool, "select count(*) from checkout_sessions"), 0)
	})
}
