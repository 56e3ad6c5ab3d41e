package sqlite_test

import (
	"database/sql"
	"fmt"
	"sync"
	"testing"

	"github.com/matryer/is"
	modernc "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/caisse/checkout"
)

// limited keeps the database of a pool of one connection from growing by more than some pages, and returns what SQLite says of
// that which does not fit.
func limited(tb testing.TB, db *sql.DB, pages int) error {
	tb.Helper()
	db.SetMaxOpenConns(1)
	var count int
	if err := db.QueryRow("PRAGMA page_count").Scan(&count); err != nil {
		tb.Fatal(err)
	}
	if _, err := db.Exec(fmt.Sprintf("PRAGMA max_page_count = %d", count+pages)); err != nil {
		tb.Fatal(err)
	}
	_, err := db.Exec("CREATE TABLE filler (x); INSERT INTO filler VALUES (zeroblob(100000000))")
	if err == nil {
		tb.Fatal("the database grows without limit")
	}
	return err
}

func TestFullDisk(t *testing.T) {
	is := is.New(t)
	db := hostPool(t, hostDSN(newPath(t)))
	s := migrated(t, db)
	before := create(t, s, fresh(t))
	is.Equal(limited(t, db, 20).(*modernc.Error).Code(), sqlite3.SQLITE_FULL)

	// Many at once, so that batches meet the limit in their middle.
	const callers, each = 16, 60
	var mu sync.Mutex
	var written, refused []checkout.Session
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for range each {
				session := fresh(t)
				_, created, err := s.Create(t.Context(), session)
				if !created {
					fails(t, err, sqlite3.SQLITE_FULL, checkout.ErrUnavailable)
				}
				mu.Lock()
				if created {
					written = append(written, session)
				} else {
					refused = append(refused, session)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	is.True(len(refused) > 0)
	kept(t, s, before)
	for _, session := range written {
		kept(t, s, session)
	}
	for _, session := range refused {
		absent(t, s, session)
	}
	_, total, err := s.List(t.Context(), merchant, checkout.Query{Limit: 100})
	is.NoErr(err)
	is.Equal(total, len(written)+1)

	_, err = db.Exec("PRAGMA max_page_count = 1000000") // somebody has cleared up
	is.NoErr(err)
	for _, session := range refused {
		kept(t, s, create(t, s, session))
	}
}
