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
	t.Run("creates only tables, indexes and views whose names begin with checkout_", func(t *testing.T) {
		is := is.New(t)
		db := hostPool(t, hostDSN(newPath(t)))
		is.NoErr(sqlite.Migrate(t.Context(), db))
		made := schemaNames(t, db)
		is.True(len(made) > 5)
		for _, name := range made {
			is.True(strings.HasPrefix(name, "checkout_"))
		}
	})
	t.Run("changes nothing the second time and does not need the write lock", func(t *testing.T) {
		is := is.New(t)
		db := hostPool(t, hostDSN(newPath(t), "_busy_timeout", "0"))
		is.NoErr(sqlite.Migrate(t.Context(), db))
		before := schemaNames(t, db)
		tx, err := db.Begin() // takes the write lock
		is.NoErr(err)
		defer func() { _ = tx.Rollback() }()
		is.NoErr(sqlite.Migrate(t.Context(), db))
		is.Equal(schemaNames(t, db), before)
	})
	t.Run("applies each migration once if several pools call it at the same time", func(t *testing.T) {
		is := is.New(t)
		path := newPath(t)
		// These DSNs have none of the recommended settings, such as a busy timeout.
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
	t.Run("applies all migrations or none", func(t *testing.T) {
		is := is.New(t)
		db := hostPool(t, hostDSN(newPath(t)))
		// The first migration creates a view of this name last, so it fails at its end.
		_, err := db.Exec("CREATE TABLE checkout_readable (x)")
		is.NoErr(err)
		err = sqlite.Migrate(t.Context(), db)
		is.True(err != nil)
		is.True(strings.Contains(err.Error(), "0001_sessions"))     // the error names the migration that failed
		is.Equal(schemaNames(t, db), []string{"checkout_readable"}) // the migration left nothing behind
		_, err = db.Exec("DROP TABLE checkout_readable")
		is.NoErr(err)
		is.NoErr(sqlite.Migrate(t.Context(), db)) // a second try succeeds
	})
	t.Run("does not change the schema of a newer program, and the store works with that schema", func(t *testing.T) {
		is := is.New(t)
		path := newPath(t)
		db := hostPool(t, hostDSN(path))
		is.NoErr(sqlite.Migrate(t.Context(), db))
		_, err := db.Exec(`INSERT INTO checkout_migrations (version, name, applied_at) VALUES (9998, 'receipts', 1);
			ALTER TABLE checkout_sessions ADD COLUMN receipt TEXT;
			CREATE INDEX checkout_sessions_receipt ON checkout_sessions (receipt)`)
		is.NoErr(err)
		before := schemaNames(t, db)
		is.NoErr(sqlite.Migrate(t.Context(), db))
		s := open(t, path)
		is.Equal(schemaNames(t, db), before)
		session := create(t, s, newSession(t))
		wantStored(t, s, session)
		is.NoErr(s.Update(t.Context(), nextVersion(session)))
		wantStored(t, s, nextVersion(session))
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
		is.True(!errors.Is(err, checkout.ErrUnavailable)) // waiting does not help
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
		is.NoErr(err) // the failed migration left no transaction open
		is.NoErr(tx.Rollback())
	})
}

func TestMigrations(t *testing.T) {
	t.Run("can be applied by the host itself", func(t *testing.T) {
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
		wantStored(t, s, create(t, s, newSession(t)))
	})
}
