package sqlite_test

import (
	"database/sql/driver"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/matryer/is"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/store/sqlite"
	"github.com/caisse/checkout/store/storetest"
)

func TestStore(t *testing.T) {
	t.Run("of Open", func(t *testing.T) {
		storetest.Run(t, func(t *testing.T) checkout.Store { return open(t, newPath(t)) })
	})
	t.Run("on a pool of the host", func(t *testing.T) {
		storetest.Run(t, func(t *testing.T) checkout.Store { return migrated(t, hostPool(t, hostDSN(newPath(t)))) })
	})
	t.Run("on a pool with a rollback journal and deferred transactions", func(t *testing.T) {
		storetest.Run(t, func(t *testing.T) checkout.Store {
			return migrated(t, hostPool(t, hostDSN(newPath(t), "_journal_mode", "DELETE", "_txlock", "deferred")))
		})
	})
	t.Run("in memory", func(t *testing.T) {
		storetest.Run(t, func(t *testing.T) checkout.Store {
			db := hostPool(t, ":memory:")
			db.SetMaxOpenConns(1)
			return migrated(t, db)
		})
	})
	t.Run("as two stores on one file, one of them on the host's pool", func(t *testing.T) {
		storetest.Run(t, func(t *testing.T) checkout.Store {
			path := newPath(t)
			return &alternating{stores: [2]checkout.Store{open(t, path), migrated(t, hostPool(t, hostDSN(path)))}}
		})
	})
	t.Run("within a transaction of the host", func(t *testing.T) {
		storetest.Run(t, func(t *testing.T) checkout.Store {
			// SQLite's lock is not fair: if many callers wait for it, one of them may wait for a long time.
			db := hostPool(t, hostDSN(newPath(t), "_busy_timeout", "60000"))
			return &transactional{migrated(t, db), db}
		})
	})
}

// TestReopening proves that an idempotency key still names its session after a restart. Otherwise a client's retry would create a
// second payment.
func TestReopening(t *testing.T) {
	is := is.New(t)
	path := newPath(t)
	first := open(t, path)
	session := create(t, first, newSession(t))
	is.NoErr(first.Close())
	second := open(t, path)
	wantStored(t, second, session)
	again := newSession(t)
	again.IdempotencyKey = session.IdempotencyKey
	held, created, err := second.Create(t.Context(), again)
	is.NoErr(err)
	is.True(!created)       // the key is still in use after the restart
	is.Equal(held, session) // it names the same session
}

func TestClose(t *testing.T) {
	t.Run("leaves only the database file behind", func(t *testing.T) {
		is := is.New(t)
		path := newPath(t)
		s := open(t, path)
		create(t, s, newSession(t))
		is.NoErr(s.Close())
		for _, more := range []string{"-wal", "-shm", "-journal"} {
			_, err := os.Stat(path + more)
			is.True(errors.Is(err, os.ErrNotExist)) // Close has moved the log into the database file
		}
	})
	t.Run("returns no error the second time", func(t *testing.T) {
		is := is.New(t)
		s := open(t, newPath(t))
		is.NoErr(s.Close())
		is.NoErr(s.Close())
	})
	for name, make := range map[string]func(t *testing.T) *sqlite.Store{
		"an opened store": func(t *testing.T) *sqlite.Store { return open(t, newPath(t)) },
		"a host's store":  func(t *testing.T) *sqlite.Store { return migrated(t, hostPool(t, hostDSN(newPath(t)))) },
	} {
		t.Run("makes every later call to "+name+" fail with ErrUnavailable", func(t *testing.T) {
			is := is.New(t)
			s := make(t)
			session := create(t, s, newSession(t))
			is.NoErr(s.Close())
			wantUnavailable(t, s, session)
		})
	}
	t.Run("leaves the host's pool open", func(t *testing.T) {
		is := is.New(t)
		db := hostPool(t, hostDSN(newPath(t)))
		s := migrated(t, db)
		session := create(t, s, newSession(t))
		is.NoErr(s.Close())
		again, err := sqlite.New(db)
		is.NoErr(err)
		wantStored(t, again, session)
	})
	t.Run("waits for a write that is under way, which succeeds", func(t *testing.T) {
		is := is.New(t)
		path := newPath(t)
		db, faults := faultyPool(t, path)
		s := migrated(t, db)
		committing, goOn := make(chan struct{}), make(chan struct{})
		faults.commit = func(tx driver.Tx) error {
			close(committing)
			<-goOn
			return tx.Commit()
		}
		session := newSession(t)
		created := make(chan error)
		go func() {
			_, _, err := s.Create(t.Context(), session)
			created <- err
		}()
		<-committing
		closed := make(chan error)
		go func() { closed <- s.Close() }()
		select {
		case <-closed:
			t.Fatal("Close did not wait")
		case <-time.After(50 * time.Millisecond): // a Close that does not wait would have returned by now
		}
		close(goOn)
		is.NoErr(<-created)
		is.NoErr(<-closed)
		wantStored(t, open(t, path), session)
	})
	t.Run("loses no acknowledged session, and stores none that was refused", func(t *testing.T) {
		is := is.New(t)
		path := newPath(t)
		s := open(t, path)
		const callers = 32
		results := make(chan result, callers)
		for range callers {
			session := newSession(t)
			go func() {
				_, created, err := s.Create(t.Context(), session)
				results <- result{session, created, err}
			}()
		}
		all := []result{<-results}
		is.NoErr(s.Close())
		for range callers - 1 {
			all = append(all, <-results)
		}
		reopened := open(t, path)
		for _, r := range all {
			if r.err == nil {
				is.True(r.created)
				wantStored(t, reopened, r.session)
				continue
			}
			is.True(errors.Is(r.err, checkout.ErrUnavailable)) // the call came after Close
			wantAbsent(t, reopened, r.session)
		}
	})
}

// result is what one call of Create has returned.
type result struct {
	session checkout.Session
	created bool
	err     error
}

// wantUnavailable checks that every method of the store returns ErrUnavailable, and not ErrNotFound or ErrOutcomeUnknown.
func wantUnavailable(t *testing.T, s checkout.Store, session checkout.Session) {
	t.Helper()
	is := is.New(t)
	is.Helper()
	_, created, err := s.Create(t.Context(), newSession(t))
	is.True(!created)
	errs := []error{err}
	_, err = s.Get(t.Context(), session.Account, session.ID)
	errs = append(errs, err)
	_, err = s.GetByKey(t.Context(), session.Account, session.IdempotencyKey)
	errs = append(errs, err, s.Update(t.Context(), nextVersion(session)))
	_, _, err = s.List(t.Context(), session.Account, checkout.Query{Limit: 100})
	errs = append(errs, err)
	_, err = s.Expire(t.Context(), session.ExpiresAt, 10)
	errs = append(errs, err)
	_, err = s.Events(t.Context(), "", 10)
	errs = append(errs, err)
	_, err = s.History(t.Context(), session.Account, session.ID)
	errs = append(errs, err)
	_, err = s.Prune(t.Context(), session.ExpiresAt, 10)
	for _, err := range append(errs, err) {
		is.True(errors.Is(err, checkout.ErrUnavailable))
		is.True(!errors.Is(err, checkout.ErrNotFound) && !errors.Is(err, checkout.ErrOutcomeUnknown))
		is.True(strings.HasPrefix(err.Error(), "sqlite: "))
	}
}

// nextVersion returns the session's next version, which is pending.
func nextVersion(session checkout.Session) checkout.Session {
	session.Status, session.PaymentID, session.Version = checkout.StatusPending, "ORDER_123", session.Version+1
	return session
}
