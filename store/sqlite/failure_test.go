package sqlite_test

import (
	"context"
	"database/sql/driver"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/matryer/is"
	modernc "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/store/sqlite"
)

// TestFailedCommit proves that nothing was written if the error is a definite one. Otherwise a host could believe that a session does
// not exist, and the payer could pay twice.
func TestFailedCommit(t *testing.T) {
	broken := errors.New("the disk is gone")
	for name, test := range map[string]struct {
		commit  func(tx driver.Tx) error
		written bool
	}{
		"that has written nothing":  {func(tx driver.Tx) error { return errors.Join(tx.Rollback(), broken) }, false},
		"that has written all rows": {func(tx driver.Tx) error { return errors.Join(tx.Commit(), broken) }, true},
	} {
		t.Run("a failed commit "+name+" is an unknown outcome and stops the store", func(t *testing.T) {
			path := newPath(t)
			var calls []*result
			var sessions []checkout.Session
			before := newSession(t)
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				db, faults := faultyPool(t, path)
				d := &disk{t: t, store: migrated(t, db), flushes: make(chan func(driver.Tx) error)}
				create(t, d.store, before)
				faults.commit = func(tx driver.Tx) error { return (<-d.flushes)(tx) }
				d.occupy()
				for range 10 {
					sessions = append(sessions, newSession(t))
					calls = append(calls, d.create(t.Context(), sessions[len(sessions)-1]))
				}
				d.flush(commitNormally)
				d.flush(test.commit)
				d.calls.Wait()
				for _, r := range calls {
					is.True(errors.Is(r.err, checkout.ErrOutcomeUnknown))
					is.True(!errors.Is(r.err, checkout.ErrUnavailable)) // that would be a definite error, but the rows may be written
					is.True(errors.Is(r.err, broken))
					is.Equal(r.session, checkout.Session{})
				}
				wantUnavailable(t, d.store, before)
				is.NoErr(d.store.Close())
				is.NoErr(d.store.Close())
			})
			is := is.New(t)
			again := open(t, path)
			wantStored(t, again, before)
			for _, session := range sessions { // a retry with the same key finds or creates the session
				held, created, err := again.Create(t.Context(), session)
				is.NoErr(err)
				is.Equal(created, !test.written)
				is.Equal(held, session)
			}
			wantIntact(t, path)
		})
	}
	t.Run("a commit that failed on a full disk has written nothing, and the store goes on", func(t *testing.T) {
		is := is.New(t)
		db, faults := faultyPool(t, newPath(t))
		s := migrated(t, db)
		full := limitPages(t, hostPool(t, ":memory:"), 10)
		session := newSession(t)
		faults.commit = func(tx driver.Tx) error { return errors.Join(tx.Rollback(), full) }
		_, created, err := s.Create(t.Context(), session)
		is.True(!created)
		is.True(errors.Is(err, checkout.ErrUnavailable))
		is.True(!errors.Is(err, checkout.ErrOutcomeUnknown))
		faults.commit = nil
		wantAbsent(t, s, session)
		wantStored(t, s, create(t, s, session))
	})
	t.Run("a commit that failed on a locked file has written nothing, and the store goes on", func(t *testing.T) {
		is := is.New(t)
		// With a rollback journal, a commit must wait for readers.
		dsn := hostDSN(newPath(t), "_journal_mode", "DELETE", "_busy_timeout", "0")
		s := migrated(t, hostPool(t, dsn))
		reader, err := hostPool(t, dsn).BeginTx(t.Context(), readOnly)
		is.NoErr(err)
		var n int
		is.NoErr(reader.QueryRow("SELECT count(*) FROM checkout_sessions").Scan(&n))
		session := newSession(t)
		_, created, err := s.Create(t.Context(), session)
		is.True(!created)
		wantError(t, err, sqlite3.SQLITE_BUSY, checkout.ErrUnavailable)
		is.NoErr(reader.Rollback())
		wantAbsent(t, s, session)
		wantStored(t, s, create(t, s, session))
	})
	t.Run("a panic in a commit is an unknown outcome for all its callers and stops the store", func(t *testing.T) {
		path := newPath(t)
		synctest.Test(t, func(t *testing.T) {
			is := is.New(t)
			db, faults := faultyPool(t, path)
			d := &disk{t: t, store: migrated(t, db), flushes: make(chan func(driver.Tx) error)}
			faults.commit = func(tx driver.Tx) error { return (<-d.flushes)(tx) }
			d.occupy()
			calls := []*result{d.create(t.Context(), newSession(t)), d.create(t.Context(), newSession(t))}
			d.flush(commitNormally)
			d.flush(func(driver.Tx) error { panic("boom") })
			d.calls.Wait()
			for _, r := range calls {
				is.True(errors.Is(r.err, checkout.ErrOutcomeUnknown))
			}
			wantUnavailable(t, d.store, newSession(t))
			is.NoErr(d.store.Close())
		})
	})
}

