package postgres_test

import (
	"errors"
	"io/fs"
	"sync"
	"testing"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/internal/pgtest"
	"github.com/caisse/checkout/store/postgres"
	"github.com/matryer/is"
)

// TestMigrate proves that instances may start at the same time, and that two releases may share a schema.
func TestMigrate(t *testing.T) {
	t.Run("applies every migration once when eight instances race", func(t *testing.T) {
		for range 5 {
			is := is.New(t)
			url := pgtest.URL(t)
			errs := make([]error, 8)
			var wg sync.WaitGroup
			start := make(chan struct{})
			for i := range errs {
				pool := connect(t, url)
				wg.Go(func() {
					<-start
					errs[i] = postgres.Migrate(t.Context(), pool)
				})
			}
			close(start)
			wg.Wait()
			for _, err := range errs {
				is.NoErr(err)
			}
			names, err := fs.Glob(postgres.Migrations(), "*.sql")
			is.NoErr(err)
			pool := connect(t, url)
			is.Equal(value[int](t, pool, "select count(*) from checkout_migrations"), len(names))
			is.Equal(value[int](t, pool, "select max(version) from checkout_migrations"), len(names))
			store, err := postgres.New(pool)
			is.NoErr(err)
			_, created, err := store.Create(t.Context(), newSession())
			is.NoErr(err)
			is.True(created)
		}
	})
	t.Run("writes nothing if there is nothing to apply", func(t *testing.T) {
		is := is.New(t)
		url := pgtest.URL(t)
		openURL(t, url)
		is.NoErr(postgres.Migrate(t.Context(), connect(t, pgtest.With(t, url, "default_transaction_read_only=on"))))
	})
	t.Run("applies all migrations after a first try has failed", func(t *testing.T) {
		is := is.New(t)
		pool := connect(t, pgtest.URL(t))
		exec(t, pool, "create view checkout_sessions as select 1") // its name makes the first migration fail
		is.True(postgres.Migrate(t.Context(), pool) != nil)
		is.Equal(value[int](t, pool, "select count(*) from checkout_migrations"), 0)
		exec(t, pool, "drop view checkout_sessions")
		is.NoErr(postgres.Migrate(t.Context(), pool))
	})
	t.Run("works with the schema of a newer release that only adds to it", func(t *testing.T) {
		is := is.New(t)
		url := pgtest.URL(t)
		store, pool := openURL(t, url), connect(t, url)
		_, _, err := store.Create(t.Context(), newSession()) // prepares the statement before the schema changes
		is.NoErr(err)
		exec(t, pool, "alter table checkout_sessions add column origin text not null default ''")
		exec(t, pool, "insert into checkout_migrations values (9999, 'origin')")
		for _, store := range []checkout.Store{store, openURL(t, url)} {
			s := newSession()
			_, _, err = store.Create(t.Context(), s)
			is.NoErr(err)
			got, err := store.Get(t.Context(), s.Account, s.ID)
			is.NoErr(err)
			is.Equal(got, s)
		}
	})
	t.Run("refuses the schema of a newer release that it cannot work with", func(t *testing.T) {
		is := is.New(t)
		url := pgtest.URL(t)
		openURL(t, url)
		exec(t, connect(t, url), "insert into checkout_migrations values (9998, 'two_tables_breaking'), (9999, 'origin')")
		_, err := postgres.Open(t.Context(), url)
		is.True(err != nil)
		is.True(!errors.Is(err, checkout.ErrUnavailable)) // a retry would not help
	})
	t.Run("is not needed by a host that applies the files itself", func(t *testing.T) {
		is := is.New(t)
		pool := connect(t, pgtest.URL(t))
		names, err := fs.Glob(postgres.Migrations(), "*.sql")
		is.NoErr(err)
		for _, name := range names {
			sql, err := fs.ReadFile(postgres.Migrations(), name)
			is.NoErr(err)
			exec(t, pool, string(sql))
		}
		store, err := postgres.New(pool)
		is.NoErr(err)
		_, created, err := store.Create(t.Context(), newSession())
		is.NoErr(err)
		is.True(created)
	})
}
