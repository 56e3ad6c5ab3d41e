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

func TestFailedCommit(t *testing.T) {
	broken := errors.New("the disk is gone")
	for name, test := range map[string]struct {
		commit  func(tx driver.Tx) error
		written bool
	}{
		"that wrote nothing": {func(tx driver.Tx) error { return errors.Join(tx.Rollback(), broken) }, false},
		"that wrote all":     {func(tx driver.Tx) error { return errors.Join(tx.Commit(), broken) }, true},
	} {
		t.Run("a commit "+name+" is an unknown outcome, and the end of the store", func(t *testing.T) {
			path := newPath(t)
			var calls []*result
			var sessions []checkout.Session
			before := fresh(t)
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				db, faults := faultyPool(t, path)
				d := &disk{t: t, store: migrated(t, db), flushes: make(chan func(driver.Tx) error)}
				create(t, d.store, before)
				faults.commit = func(tx driver.Tx) error { return (<-d.flushes)(tx) }
				d.hold()
				for range 10 {
					sessions = append(sessions, fresh(t))
					calls = append(calls, d.create(t.Context(), sessions[len(sessions)-1]))
				}
				d.flush(through)
				d.flush(test.commit)
				d.calls.Wait()
				for _, r := range calls {
					is.True(errors.Is(r.err, checkout.ErrOutcomeUnknown))
					is.True(!errors.Is(r.err, checkout.ErrUnavailable)) // a definite error never stands for a write that happened
					is.True(errors.Is(r.err, broken))
					is.Equal(r.session, checkout.Session{})
				}
				unavailable(t, d.store, before)
				is.NoErr(d.store.Close())
				is.NoErr(d.store.Close())
			})
			is := is.New(t)
			again := open(t, path)
			kept(t, again, before)
			for _, session := range sessions { // a retry with the same key converges
				held, created, err := again.Create(t.Context(), session)
				is.NoErr(err)
				is.Equal(created, !test.written)
				is.Equal(held, session)
			}
			sound(t, path)
		})
	}
	t.Run("a commit that found no room is surely undone, and the store goes on", func(t *testing.T) {
		is := is.New(t)
		db, faults := faultyPool(t, newPath(t))
		s := migrated(t, db)
		full := limited(t, hostPool(t, ":memory:"), 10)
		session := fresh(t)
		faults.commit = func(tx driver.Tx) error { return errors.Join(tx.Rollback(), full) }
		_, created, err := s.Create(t.Context(), session)
		is.True(!created)
		is.True(errors.Is(err, checkout.ErrUnavailable))
		is.True(!errors.Is(err, checkout.ErrOutcomeUnknown))
		faults.commit = nil
		absent(t, s, session)
		kept(t, s, create(t, s, session))
	})
	t.Run("a commit that found the file locked is surely undone, and the store goes on", func(t *testing.T) {
		is := is.New(t)
		// With a rollback journal a commit waits for those who read.
		dsn := hostDSN(newPath(t), "_journal_mode", "DELETE", "_busy_timeout", "0")
		s := migrated(t, hostPool(t, dsn))
		reader, err := hostPool(t, dsn).BeginTx(t.Context(), reading)
		is.NoErr(err)
		var n int
		is.NoErr(reader.QueryRow("SELECT count(*) FROM checkout_sessions").Scan(&n))
		session := fresh(t)
		_, created, err := s.Create(t.Context(), session)
		is.True(!created)
		fails(t, err, sqlite3.SQLITE_BUSY, checkout.ErrUnavailable)
		is.NoErr(reader.Rollback())
		absent(t, s, session)
		kept(t, s, create(t, s, session))
	})
	t.Run("a panic in a commit is an unknown outcome to all, and the end of the store", func(t *testing.T) {
		path := newPath(t)
		synctest.Test(t, func(t *testing.T) {
			is := is.New(t)
			db, faults := faultyPool(t, path)
			d := &disk{t: t, store: migrated(t, db), flushes: make(chan func(driver.Tx) error)}
			faults.commit = func(tx driver.Tx) error { return (<-d.flushes)(tx) }
			d.hold()
			calls := []*result{d.create(t.Context(), fresh(t)), d.create(t.Context(), fresh(t))}
			d.flush(through)
			d.flush(func(driver.Tx) error { panic("boom") })
			d.calls.Wait()
			for _, r := range calls {
				is.True(errors.Is(r.err, checkout.ErrOutcomeUnknown))
			}
			unavailable(t, d.store, fresh(t))
			is.NoErr(d.store.Close())
		})
	})
}

