package sqlite_test

import (
	"errors"
	"testing"
	"time"

	"github.com/matryer/is"

	"github.com/caisse/checkout"
)

// change moves a session on by one, and returns it as it then is.
func change(tb testing.TB, s checkout.Store, session checkout.Session) checkout.Session {
	tb.Helper()
	session = next(session)
	if err := s.Update(tb.Context(), session); err != nil {
		tb.Fatal(err)
	}
	return session
}

// told reads what is in the feed after a cursor, and returns the ids of the events and the last cursor.
func told(tb testing.TB, s checkout.Store, after checkout.Cursor) (ids []string, last checkout.Cursor) {
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
	t.Run("goes on from its cursor after the store was opened again", func(t *testing.T) {
		is := is.New(t)
		path := newPath(t)
		s := open(t, path)
		session := change(t, s, create(t, s, fresh(t)))
		ids, cursor := told(t, s, "")
		is.Equal(ids, []string{eventID(session)})
		is.NoErr(s.Close())

		s = open(t, path)
		ids, cursor = told(t, s, cursor)
		is.Equal(len(ids), 0)
		session = change(t, s, session)
		ids, _ = told(t, s, cursor)
		is.Equal(ids, []string{eventID(session)})
	})

	t.Run("gives no number twice, though the newest event was pruned and the store opened again", func(t *testing.T) {
		is := is.New(t)
		path := newPath(t)
		s := open(t, path)
		session := next(create(t, s, fresh(t)))
		session.Status, session.CompletedAt = checkout.StatusCompleted, session.CreatedAt
		is.NoErr(s.Update(t.Context(), session))
		_, cursor := told(t, s, "")
		pruned, err := s.Prune(t.Context(), time.Now().Add(time.Hour), 10)
		is.NoErr(err)
		is.Equal(pruned, 1)
		is.NoErr(s.Close())

		s = open(t, path)
		ids, _ := told(t, s, cursor) // the cursor of an event that is no more
		is.Equal(len(ids), 0)
		other := change(t, s, create(t, s, fresh(t)))
		ids, after := told(t, s, cursor)
		is.Equal(ids, []string{eventID(other)})
		is.True(after != cursor)
	})

	t.Run("tells what a transaction of the host has changed once that is committed", func(t *testing.T) {
		is := is.New(t)
		shop := newShop(t, hostDSN(newPath(t)))
		session := create(t, shop.store, fresh(t))
		tx := shop.begin(t)
		session = change(t, shop.store.WithTx(tx), session)
		ids, _ := told(t, shop.store, "")
		is.Equal(len(ids), 0)
		ids, _ = told(t, shop.store.WithTx(tx), "")
		is.Equal(ids, []string{eventID(session)})
		is.NoErr(tx.Commit())
		ids, _ = told(t, shop.store, "")
		is.Equal(ids, []string{eventID(session)})
	})

	t.Run("tells nothing of what was rolled back", func(t *testing.T) {
		is := is.New(t)
		shop := newShop(t, hostDSN(newPath(t)))
		first, due := create(t, shop.store, fresh(t)), create(t, shop.store, fresh(t))
		tx := shop.begin(t)
		change(t, shop.store.WithTx(tx), first)
		_, err := shop.store.WithTx(tx).Expire(t.Context(), due.ExpiresAt.Add(time.Hour), 10)
		is.NoErr(err)
		is.NoErr(tx.Rollback())
		ids, _ := told(t, shop.store, "")
		is.Equal(len(ids), 0)
		history, err := shop.store.History(t.Context(), first.Account, first.ID)
		is.NoErr(err)
		is.Equal(len(history), 1) // the creation
		first = change(t, shop.store, first)
		ids, _ = told(t, shop.store, "")
		is.Equal(ids, []string{eventID(first)})
	})

	t.Run("is one to two stores on one file", func(t *testing.T) {
		is := is.New(t)
		path := newPath(t)
		a, b := open(t, path), open(t, path)
		var want []string
		session := create(t, a, fresh(t))
		var seen checkout.Cursor
		for i := range 10 {
			session = change(t, []checkout.Store{a, b}[i%2], session)
			want = append(want, eventID(session))
			var ids []string
			ids, seen = told(t, []checkout.Store{b, a}[i%2], seen)
			is.Equal(ids, want[i:])
		}
	})

	t.Run("refuses a cursor of another database", func(t *testing.T) {
		is := is.New(t)
		s := open(t, newPath(t))
		session := create(t, s, fresh(t))
		change(t, s, session)
		for _, cursor := range []checkout.Cursor{"2", "0", "-1", "01", "1 ", "x", "99999999999999999999"} {
			_, err := s.Events(t.Context(), cursor, 10)
			var invalid *checkout.ValidationError
			is.True(errors.As(err, &invalid))
		}
	})
}
