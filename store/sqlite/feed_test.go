package sqlite_test

import (
	"errors"
	"testing"
	"time"

	"github.com/matryer/is"

	"github.com/caisse/checkout"
)

// advance updates a session to its next version, and returns the next version.
func advance(tb testing.TB, s checkout.Store, session checkout.Session) checkout.Session {
	tb.Helper()
	session = nextVersion(session)
	if err := s.Update(tb.Context(), session); err != nil {
		tb.Fatal(err)
	}
	return session
}

// readFeed reads the feed after a cursor, three events at a time. It returns the IDs of the events and the last cursor.
func readFeed(tb testing.TB, s checkout.Store, after checkout.Cursor) (ids []string, last checkout.Cursor) {
	tb.Helper()
	for last = after; ; {
		events, err := s.Events(tb.Context(), last, 3)
		if err != nil {
			tb.Fatal(err)
		}
		if len(events) == 0 {
			return ids, last
		}
		for _, e := range events {
			ids, last = append(ids, e.ID), e.Cursor
		}
	}
}

func eventID(s checkout.Session) string { return checkout.NewEvent(s, "").ID }

func TestFeed(t *testing.T) {
	t.Run("continues from a cursor after the store was opened again", func(t *testing.T) {
		is := is.New(t)
		path := newPath(t)
		s := open(t, path)
		session := advance(t, s, create(t, s, newSession(t)))
		ids, cursor := readFeed(t, s, "")
		is.Equal(ids, []string{eventID(session)})
		is.NoErr(s.Close())

		s = open(t, path)
		ids, cursor = readFeed(t, s, cursor)
		is.Equal(len(ids), 0)
		session = advance(t, s, session)
		ids, _ = readFeed(t, s, cursor)
		is.Equal(ids, []string{eventID(session)})
	})

	t.Run("never gives a number twice, even if the newest event was pruned and the store opened again", func(t *testing.T) {
		is := is.New(t)
		path := newPath(t)
		s := open(t, path)
		session := nextVersion(create(t, s, newSession(t)))
		session.Status, session.CompletedAt = checkout.StatusCompleted, session.CreatedAt
		is.NoErr(s.Update(t.Context(), session))
		_, cursor := readFeed(t, s, "")
		pruned, err := s.Prune(t.Context(), time.Now().Add(time.Hour), 10)
		is.NoErr(err)
		is.Equal(pruned, 1)
		is.NoErr(s.Close())

		s = open(t, path)
		ids, _ := readFeed(t, s, cursor) // the event of this cursor was pruned
		is.Equal(len(ids), 0)
		other := advance(t, s, create(t, s, newSession(t)))
		ids, after := readFeed(t, s, cursor)
		is.Equal(ids, []string{eventID(other)})
		is.True(after != cursor)
	})

	t.Run("shows a change in a transaction of the host to others only after the commit", func(t *testing.T) {
		is := is.New(t)
		shop := newShop(t, hostDSN(newPath(t)))
		session := create(t, shop.store, newSession(t))
		tx := shop.begin(t)
		session = advance(t, shop.store.WithTx(tx), session)
		ids, _ := readFeed(t, shop.store, "")
		is.Equal(len(ids), 0)
		ids, _ = readFeed(t, shop.store.WithTx(tx), "")
		is.Equal(ids, []string{eventID(session)})
		is.NoErr(tx.Commit())
		ids, _ = readFeed(t, shop.store, "")
		is.Equal(ids, []string{eventID(session)})
	})

	t.Run("shows nothing that was rolled back", func(t *testing.T) {
		is := is.New(t)
		shop := newShop(t, hostDSN(newPath(t)))
		first, due := create(t, shop.store, newSession(t)), create(t, shop.store, newSession(t))
		tx := shop.begin(t)
		advance(t, shop.store.WithTx(tx), first)
		_, err := shop.store.WithTx(tx).Expire(t.Context(), due.ExpiresAt.Add(time.Hour), 10)
		is.NoErr(err)
		is.NoErr(tx.Rollback())
		ids, _ := readFeed(t, shop.store, "")
		is.Equal(len(ids), 0)
		history, err := shop.store.History(t.Context(), first.Account, first.ID)
		is.NoErr(err)
		is.Equal(len(history), 1) // only the creation
		first = advance(t, shop.store, first)
		ids, _ = readFeed(t, shop.store, "")
		is.Equal(ids, []string{eventID(first)})
	})

	t.Run("is the same in two stores on one file", func(t *testing.T) {
		is := is.New(t)
		path := newPath(t)
		a, b := open(t, path), open(t, path)
		var want []string
		session := create(t, a, newSession(t))
		var seen checkout.Cursor
		for i := range 10 {
			session = advance(t, []checkout.Store{a, b}[i%2], session)
			want = append(want, eventID(session))
			var ids []string
			ids, seen = readFeed(t, []checkout.Store{b, a}[i%2], seen)
			is.Equal(ids, want[i:])
		}
	})

	t.Run("refuses a cursor that this database cannot have made", func(t *testing.T) {
		is := is.New(t)
		s := open(t, newPath(t))
		session := create(t, s, newSession(t))
		advance(t, s, session)
		for _, cursor := range []checkout.Cursor{"2", "0", "-1", "01", "1 ", "x", "99999999999999999999"} {
			_, err := s.Events(t.Context(), cursor, 10)
			var invalid *checkout.ValidationError
			is.True(errors.As(err, &invalid))
		}
	})
}
