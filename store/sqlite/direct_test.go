package sqlite_test

import (
	"database/sql/driver"
	"errors"
	"sync"
	"testing"

	"github.com/matryer/is"
	modernc "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/idempotency"
)

// triggered has SQLite run a statement after each insert of a session whose description is "odd".
func triggered(tb testing.TB, path, statement string) {
	tb.Helper()
	_, err := hostPool(tb, hostDSN(path)).Exec("CREATE TRIGGER odd AFTER INSERT ON checkout_sessions WHEN new.description = 'odd' BEGIN " +
		statement + "; END")
	is.New(tb).NoErr(err)
}

// registerPanics gives connections that are opened from now on a function that panics.
var registerPanics = sync.OnceFunc(func() {
	modernc.MustRegisterScalarFunction("checkout_test_panics", 0, func(*modernc.FunctionContext, []driver.Value) (driver.Value, error) {
		panic("boom")
	})
})

// Most sessions are inserted without the columns in which they are alike, so each of those must be looked at alone.
func TestEveryFieldIsKept(t *testing.T) {
	for name, change := range map[string]func(*checkout.Session){
		"none":            func(*checkout.Session) {},
		"status":          func(s *checkout.Session) { s.Status = checkout.StatusPending },
		"version":         func(s *checkout.Session) { s.Version = 7 },
		"late":            func(s *checkout.Session) { s.Late = true },
		"amount":          func(s *checkout.Session) { s.Amount = 1 },
		"transaction fee": func(s *checkout.Session) { s.TransactionFee = 1 },
		"currency":        func(s *checkout.Session) { s.Currency = "EUR" },
		"payment method":  func(s *checkout.Session) { s.PaymentMethod = checkout.Card },
		"phone":           func(s *checkout.Session) { s.UserPhone = "" },
		"payment":         func(s *checkout.Session) { s.PaymentID = "pay_1" },
		"customer":        func(s *checkout.Session) { s.CustomerID = "cus_1" },
		"description":     func(s *checkout.Session) { s.Description = "" },
		"success URL":     func(s *checkout.Session) { s.SuccessURL = "https://shop.example/thanks" },
		"cancel URL":      func(s *checkout.Session) { s.CancelURL = "https://shop.example/cart" },
		"failure reason":  func(s *checkout.Session) { s.FailureReason = "refused" },
		"completed":       func(s *checkout.Session) { s.CompletedAt = s.CreatedAt },
		"fingerprint":     func(s *checkout.Session) { s.Fingerprint = idempotency.Fingerprint{} },
		"key":             func(s *checkout.Session) { s.IdempotencyKey = "" },
		"test mode":       func(s *checkout.Session) { s.Account.Test = true },
	} {
		t.Run(name, func(t *testing.T) {
			session := fresh(t)
			change(&session)
			for _, s := range []checkout.Store{open(t, newPath(t)), migrated(t, hostPool(t, hostDSN(newPath(t))))} {
				create(t, s, session)
				kept(t, s, session)
			}
		})
	}
}

func TestInsertionsOfOpen(t *testing.T) {
	t.Run("a row that SQLite refuses fails alone", func(t *testing.T) {
		is := is.New(t)
		path := newPath(t)
		s := open(t, path)
		triggered(t, path, "SELECT RAISE(ABORT, 'odd')")

		const callers, each = 16, 20
		var wg sync.WaitGroup
		for caller := range callers {
			wg.Go(func() {
				for n := range each {
					session := fresh(t)
					if (caller+n)%3 > 0 {
						kept(t, s, create(t, s, session))
						continue
					}
					session.Description = "odd"
					_, created, err := s.Create(t.Context(), session)
					is.True(!created)
					fails(t, err, sqlite3.SQLITE_CONSTRAINT, nil)
					absent(t, s, session)
				}
			})
		}
		wg.Wait()
		is.NoErr(s.Close())
		sound(t, path)
	})
	t.Run("a statement goes on when another has changed the schema", func(t *testing.T) {
		is := is.New(t)
		path := newPath(t)
		s := open(t, path)
		kept(t, s, create(t, s, fresh(t)))
		_, err := hostPool(t, hostDSN(path)).Exec("ALTER TABLE checkout_sessions ADD COLUMN note TEXT DEFAULT 'none'")
		is.NoErr(err)
		kept(t, s, create(t, s, fresh(t)))
	})
	t.Run("a panic of the driver's is an unknown outcome, and the end of the store, but holds nobody up", func(t *testing.T) {
		is := is.New(t)
		registerPanics()
		path := newPath(t)
		before := create(t, open(t, path), fresh(t))
		triggered(t, path, "SELECT checkout_test_panics()")
		s := open(t, path)
		kept(t, s, create(t, s, fresh(t)))

		session := fresh(t)
		session.Description = "odd"
		_, created, err := s.Create(t.Context(), session)
		is.True(!created)
		is.True(errors.Is(err, checkout.ErrOutcomeUnknown))
		unavailable(t, s, fresh(t))
		_ = s.Close() // the connection may be past closing; that it returns is what counts

		again := open(t, path)
		kept(t, again, before)
		absent(t, again, session)
		kept(t, again, create(t, again, fresh(t)))
		sound(t, path)
	})
}
