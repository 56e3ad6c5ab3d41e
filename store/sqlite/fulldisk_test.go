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

// limitPages limits the pool to one connection, and its database to this number of pages more than it has. It returns SQLite's error
// for a write that does not fit.
func limitPages(tb testing.TB, db *sql.DB, pages int) error {
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

// TestFullDisk simulates a full disk by a limit on the size of the database. It proves that acknowledged sessions are stored and refused
// ones are not, and that the store works again once there is room.
func TestFullDisk(t *testing.T) {
	is := is.New(t)
	db := hostPool(t, hostDSN(newPath(t)))
	s := migrated(t, db)
	before := create(t, s, newSession(t))
	is.Equal(limitPages(t, db, 20).(*modernc.Error).Code(), sqlite3.SQLITE_FULL)

	// Many callers write at once, so that a batch can reach the limit in its middle.
	const callers, each = 16, 60
	var mu sync.Mutex
	var written, refused []checkout.Session
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for range each {
				session := newSession(t)
				_, created, err := s.Create(t.Context(), session)
				if !created {
					wantError(t, err, sqlite3.SQLITE_FULL, checkout.ErrUnavailable)
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
	wantStored(t, s, before)
	for _, session := range written {
		wantStored(t, s, session)
	}
	for _, session := range refused {
		wantAbsent(t, s, session)
	}
	_, total, err := s.List(t.Context(), merchant, checkout.Query{Limit: 100})
	is.NoErr(err)
	is.Equal(total, len(written)+1)

	_, err = db.Exec("PRAGMA max_page_count = 1000000") // now there is room again
	is.NoErr(err)
	for _, session := range refused {
		wantStored(t, s, create(t, s, session))
	}
}
