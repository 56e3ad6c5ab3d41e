package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"testing"

	"github.com/matryer/is"
	modernc "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/store/sqlite"
)

// shop is a host with a table of its own, each of whose orders has a session.
type shop struct {
	db    *sql.DB
	store *sqlite.Store
}

func newShop(tb testing.TB, dsn string) *shop {
	tb.Helper()
	db := hostPool(tb, dsn)
	s := &shop{db, migrated(tb, db)}
	if _, err := db.Exec("CREATE TABLE orders (session TEXT NOT NULL)"); err != nil {
		tb.Fatal(err)
	}
	return s
}

// begin begins a transaction that ends with the test, if not before.
func (s *shop) begin(tb testing.TB) *sql.Tx {
	tb.Helper()
	tx, err := s.db.BeginTx(tb.Context(), nil)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = tx.Rollback() })
	return tx
}

func (s *shop) orders(tb testing.TB) (n int) {
	tb.Helper()
	if err := s.db.QueryRow("SELECT count(*) FROM orders").Scan(&n); err != nil {
		tb.Fatal(err)
	}
	return n
}

func TestWithTx(t *testing.T) {
	t.Run("commits a session with the host's own row", func(t *testing.T) {
		is := is.New(t)
		shop := newShop(t, hostDSN(newPath(t)))
		tx := shop.begin(t)
		session := create(t, shop.store.WithTx(tx), fresh(t))
		_, err := tx.Exec("INSERT INTO orders VALUES (?)", session.ID)
		is.NoErr(err)
		kept(t, shop.store.WithTx(tx), session) // seen within
		absent(t, shop.store, session)          // and not without
		is.NoErr(tx.Commit())
		kept(t, shop.store, session)
		is.Equal(shop.orders(t), 1)
	})
	t.Run("rolls a session back with the host's own row, and frees its key", func(t *testing.T) {
		is := is.New(t)
		shop := newShop(t, hostDSN(newPath(t)))
		tx := shop.begin(t)
		session := create(t, shop.store.WithTx(tx), fresh(t))
		_, err := tx.Exec("INSERT INTO orders VALUES (?)", session.ID)
		is.NoErr(err)
		is.NoErr(tx.Rollback())
		absent(t, shop.store, session)
		is.Equal(shop.orders(t), 0)
		kept(t, shop.store, create(t, shop.store, session)) // also where its account was new
	})
	t.Run("rolls updates and expiries back too", func(t *testing.T) {
		is := is.New(t)
		shop := newShop(t, hostDSN(newPath(t)))
		first, second := create(t, shop.store, fresh(t)), create(t, shop.store, fresh(t))
		tx := shop.begin(t)
		is.NoErr(shop.store.WithTx(tx).Update(t.Context(), next(first)))
		expired, err := shop.store.WithTx(tx).Expire(t.Context(), second.ExpiresAt, 10)
		is.NoErr(err)
		is.Equal(len(expired), 2)
		is.NoErr(tx.Rollback())
		kept(t, shop.store, first)
		kept(t, shop.store, second)
	})
	t.Run("goes on after an answer that is no failure", func(t *testing.T) {
		is := is.New(t)
		shop := newShop(t, hostDSN(newPath(t)))
		session := create(t, shop.store, fresh(t))
		tx := shop.begin(t)
		s := shop.store.WithTx(tx)
		_, err := s.Get(t.Context(), merchant, "cs_none")
		is.True(errors.Is(err, checkout.ErrNotFound))
		is.True(errors.Is(s.Update(t.Context(), session), checkout.ErrConflict))
		thief := fresh(t)
		thief.ID = session.ID
		_, _, err = s.Create(t.Context(), thief)
		is.True(err != nil)
		held, created, err := s.Create(t.Context(), session)
		is.NoErr(err)
		is.True(!created)
		is.Equal(held, session)
		other := create(t, s, fresh(t))
		is.NoErr(tx.Commit())
		kept(t, shop.store, other)
		absent(t, shop.store, checkout.Session{Account: merchant, ID: "cs_none", IdempotencyKey: thief.IdempotencyKey})
	})
	t.Run("leaves the database's own error within reach", func(t *testing.T) {
		is := is.New(t)
		shop := newShop(t, hostDSN(newPath(t), "_txlock", "deferred"))
		session := create(t, shop.store, fresh(t))
		tx := shop.begin(t)
		kept(t, shop.store.WithTx(tx), session) // the transaction has read
		create(t, shop.store, fresh(t))         // somebody else writes
		_, _, err := shop.store.WithTx(tx).Create(t.Context(), fresh(t))
		is.True(errors.Is(err, checkout.ErrUnavailable))
		var own *modernc.Error
		is.True(errors.As(err, &own))
		is.Equal(own.Code(), sqlite3.SQLITE_BUSY_SNAPSHOT)
		is.Equal(own.Code(), 517) // as WithTx documents
	})
	t.Run("waits for the lock where the transaction begins with a write", func(t *testing.T) {
		is := is.New(t)
		shop := newShop(t, hostDSN(newPath(t), "_txlock", "deferred"))
		writing := shop.begin(t)
		create(t, shop.store.WithTx(writing), fresh(t)) // holds the lock
		waiting := shop.begin(t)
		done := make(chan error)
		session := fresh(t)
		go func() {
			_, _, err := shop.store.WithTx(waiting).Create(t.Context(), session)
			done <- err
		}()
		is.NoErr(writing.Commit())
		is.NoErr(<-done)
		is.NoErr(waiting.Commit())
		kept(t, shop.store, session)
	})
	t.Run("says nothing of the store where the host's transaction has ended", func(t *testing.T) {
		is := is.New(t)
		shop := newShop(t, hostDSN(newPath(t)))
		tx := shop.begin(t)
		is.NoErr(tx.Rollback())
		_, _, err := shop.store.WithTx(tx).Create(t.Context(), fresh(t))
		is.True(errors.Is(err, sql.ErrTxDone))
		is.True(!errors.Is(err, checkout.ErrUnavailable)) // it will not do better later
	})
	t.Run("hands out the context's own error", func(t *testing.T) {
		is := is.New(t)
		shop := newShop(t, hostDSN(newPath(t)))
		tx := shop.begin(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, _, err := shop.store.WithTx(tx).Create(ctx, fresh(t))
		is.True(errors.Is(err, context.Canceled))
	})
	t.Run("is unavailable once the store is closed", func(t *testing.T) {
		is := is.New(t)
		shop := newShop(t, hostDSN(newPath(t)))
		session := create(t, shop.store, fresh(t))
		tx := shop.begin(t)
		is.NoErr(shop.store.Close())
		unavailable(t, shop.store.WithTx(tx), session)
	})
}
