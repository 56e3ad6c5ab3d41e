package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"testing"
	"time"

	"github.com/matryer/is"
	modernc "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/store/sqlite"
)

// shop is a host that has a table of orders in the database of the store. Each order refers to a session.
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

// begin begins a transaction. If the test does not end it, it is rolled back when the test ends.
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
	t.Run("commits a session together with the host's own row", func(t *testing.T) {
		is := is.New(t)
		shop := newShop(t, hostDSN(newPath(t)))
		tx := shop.begin(t)
		session := create(t, shop.store.WithTx(tx), newSession(t))
		_, err := tx.Exec("INSERT INTO orders VALUES (?)", session.ID)
		is.NoErr(err)
		wantStored(t, shop.store.WithTx(tx), session) // the transaction itself sees the session
		wantAbsent(t, shop.store, session)            // nobody else sees it before the commit
		is.NoErr(tx.Commit())
		wantStored(t, shop.store, session)
		is.Equal(shop.orders(t), 1)
	})
	t.Run("rolls back a session together with the host's own row, and frees its key", func(t *testing.T) {
		is := is.New(t)
		shop := newShop(t, hostDSN(newPath(t)))
		tx := shop.begin(t)
		session := create(t, shop.store.WithTx(tx), newSession(t))
		_, err := tx.Exec("INSERT INTO orders VALUES (?)", session.ID)
		is.NoErr(err)
		is.NoErr(tx.Rollback())
		wantAbsent(t, shop.store, session)
		is.Equal(shop.orders(t), 0)
		wantStored(t, shop.store, create(t, shop.store, session)) // the rollback has removed the new account too
	})
	t.Run("rolls back updates and expiries too", func(t *testing.T) {
		is := is.New(t)
		shop := newShop(t, hostDSN(newPath(t)))
		first, second := create(t, shop.store, newSession(t)), create(t, shop.store, newSession(t))
		tx := shop.begin(t)
		is.NoErr(shop.store.WithTx(tx).Update(t.Context(), nextVersion(first)))
		expired, err := shop.store.WithTx(tx).Expire(t.Context(), second.ExpiresAt, 10)
		is.NoErr(err)
		is.Equal(len(expired), 2)
		is.NoErr(tx.Rollback())
		wantStored(t, shop.store, first)
		wantStored(t, shop.store, second)
	})
	t.Run("can go on after ErrNotFound, ErrConflict and an ID that is taken", func(t *testing.T) {
		is := is.New(t)
		shop := newShop(t, hostDSN(newPath(t)))
		session := create(t, shop.store, newSession(t))
		tx := shop.begin(t)
		s := shop.store.WithTx(tx)
		_, err := s.Get(t.Context(), merchant, "cs_none")
		is.True(errors.Is(err, checkout.ErrNotFound))
		is.True(errors.Is(s.Update(t.Context(), session), checkout.ErrConflict))
		sameID := newSession(t)
		sameID.ID = session.ID
		_, _, err = s.Create(t.Context(), sameID)
		is.True(err != nil)
		held, created, err := s.Create(t.Context(), session)
		is.NoErr(err)
		is.True(!created)
		is.Equal(held, session)
		other := create(t, s, newSession(t))
		is.NoErr(tx.Commit())
		wantStored(t, shop.store, other)
		wantAbsent(t, shop.store, checkout.Session{Account: merchant, ID: "cs_none", IdempotencyKey: sameID.IdempotencyKey})
	})
	t.Run("returns an error in which errors.As finds SQLite's own error", func(t *testing.T) {
		is := is.New(t)
		shop := newShop(t, hostDSN(newPath(t), "_txlock", "deferred"))
		session := create(t, shop.store, newSession(t))
		tx := shop.begin(t)
		wantStored(t, shop.store.WithTx(tx), session) // the transaction reads, so it has a snapshot
		create(t, shop.store, newSession(t))          // another write makes the snapshot out of date
		_, _, err := shop.store.WithTx(tx).Create(t.Context(), newSession(t))
		is.True(errors.Is(err, checkout.ErrUnavailable))
		var own *modernc.Error
		is.True(errors.As(err, &own))
		is.Equal(own.Code(), sqlite3.SQLITE_BUSY_SNAPSHOT)
		is.Equal(own.Code(), 517) // the number in the documentation of WithTx
	})
	t.Run("waits for the write lock if the transaction begins with a write", func(t *testing.T) {
		is := is.New(t)
		shop := newShop(t, hostDSN(newPath(t), "_txlock", "deferred"))
		writing := shop.begin(t)
		create(t, shop.store.WithTx(writing), newSession(t)) // this transaction holds the write lock
		waiting := shop.begin(t)
		begun, done := make(chan struct{}), make(chan error)
		session := newSession(t)
		go func() {
			close(begun)
			_, _, err := shop.store.WithTx(waiting).Create(t.Context(), session)
			done <- err
		}()
		<-begun
		select {
		case err := <-done:
			t.Fatalf("Create did not wait for the write lock: %v", err)
		case <-time.After(50 * time.Millisecond): // a Create that does not wait would have returned by now
		}
		is.NoErr(writing.Commit())
		is.NoErr(<-done)
		is.NoErr(waiting.Commit())
		wantStored(t, shop.store, session)
	})
	t.Run("returns sql.ErrTxDone, not ErrUnavailable, after the host has ended the transaction", func(t *testing.T) {
		is := is.New(t)
		shop := newShop(t, hostDSN(newPath(t)))
		tx := shop.begin(t)
		is.NoErr(tx.Rollback())
		_, _, err := shop.store.WithTx(tx).Create(t.Context(), newSession(t))
		is.True(errors.Is(err, sql.ErrTxDone))
		is.True(!errors.Is(err, checkout.ErrUnavailable)) // a retry cannot succeed
	})
	t.Run("returns the context's own error", func(t *testing.T) {
		is := is.New(t)
		shop := newShop(t, hostDSN(newPath(t)))
		tx := shop.begin(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, _, err := shop.store.WithTx(tx).Create(ctx, newSession(t))
		is.True(errors.Is(err, context.Canceled))
	})
	t.Run("returns ErrUnavailable after the store was closed", func(t *testing.T) {
		is := is.New(t)
		shop := newShop(t, hostDSN(newPath(t)))
		session := create(t, shop.store, newSession(t))
		tx := shop.begin(t)
		is.NoErr(shop.store.Close())
		wantUnavailable(t, shop.store.WithTx(tx), session)
	})
}