// kinds are the errors that tell a caller what to do next.
var kinds = []error{
	checkout.ErrNotFound, checkout.ErrConflict, checkout.ErrUnavailable, checkout.ErrOutcomeUnknown,
	context.Canceled, context.DeadlineExceeded,
}

// fails wants an error of one kind and no other, none if kind is nil, that SQLite gave this primary code, or had no part
// in if that is SQLITE_OK.
func fails(tb testing.TB, err error, code int, kind error) {
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
	for _, k := range kinds {
		is.Equal(errors.Is(err, k), k == kind)
	}
}

func TestUnavailable(t *testing.T) {
	t.Run("where another holds the lock for long", func(t *testing.T) {
		path := newPath(t)
		synctest.Test(t, func(t *testing.T) {
			is := is.New(t)
			dsn := hostDSN(path, "_busy_timeout", "0")
			s := migrated(t, hostPool(t, dsn))
			session := create(t, s, fresh(t))
			other, err := hostPool(t, dsn).Begin()
			is.NoErr(err)
			start := time.Now()
			_, _, err = s.Create(t.Context(), fresh(t))
			fails(t, err, sqlite3.SQLITE_BUSY, checkout.ErrUnavailable)
			is.Equal(time.Since(start).Round(time.Second), 5*time.Second) // it has waited
			kept(t, s, session)                                           // who reads is not held up
			is.NoErr(other.Rollback())
			create(t, s, fresh(t))
		})
	})
	t.Run("where the host holds all connections of its pool for long", func(t *testing.T) {
		path := newPath(t)
		synctest.Test(t, func(t *testing.T) {
			is := is.New(t)
			db := hostPool(t, hostDSN(path))
			s := migrated(t, db)
			db.SetMaxOpenConns(1)
			conn, err := db.Conn(t.Context())
			is.NoErr(err)
			_, _, err = s.Create(t.Context(), fresh(t))
			fails(t, err, sqlite3.SQLITE_OK, checkout.ErrUnavailable)
			is.NoErr(conn.Close())
			create(t, s, fresh(t))
		})
	})
	t.Run("where the file cannot be written", func(t *testing.T) {
		is := is.New(t)
		path := newPath(t)
		session := create(t, open(t, path), fresh(t))
		s, err := sqlite.New(hostPool(t, hostDSN(path, "mode", "ro")))
		is.NoErr(err)
		kept(t, s, session)
		_, _, err = s.Create(t.Context(), fresh(t))
		fails(t, err, sqlite3.SQLITE_READONLY, checkout.ErrUnavailable)
		fails(t, s.Update(t.Context(), next(session)), sqlite3.SQLITE_READONLY, checkout.ErrUnavailable)
		_, err = s.Expire(t.Context(), session.ExpiresAt, 1)
		fails(t, err, sqlite3.SQLITE_READONLY, checkout.ErrUnavailable)
		kept(t, s, session)
	})
}

