package sqlite_test

import (
	"database/sql/driver"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/matryer/is"
	modernc "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/idempotency"
)

// addTrigger makes SQLite run a statement after each insert of a session whose description is "odd".
func addTrigger(tb testing.TB, path, statement string) {
	tb.Helper()
	_, err := hostPool(tb, hostDSN(path)).Exec("CREATE TRIGGER odd AFTER INSERT ON checkout_sessions WHEN new.description = 'odd' BEGIN " +
		statement + "; END")
	is.New(tb).NoErr(err)
}

// registerPanics adds an SQL function that panics to all connections that are opened from now on.
var registerPanics = sync.OnceFunc(func() {
	modernc.MustRegisterScalarFunction("checkout_test_panics", 0, func(*modernc.FunctionContext, []driver.Value) (driver.Value, error) {
		panic("boom")
	})
})

// TestEveryFieldIsKept changes one field at a time. Most sessions are inserted by a statement that leaves out the columns in which they
// have the usual value. If that statement were chosen for a session with an unusual value, this value would be lost.
func TestEveryFieldIsKept(t *testing.T) {
	for name, change := range map[string]func(*checkout.Session){
		"none":             func(*checkout.Session) {},
		"status":           func(s *checkout.Session) { s.Status = checkout.StatusPending },
		"version":          func(s *checkout.Session) { s.Version = 7 },
		"late":             func(s *checkout.Session) { s.Late = true },
		"amount":           func(s *checkout.Session) { s.Amount = 1 },
		"transaction fee":  func(s *checkout.Session) { s.TransactionFee = 1 },
		"currency":         func(s *checkout.Session) { s.Currency = "EUR" },
		"payment method":   func(s *checkout.Session) { s.PaymentMethod = checkout.Card },
		"phone":            func(s *checkout.Session) { s.UserPhone = "" },
		"payment":          func(s *checkout.Session) { s.PaymentID = "pay_1" },
		"customer":         func(s *checkout.Session) { s.CustomerID = "cus_1" },
		"client reference": func(s *checkout.Session) { s.ClientReference = "order-1" },
		"metadata":         func(s *checkout.Session) { s.Metadata = map[string]string{"table": "12"} },
		"expiry":           func(s *checkout.Session) { s.ExpiresAt = s.ExpiresAt.Add(time.Microsecond) },
		"description":      func(s *checkout.Session) { s.Description = "" },
		"success URL":      func(s *checkout.Session) { s.SuccessURL = "https://shop.example/thanks" },
		"cancel URL":       func(s *checkout.Session) { s.CancelURL = "https://shop.example/cart" },
		"failure reason":   func(s *checkout.Session) { s.FailureReason = "refused" },
		"completed":        func(s *checkout.Session) { s.CompletedAt = s.CreatedAt },
		"fingerprint":      func(s *checkout.Session) { s.Fingerprint = idempotency.Fingerprint{} },
		"key":              func(s *checkout.Session) { s.IdempotencyKey = "" },
		"test mode":        func(s *checkout.Session) { s.Account.Test = true },
	} {
		t.Run(name, func(t *testing.T) {
			session := newSession(t)
			change(&session)
			for _, s := range []checkout.Store{open(t, newPath(t)), migrated(t, hostPool(t, hostDSN(newPath(t))))} {
				create(t, s, session)
				wantStored(t, s, session)
			}
		})
	}
}

// TestInsertionsOfOpen tests inserts of a store that Open made. It runs them on the driver directly, without database/sql.
func TestInsertionsOfOpen(t *testing.T) {
	t.Run("a row that SQLite refuses does not fail the other rows of its batch", func(t *testing.T) {
		is := is.New(t)
		path := newPath(t)
		s := open(t, path)
		addTrigger(t, path, "SELECT RAISE(ABORT, 'odd')")

		const callers, each = 16, 20
		var wg sync.WaitGroup
		for caller := range callers {
			wg.Go(func() {
				for n := range each {
					session := newSession(t)
					if (caller+n)%3 > 0 {
						wantStored(t, s, create(t, s, session))
						continue
					}
					session.Description = "odd"
					_, created, err := s.Create(t.Context(), session)
					is.True(!created)
					wantError(t, err, sqlite3.SQLITE_CONSTRAINT, nil)
					wantAbsent(t, s, session)
				}
			})
		}
		wg.Wait()
		is.NoErr(s.Close())
		wantIntact(t, path)
	})
	t.Run("a prepared statement still works after somebody has changed the schema", func(t *testing.T) {
		is := is.New(t)
		path := newPath(t)
		s := open(t, path)
		wantStored(t, s, create(t, s, newSession(t)))
		_, err := hostPool(t, hostDSN(path)).Exec("ALTER TABLE checkout_sessions ADD COLUMN note TEXT DEFAULT 'none'")
		is.NoErr(err)
		wantStored(t, s, create(t, s, newSession(t)))
	})
	t.Run("a panic in the driver is an unknown outcome and stops the store, but no call hangs", func(t *testing.T) {
		is := is.New(t)
		registerPanics()
		path := newPath(t)
		before := create(t, open(t, path), newSession(t))
		addTrigger(t, path, "SELECT checkout_test_panics()")
		s := open(t, path)
		wantStored(t, s, create(t, s, newSession(t)))

		session := newSession(t)
		session.Description = "odd"
		_, created, err := s.Create(t.Context(), session)
		is.True(!created)
		is.True(errors.Is(err, checkout.ErrOutcomeUnknown))
		wantUnavailable(t, s, newSession(t))
		_ = s.Close() // Close may fail to close the connection, but it must return

		again := open(t, path)
		wantStored(t, again, before)
		wantAbsent(t, again, session)
		wantStored(t, again, create(t, again, newSession(t)))
		wantIntact(t, path)
	})
}