// errorKinds are the errors that tell a caller what to do next.
var errorKinds = []error{
	checkout.ErrNotFound, checkout.ErrConflict, checkout.ErrUnavailable, checkout.ErrOutcomeUnknown,
	context.Canceled, context.DeadlineExceeded,
}

// wantError checks that err is of this kind and of no other, or of none if kind is nil. code is SQLite's primary result code, or
// SQLITE_OK if the error is not from SQLite.
func wantError(tb testing.TB, err error, code int, kind error) {
	tb.Helper()
	is := is.New(tb)
	is.Helper()
	is.True(err != nil)
	is.True(strings.HasPrefix(err.Error(), "sqlite: "))
	got := sqlite3.SQLITE_OK
	if own := (*modernc.Error)(nil); errors.As(err, &own) {
		got = own.Code() & 0xff
	}
	is.Equal(got, code)
	for _, k := range errorKinds {
		is.Equal(errors.Is(err, k), k == kind)
	}
}

func TestUnavailable(t *testing.T) {
	t.Run("is the error if another connection keeps the write lock for too long", func(t *testing.T) {
		path := newPath(t)
		synctest.Test(t, func(t *testing.T) {
			is := is.New(t)
			dsn := hostDSN(path, "_busy_timeout", "0")
			s := migrated(t, hostPool(t, dsn))
			session := create(t, s, newSession(t))
			other, err := hostPool(t, dsn).Begin()
			is.NoErr(err)
			start := time.Now()
			_, _, err = s.Create(t.Context(), newSession(t))
			wantError(t, err, sqlite3.SQLITE_BUSY, checkout.ErrUnavailable)
			is.Equal(time.Since(start).Round(time.Second), 5*time.Second) // Create has waited for the lock
			wantStored(t, s, session)                                     // a read does not wait for the lock
			is.NoErr(other.Rollback())
			create(t, s, newSession(t))
		})
	})
	t.Run("is the error if the host uses all connections of its pool for too long", func(t *testing.T) {
		path := newPath(t)
		synctest.Test(t, func(t *testing.T) {
			is := is.New(t)
			db := hostPool(t, hostDSN(path))
			s := migrated(t, db)
			db.SetMaxOpenConns(1)
			conn, err := db.Conn(t.Context())
			is.NoErr(err)
			_, _, err = s.Create(t.Context(), newSession(t))
			wantError(t, err, sqlite3.SQLITE_OK, checkout.ErrUnavailable)
			is.NoErr(conn.Close())
			create(t, s, newSession(t))
		})
	})
	t.Run("is the error if the file is read-only", func(t *testing.T) {
		is := is.New(t)
		path := newPath(t)
		session := create(t, open(t, path), newSession(t))
		s, err := sqlite.New(hostPool(t, hostDSN(path, "mode", "ro")))
		is.NoErr(err)
		wantStored(t, s, session)
		_, _, err = s.Create(t.Context(), newSession(t))
		wantError(t, err, sqlite3.SQLITE_READONLY, checkout.ErrUnavailable)
		wantError(t, s.Update(t.Context(), nextVersion(session)), sqlite3.SQLITE_READONLY, checkout.ErrUnavailable)
		_, err = s.Expire(t.Context(), session.ExpiresAt, 1)
		wantError(t, err, sqlite3.SQLITE_READONLY, checkout.ErrUnavailable)
		wantStored(t, s, session)
	})
}