func TestFaults(t *testing.T) {
	t.Run("a corrupt file is no absent session and no passing trouble", func(t *testing.T) {
		is := is.New(t)
		path := newPath(t)
		s := open(t, path)
		session := create(t, s, fresh(t))
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
		fails(t, err, sqlite3.SQLITE_CORRUPT, nil)
		_, created, err := s.Create(t.Context(), fresh(t))
		is.True(!created)
		fails(t, err, sqlite3.SQLITE_CORRUPT, nil)
		kept(t, s, session) // what can be read is
	})
	t.Run("a row of a newer program is told from none", func(t *testing.T) {
		for _, change := range []string{"status = 99", "id = x'01'", "idempotency_key = x'01'", "fingerprint = x'01'"} {
			is := is.New(t)
			path := newPath(t)
			s := open(t, path)
			session := create(t, s, fresh(t))
			_, err := hostPool(t, hostDSN(path)).Exec("UPDATE checkout_sessions SET " + change)
			is.NoErr(err)
			_, _, err = s.List(t.Context(), merchant, checkout.Query{Limit: 100})
			fails(t, err, sqlite3.SQLITE_OK, nil)
			is.True(!strings.Contains(err.Error(), string(session.IdempotencyKey)))
			create(t, s, fresh(t)) // others are none the worse
		}
	})
	t.Run("a sweep that meets such a row moves none", func(t *testing.T) {
		is := is.New(t)
		db := hostPool(t, hostDSN(newPath(t)))
		s := migrated(t, db)
		first, second := create(t, s, fresh(t)), create(t, s, fresh(t))
		_, err := db.Exec("UPDATE checkout_sessions SET id = x'01' WHERE num = 2")
		is.NoErr(err)
		_, err = s.Expire(t.Context(), second.ExpiresAt, 10)
		fails(t, err, sqlite3.SQLITE_OK, nil)
		kept(t, s, first)

		tx, err := db.Begin()
		is.NoErr(err)
		_, err = s.WithTx(tx).Expire(t.Context(), second.ExpiresAt, 10)
		fails(t, err, sqlite3.SQLITE_OK, nil)
		third := create(t, s.WithTx(tx), fresh(t))
		is.NoErr(tx.Commit())
		kept(t, s, first)
		kept(t, s, third)
	})
	t.Run("what cannot be kept is refused", func(t *testing.T) {
		is := is.New(t)
		s := open(t, newPath(t))
		old := create(t, s, fresh(t))
		for _, spoil := range []func(*checkout.Session){
			func(s *checkout.Session) { s.Status = "paid" },
			func(s *checkout.Session) { s.Status = "" },
			func(s *checkout.Session) { s.CreatedAt = time.Date(300_000, 1, 1, 0, 0, 0, 0, time.UTC) },
			func(s *checkout.Session) { s.ExpiresAt = time.Date(300_000, 1, 1, 0, 0, 0, 0, time.UTC) },
			func(s *checkout.Session) { s.CompletedAt = time.Date(-300_000, 1, 1, 0, 0, 0, 0, time.UTC) },
		} {
			session := fresh(t)
			spoil(&session)
			_, created, err := s.Create(t.Context(), session)
			is.True(!created)
			fails(t, err, sqlite3.SQLITE_OK, nil)
			absent(t, s, session)

			changed := next(old)
			spoil(&changed)
			if changed.CreatedAt.Equal(old.CreatedAt) {
				fails(t, s.Update(t.Context(), changed), sqlite3.SQLITE_OK, nil)
			}
			kept(t, s, old)
		}
	})
	t.Run("a sweep of none moves none", func(t *testing.T) {
		is := is.New(t)
		s := open(t, newPath(t))
		session := create(t, s, fresh(t))
		for _, limit := range []int{0, -1} { // to SQLite -1 is no limit
			expired, err := s.Expire(t.Context(), session.ExpiresAt, limit)
			is.NoErr(err)
			is.Equal(len(expired), 0)
		}
		kept(t, s, session)
	})
	t.Run("any instant may be asked for", func(t *testing.T) {
		is := is.New(t)
		s := open(t, newPath(t))
		session := create(t, s, fresh(t))
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
	t.Run("a context that ends during a read is its own error", func(t *testing.T) {
		is := is.New(t)
		db, faults := faultyPool(t, newPath(t))
		s := migrated(t, db)
		create(t, s, fresh(t))
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
