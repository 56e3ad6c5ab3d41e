package sqlite_test

import (
	"database/sql"
	"io/fs"
	"testing"

	"github.com/matryer/is"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/store/sqlite"
)

// bytesOf returns how many bytes tables and indexes take on disk, in whole pages.
func bytesOf(tb testing.TB, db *sql.DB, where string) (n int) {
	tb.Helper()
	if err := db.QueryRow("SELECT coalesce(sum(pgsize), 0) FROM dbstat WHERE " + where).Scan(&n); err != nil {
		tb.Fatal(err)
	}
	return n
}

// TestSize bounds the disk space of events. A create must take no more space than in the release without events.
func TestSize(t *testing.T) {
	t.Run("of a create is no greater than in the release without events", func(t *testing.T) {
		const sessions = 5000
		is := is.New(t)
		path := newPath(t)
		s := open(t, path)
		for range sessions {
			create(t, s, newSession(t))
		}
		is.NoErr(s.Close())
		db := hostPool(t, hostDSN(path))

		// This database has the schema of the release without events, and the same rows in the same order.
		before := hostPool(t, hostDSN(newPath(t)))
		before.SetMaxOpenConns(1) // ATTACH concerns one connection only
		schema, err := fs.ReadFile(sqlite.Migrations(), "0001_sessions.sql")
		is.NoErr(err)
		_, err = before.Exec(string(schema))
		is.NoErr(err)
		_, err = before.Exec("ATTACH ? AS now", path)
		is.NoErr(err)
		for _, table := range []string{"checkout_accounts", "checkout_sessions"} {
			_, err = before.Exec("INSERT INTO " + table + " SELECT * FROM now." + table + " ORDER BY num")
			is.NoErr(err)
		}
		was, now := bytesOf(t, before, "name LIKE '%checkout_%'"), bytesOf(t, db, "name LIKE '%checkout_%' AND name NOT LIKE '%checkout_webhook%'")
		t.Logf("%d bytes per session, %d in the release without events", now/sessions, was/sessions)
		const empty = 8 * 4096 // a table or index to which a create writes nothing takes one page
		is.True(now <= was+empty)
		is.Equal(bytesOf(t, db, "name LIKE 'checkout_events%' OR name LIKE 'checkout_labels%' OR name = 'checkout_origins'"), 5*4096)
	})

	t.Run("of an event is at most 64 bytes with its index, not counting its texts", func(t *testing.T) {
		is := is.New(t)
		path := newPath(t)
		s := open(t, path)
		const payment = "6f1c2a52-5a0e-4a7e-9d55-0b8f7f0c9f11"
		events, texts := 0, 0
		for range 1000 {
			session := create(t, s, newSession(t))
			for _, status := range []checkout.Status{checkout.StatusPending, checkout.StatusProcessing, checkout.StatusCompleted} {
				session = nextVersion(session)
				session.Status, session.PaymentID = status, payment
				if status == checkout.StatusCompleted {
					session.CompletedAt = session.UpdatedAt
				}
				is.NoErr(s.Update(t.Context(), session))
				events++
				texts += len(payment)
			}
		}
		is.NoErr(s.Close())
		size := bytesOf(t, hostPool(t, hostDSN(path)), "name LIKE 'checkout_events%'")
		each := float64(size-texts) / float64(events)
		t.Logf("%.1f bytes per event, not counting %d of text", each, len(payment))
		is.True(each <= 64)
	})
}
