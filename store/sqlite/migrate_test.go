package sqlite_test

import (
	"errors"
	"io/fs"
	"strings"
	"sync"
	"testing"

	"github.com/matryer/is"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/store/sqlite"
)

func TestMigrate(t *testing.T) {
	t.Run("makes tables, indexes and views that begin with checkout_", func(t *testing.T) {
		is := is.New(t)
		db := hostPool(t, hostDSN(newPath(t)))
		is.NoErr(sqlite.Migrate(t.Context(), db))
		made := tables(t, db)
		is.True(len(made) > 5)
		for _, name := range made {
			is.True(strings.HasPrefix(name, "checkout_"))
		}
	})
	t.Run("does nothing the second time, not even take a lock", func(t *testing.T) {
		is := is.New(t)
		db := hostPool(t, hostDSN(newPath(t), "_busy_timeout", "0"))
		is.NoErr(sqlite.Migrate(t.Context(), db))
		before := tables(t, db)
		tx, err := db.Begin() // holds the write lock
		is.NoErr(err)
		defer func() { _ = tx.Rollback() }()
		is.NoErr(sqlite.Migrate(t.Context(), db))
		is.Equal(tables(t, db), before)
	})
	t.Run("is done once, whoever races to do it", func(t *testing.T) {
		is := is.New(t)
		path := newPath(t)
		// Not one of the settings that would help.
		first := hostPool(t, "file:"+path)
		const racers = 6
		errs := make([]error, racers)
		var wg sync.WaitGroup
		for i := range racers {
			db := hostPool(t, "file:"+path)
			wg.Go(func() { errs[i] = sqlite.Migrate(t.Context(), db) })
		}
		wg.Wait()
		is.NoErr(errors.Join(errs...))
		var applied int
		is.NoErr(first.QueryRow("SELECT count(*) FROM checkout_migrations").Scan(&applied))
		all, err := fs.ReadDir(sqlite.Migrations(), ".")
		is.NoErr(err)
		is.Equal(applied, len(all))
	})
	t.Run("is done whole or not at all", func(t *testing.T) {
		is := is.New(t)
		db := hostPool(t, hostDSN(newPath(t)))
		// The last of the first migration's names is taken.
		_, err := db.Exec("CREATE TABLE checkout_readable (x)")
		is.NoErr(err)
		err = sqlite.Migrate(t.Context(), db)
		is.True(err != nil)
		is.True(strings.Contains(err.Error(), "0001_sessions")) // it says where it stopped
		is.Equal(tables(t, db), []string{"checkout_readable"})  // nothing stayed
		_, err = db.Exec("DROP TABLE checkout_readable")
		is.NoErr(err)
		is.NoErr(sqlite.Migrate(t.Context(), db)) // and it can be tried again
	})
	t.Run("leaves a database of a newer program alone, which works on", func(t *testing.T) {
		is := is.New(t)
		path := newPath(t)
		db := hostPool(t, hostDSN(path))
		is.NoErr(sqlite.Migrate(t.Context(), db))
		_, err := db.Exec(`INSERT INTO checkout_migrations (version, name, applied_at) VALUES (9998, 'receipts', 1);
			ALTER TABLE checkout_sessions ADD COLUMN receipt TEXT;
			CREATE INDEX checkout_sessions_receipt ON checkout_sessions (receipt)`)
		is.NoErr(err)
		is.NoErr(sqlite.Migrate(t.Context(), db))
		s := open(t, path)
		session := create(t, s, fresh(t))
		kept(t, s, session)
		is.NoErr(s.Update(t.Context(), next(session)))
		kept(t, s, next(session))
		_, total, err := s.List(t.Context(), merchant, checkout.Query{Limit: 100})
		is.NoErr(err)
		is.Equal(total, 1)
	})
	t.Run("refuses a newer schema that it cannot work with", func(t *testing.T) {
		is := is.New(t)
		path := newPath(t)
		db := hostPool(t, hostDSN(path))
		is.NoErr(sqlite.Migrate(t.Context(), db))
		_, err := db.Exec(`INSERT INTO checkout_migrations (version, name, applied_at) VALUES (9998, 'split_owners_breaking', 1), (9999, 'receipts', 1)`)
		is.NoErr(err)
		err = sqlite.Migrate(t.Context(), db)
		is.True(err != nil)
		is.True(strings.Contains(err.Error(), "9998_split_owners_breaking"))
		is.True(!errors.Is(err, checkout.ErrUnavailable)) // it does not pass by itself
		_, err = sqlite.Open(t.Context(), path)
		is.True(err != nil)
	})
	t.Run("leaves the connection usable after a failure", func(t *testing.T) {
		is := is.New(t)
		db := hostPool(t, hostDSN(newPath(t)))
		db.SetMaxOpenConns(1)
		_, err := db.Exec("CREATE TABLE checkout_sessions (x)")
		is.NoErr(err)
		is.True(sqlite.Migrate(t.Context(), db) != nil)
		tx, err := db.Begin()
		is.NoErr(err) // no transaction was left open
		is.NoErr(tx.Rollback())
	})
}

func TestMigrations(t *testing.T) {
	t.Run("serve a host that applies them itself", func(t *testing.T) {
		is := is.New(t)
		db := hostPool(t, hostDSN(newPath(t)))
		entries, err := fs.ReadDir(sqlite.Migrations(), ".")
		is.NoErr(err)
		for _, entry := range entries {
			text, err := fs.ReadFile(sqlite.Migrations(), entry.Name())
			is.NoErr(err)
			_, err = db.Exec(string(text))
			is.NoErr(err)
		}
		s, err := sqlite.New(db)
		is.NoErr(err)
		kept(t, s, create(t, s, fresh(t)))
	})
}