func TestFaults(t *testing.T) {
	t.Run("a corrupt file is reported neither as ErrNotFound nor as ErrUnavailable", func(t *testing.T) {
		is := is.New(t)
		path := newPath(t)
		s := open(t, path)
		session := create(t, s, newSession(t))
		is.NoErr(s.Close())
		db := hostPool(t, hostDSN(path))
		var page int64
		is.NoErr(db.QueryRow("SELECT rootpage FROM sqlite_schema WHERE name = 'checkout_sessions_key'").Scan(&page))
		is.NoErr(db.Close())
		file, err := os.OpenFile(path, os.O_WRONLY, 0)
		is.NoErr(err)
		_, err = file.WriteAt(slices.Repeat([]byte{0xa5}, 4096), (page-1)*4096)
		is.NoErr(err)
		is.NoErr(file.Close())

		s = open(t, path)
		_, err = s.GetByKey(t.Context(), merchant, session.IdempotencyKey)
		wantError(t, err, sqlite3.SQLITE_CORRUPT, nil)
		_, created, err := s.Create(t.Context(), newSession(t))
		is.True(!created)
		wantError(t, err, sqlite3.SQLITE_CORRUPT, nil)
		wantStored(t, s, session) // a session that can be read is still found
	})
	t.Run("a row that only a newer program can read is an error, and not a missing session", func(t *testing.T) {
		for _, change := range []string{"status = 99", "id = x'01'", "idempotency_key = x'01'", "fingerprint = x'01'"} {
			is := is.New(t)
			path := newPath(t)
			s := open(t, path)
			session := create(t, s, newSession(t))
			_, err := hostPool(t, hostDSN(path)).Exec("UPDATE checkout_sessions SET " + change)
			is.NoErr(err)
			_, _, err = s.List(t.Context(), merchant, checkout.Query{Limit: 100})
			wantError(t, err, sqlite3.SQLITE_OK, nil)
			is.True(!strings.Contains(err.Error(), string(session.IdempotencyKey))) // the error does not show the key
			create(t, s, newSession(t))                                             // other sessions are not affected
		}
	})
	t.Run("a sweep that meets an unreadable row expires no session", func(t *testing.T) {
		is := is.New(t)
		db := hostPool(t, hostDSN(newPath(t)))
		s := migrated(t, db)
		first, second := create(t, s, newSession(t)), create(t, s, newSession(t))
		_, err := db.Exec("UPDATE checkout_sessions SET id = x'01' WHERE num = 2")
		is.NoErr(err)
		_, err = s.Expire(t.Context(), second.ExpiresAt, 10)
		wantError(t, err, sqlite3.SQLITE_OK, nil)
		wantStored(t, s, first)

		tx, err := db.Begin()
		is.NoErr(err)
		_, err = s.WithTx(tx).Expire(t.Context(), second.ExpiresAt, 10)
		wantError(t, err, sqlite3.SQLITE_OK, nil)
		third := create(t, s.WithTx(tx), newSession(t))
		is.NoErr(tx.Commit())
		wantStored(t, s, first)
		wantStored(t, s, third)
	})
	t.Run("a session with a value that cannot be stored is refused", func(t *testing.T) {
		is := is.New(t)
		s := open(t, newPath(t))
		old := create(t, s, newSession(t))
		for _, spoil := range []func(*checkout.Session){
			func(s *checkout.Session) { s.Status = "paid" },
			func(s *checkout.Session) { s.Status = "" },
			func(s *checkout.Session) { s.CreatedAt = time.Date(300_000, 1, 1, 0, 0, 0, 0, time.UTC) },
			func(s *checkout.Session) { s.ExpiresAt = time.Date(300_000, 1, 1, 0, 0, 0, 0, time.UTC) },
			func(s *checkout.Session) { s.CompletedAt = time.Date(-300_000, 1, 1, 0, 0, 0, 0, time.UTC) },
		} {
			session := newSession(t)
			spoil(&session)
			_, created, err := s.Create(t.Context(), session)
			is.True(!created)
			wantError(t, err, sqlite3.SQLITE_OK, nil)
			wantAbsent(t, s, session)

			changed := nextVersion(old)
			spoil(&changed)
			if changed.CreatedAt.Equal(old.CreatedAt) {
				wantError(t, s.Update(t.Context(), changed), sqlite3.SQLITE_OK, nil)
			}
			wantStored(t, s, old)
		}
	})
	t.Run("a sweep with a limit of 0 or less expires no session", func(t *testing.T) {
		is := is.New(t)
		s := open(t, newPath(t))
		session := create(t, s, newSession(t))
		for _, limit := range []int{0, -1} { // to SQLite, -1 means no limit
			expired, err := s.Expire(t.Context(), session.ExpiresAt, limit)
			is.NoErr(err)
			is.Equal(len(expired), 0)
		}
		wantStored(t, s, session)
	})
	t.Run("a list and a sweep accept any instant, far in the past or in the future", func(t *testing.T) {
		is := is.New(t)
		s := open(t, newPath(t))
		session := create(t, s, newSession(t))
		for year, total := range map[int]int{-300_000: 1, 300_000: 0} {
			_, n, err := s.List(t.Context(), merchant, checkout.Query{Limit: 100, Status: checkout.StatusCreated, At: time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC)})
			is.NoErr(err)
			is.Equal(n, total)
		}
		expired, err := s.Expire(t.Context(), time.Date(-300_000, 1, 1, 0, 0, 0, 0, time.UTC), 10)
		is.NoErr(err)
		is.Equal(len(expired), 0)
		expired, err = s.Expire(t.Context(), time.Date(300_000, 1, 1, 0, 0, 0, 0, time.UTC), 10)
		is.NoErr(err)
		is.Equal(len(expired), 1)
		is.Equal(expired[0].ID, session.ID)
	})
	t.Run("a context that ends during a read gives its own error", func(t *testing.T) {
		is := is.New(t)
		db, faults := faultyPool(t, newPath(t))
		s := migrated(t, db)
		create(t, s, newSession(t))
		ctx, cancel := context.WithCancel(t.Context())
		faults.query = func(query string) {
			if strings.HasPrefix(query, "SELECT count(*)") {
				cancel()
			}
		}
		_, _, err := s.List(ctx, merchant, checkout.Query{Limit: 100})
		is.Equal(err, context.Canceled)
		faults.query = nil
		_, total, err := s.List(t.Context(), merchant, checkout.Query{Limit: 100})
		is.NoErr(err)
		is.Equal(total, 1)
	})
}
