package postgres_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/internal/pgtest"
	"github.com/caisse/checkout/store/postgres"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/matryer/is"
)

// bySequence reads the feed in the wrong way, in the order of the sequence numbers. It is the negative control.
func bySequence(t *testing.T, pool *pgxpool.Pool, after int64) (ids []string, last int64) {
	t.Helper()
	rows, err := pool.Query(t.Context(), "select session, num from checkout_events where num > $1 order by num", after)
	is.New(t).NoErr(err)
	last = after
	var id string
	_, err = pgx.ForEachRow(rows, []any{&id, &last}, func() error { ids = append(ids, id); return nil })
	is.New(t).NoErr(err)
	return ids, last
}

// feedOf reads all events after a cursor, in pages of two. It returns their ids and the cursor of the last event.
func feedOf(t *testing.T, store checkout.Store, after checkout.Cursor) (ids []string, last checkout.Cursor) {
	t.Helper()
	for {
		events, err := store.Events(t.Context(), after, 2)
		is.New(t).NoErr(err)
		if len(events) == 0 {
			return ids, after
		}
		for _, e := range events {
			ids, after = append(ids, e.ID), e.Cursor
		}
	}
}

// createNew creates a session.
func createNew(t *testing.T, store checkout.Store) checkout.Session {
	t.Helper()
	s, _, err := store.Create(t.Context(), newSession())
	is.New(t).NoErr(err)
	return s
}

// change updates a session to its next version, and returns this version.
func change(t *testing.T, store checkout.Store, s checkout.Session, status checkout.Status) checkout.Session {
	t.Helper()
	s = next(s, status)
	is.New(t).NoErr(store.Update(t.Context(), s))
	return s
}

// next returns the next version of a session, one second later.
func next(s checkout.Session, status checkout.Status) checkout.Session {
	s.Version++
	s.Status = status
	s.UpdatedAt = s.UpdatedAt.Add(time.Second)
	if status == checkout.StatusCompleted {
		s.CompletedAt = s.UpdatedAt
	}
	return s
}

// eventOf returns the id of the event whose change made this version of a session.
func eventOf(s checkout.Session) string { return checkout.NewEvent(s, "").ID }

var isolations = []pgx.TxIsoLevel{pgx.ReadCommitted, pgx.RepeatableRead, pgx.Serializable}

// TestFeedWhileATransactionIsHeldOpen proves that a reader misses no event that commits late. A transaction gets its place in the feed
// when it writes. It may commit after transactions with later places. A reader that had passed its place would never see its event.
func TestFeedWhileATransactionIsHeldOpen(t *testing.T) {
	for _, level := range isolations {
		t.Run("loses no event that commits late under "+string(level)+", unlike a sequence", func(t *testing.T) {
			is := is.New(t)
			url := pgtest.URL(t)
			store, other, reader, pool := openURL(t, url), openURL(t, url), openURL(t, url), connect(t, url)
			slow, quick := createNew(t, store), createNew(t, other)
			awaitTransactions(t, pool)

			tx, err := pool.BeginTx(t.Context(), pgx.TxOptions{IsoLevel: level})
			is.NoErr(err)
			defer tx.Rollback(t.Context())
			slow = change(t, store.WithTx(tx), slow, checkout.StatusPending)
			quick = change(t, other, quick, checkout.StatusPending)

			seen, number := bySequence(t, pool, 0)
			is.Equal(seen, []string{quick.ID})
			early, cursor := feedOf(t, reader, "")
			is.Equal(len(early), 0) // the open transaction may still add an event before the event of quick
			last, err := reader.Events(t.Context(), checkout.LastEvent, 10)
			is.NoErr(err)
			is.Equal(len(last), 0)

			is.NoErr(tx.Commit(t.Context()))
			awaitTransactions(t, pool)
			seen, _ = bySequence(t, pool, number)
			is.Equal(len(seen), 0) // negative control: a reader that continues after the last number never sees the event of slow
			shown, _ := feedOf(t, reader, cursor)
			is.Equal(shown, []string{eventOf(slow), eventOf(quick)})
		})

		t.Run("shows within a transaction under "+string(level)+" what others see, without its own events", func(t *testing.T) {
			is := is.New(t)
			url := pgtest.URL(t)
			store, pool := openURL(t, url), connect(t, url)
			first := change(t, store, createNew(t, store), checkout.StatusPending)
			second := createNew(t, store)
			awaitTransactions(t, pool)
			tx, err := pool.BeginTx(t.Context(), pgx.TxOptions{IsoLevel: level})
			is.NoErr(err)
			defer tx.Rollback(t.Context())
			second = change(t, store.WithTx(tx), second, checkout.StatusPending)
			shown, cursor := feedOf(t, store.WithTx(tx), "")
			is.Equal(shown, []string{eventOf(first)})
			is.NoErr(tx.Commit(t.Context()))
			awaitTransactions(t, pool)
			shown, _ = feedOf(t, store, cursor)
			is.Equal(shown, []string{eventOf(second)})
		})
	}

	t.Run("loses no event of a transaction that began before others and changed a session after them", func(t *testing.T) {
		is := is.New(t)
		url := pgtest.URL(t)
		store, pool := openURL(t, url), connect(t, url)
		slow, quick := createNew(t, store), createNew(t, store)
		tx := begin(t, pool)
		_, err := tx.Exec(t.Context(), "select pg_current_xact_id()")
		is.NoErr(err)
		quick = change(t, store, quick, checkout.StatusPending)
		early, cursor := feedOf(t, store, "")
		is.Equal(len(early), 0)
		slow = change(t, store.WithTx(tx), slow, checkout.StatusPending)
		is.NoErr(tx.Commit(t.Context()))
		awaitTransactions(t, pool)
		shown, _ := feedOf(t, store, cursor)
		is.Equal(shown, []string{eventOf(slow), eventOf(quick)})
	})

	t.Run("loses no event of a savepoint, and shows none that was rolled back", func(t *testing.T) {
		is := is.New(t)
		url := pgtest.URL(t)
		store, other, pool := openURL(t, url), openURL(t, url), connect(t, url)
		kept, dropped, quick := createNew(t, store), createNew(t, store), createNew(t, other)
		awaitTransactions(t, pool)
		tx := begin(t, pool)
		inner, err := tx.Begin(t.Context())
		is.NoErr(err)
		change(t, store.WithTx(inner), dropped, checkout.StatusPending)
		is.NoErr(inner.Rollback(t.Context()))
		inner, err = tx.Begin(t.Context())
		is.NoErr(err)
		kept = change(t, store.WithTx(inner), kept, checkout.StatusPending)
		is.NoErr(inner.Commit(t.Context()))
		quick = change(t, other, quick, checkout.StatusPending)
		early, cursor := feedOf(t, other, "")
		is.Equal(len(early), 0)
		is.NoErr(tx.Commit(t.Context()))
		awaitTransactions(t, pool)
		shown, _ := feedOf(t, other, cursor)
		is.Equal(shown, []string{eventOf(kept), eventOf(quick)})
		history, err := store.History(t.Context(), dropped.Account, dropped.ID)
		is.NoErr(err)
		is.Equal(len(history), 1) // only the creation
	})

	t.Run("waits for a transaction that writes another table, but not for one that only reads", func(t *testing.T) {
		is := is.New(t)
		url := pgtest.URL(t)
		store, pool := openURL(t, url), connect(t, url)
		exec(t, pool, "create table orders (id int)")
		s := createNew(t, store)
		awaitTransactions(t, pool)
		reads, writes := begin(t, pool), begin(t, pool)
		_, err := reads.Exec(t.Context(), "select count(*) from checkout_sessions")
		is.NoErr(err)
		_, err = writes.Exec(t.Context(), "insert into orders values (1)")
		is.NoErr(err)
		s = change(t, store, s, checkout.StatusPending)
		shown, _ := feedOf(t, store, "")
		is.Equal(len(shown), 0)
		got, err := store.Get(t.Context(), s.Account, s.ID) // the session already has the change
		is.NoErr(err)
		is.Equal(got, s)
		is.NoErr(writes.Rollback(t.Context()))
		awaitTransactions(t, pool)
		shown, _ = feedOf(t, store, "")
		is.Equal(shown, []string{eventOf(s)})
	})
}

// TestFeedWhileOthersWrite proves that readers see every event once, and all in the same order, while others write. Two instances and
// transactions of the host change sessions. At the same time the readers of two more instances walk the feed.
func TestFeedWhileOthersWrite(t *testing.T) {
	is := is.New(t)
	url := pgtest.URL(t)
	stores := [2]*postgres.Store{openURL(t, url), openURL(t, url)}
	pool := connect(t, url)
	sessions := newSessions(240)
	for _, a := range createAtOnce(t.Context(), sessions, stores[0]) {
		is.NoErr(a.err)
	}

	var writers, readers sync.WaitGroup
	for w := range 6 {
		mine := sessions[w*40 : (w+1)*40]
		writers.Go(func() {
			for i, s := range mine {
				s = next(s, checkout.StatusPending)
				store := stores[i%2]
				if w%2 == 0 {
					if err := store.Update(t.Context(), s); err != nil {
						t.Error(err)
					}
					continue
				}
				for {
					err := pgx.BeginTxFunc(t.Context(), pool, pgx.TxOptions{IsoLevel: isolations[i%3]}, func(tx pgx.Tx) error {
						if err := store.WithTx(tx).Update(t.Context(), s); err != nil {
							return err
						}
						_, err := tx.Exec(t.Context(), "select pg_sleep(0.002)") // so that others commit meanwhile
						return err
					})
					var pg *pgconn.PgError
					if errors.As(err, &pg) && pg.Code == "40001" {
						continue // the host must begin again
					}
					if err != nil {
						t.Error(err)
					}
					break
				}
			}
		})
	}
	done := make(chan struct{})
	var walks [2][]string
	for r := range walks {
		reader := openURL(t, url)
		readers.Go(func() {
			var cursor checkout.Cursor
			for over := false; !over; {
				select {
				case <-done:
					over = true // read once more, to the end
					awaitTransactions(t, pool)
				default:
				}
				var ids []string
				ids, cursor = feedOf(t, reader, cursor)
				walks[r] = append(walks[r], ids...)
			}
		})
	}
	writers.Wait()
	close(done)
	readers.Wait()

	all, _ := feedOf(t, stores[0], "")
	is.Equal(len(all), len(sessions))
	for _, walk := range walks {
		is.Equal(walk, all) // each event once, in the final order
	}
	slices.Sort(all)
	is.Equal(len(slices.Compact(all)), len(sessions))
}

// TestFeedAfterFailover proves that a cursor of the old primary stays valid on the standby that replaces it.
func TestFeedAfterFailover(t *testing.T) {
	is := is.New(t)
	primary := pgtest.Start(t)
	standby := primary.Standby(t)
	store, pool := openURL(t, primary.URL()), connect(t, primary.URL())
	primary.WaitForStandby(t, true)
	var want []string
	for range 5 {
		want = append(want, eventOf(change(t, store, createNew(t, store), checkout.StatusPending)))
	}
	awaitTransactions(t, pool)
	page, err := store.Events(t.Context(), "", 3)
	is.NoErr(err)
	is.Equal(len(page), 3)
	// This transaction is lost with the primary. It takes a number and a place before those of the next event.
	lost := createNew(t, store)
	tx := begin(t, pool)
	change(t, store.WithTx(tx), lost, checkout.StatusPending)
	want = append(want, eventOf(change(t, store, createNew(t, store), checkout.StatusPending)))

	primary.Crash(t)
	standby.Promote(t)
	store, pool = openURL(t, standby.URL()), connect(t, standby.URL())
	awaitTransactions(t, pool)
	shown, cursor := feedOf(t, store, page[2].Cursor)
	is.Equal(shown, want[3:])
	last, err := store.Events(t.Context(), checkout.LastEvent, 1)
	is.NoErr(err)
	is.Equal(len(last), 1)
	is.Equal(last[0].Cursor, cursor)
	after := change(t, store, createNew(t, store), checkout.StatusPending)
	awaitTransactions(t, pool)
	shown, _ = feedOf(t, store, cursor)
	is.Equal(shown, []string{eventOf(after)})
}

// TestFeedCursor proves which cursors the feed accepts.
func TestFeedCursor(t *testing.T) {
	isRefused := func(t *testing.T, err error) {
		t.Helper()
		var invalid *checkout.ValidationError
		if !errors.As(err, &invalid) || len(invalid.Fields) != 1 || invalid.Fields[0].Field != "cursor" {
			t.Errorf("got %v, want a ValidationError about the cursor", err)
		}
	}
	t.Run("is refused if no store can have made it", func(t *testing.T) {
		store := open(t)
		for _, cursor := range []checkout.Cursor{
			"x", ":", "1", "1:", ":1", "0:1", "1:0", "-1:1", "1:-1", "01:1", "1:01", "+1:1", " 1:1", "1:1 ", "1:1:1", "1:1x", "1.5:1",
			"18446744073709551616:1", "1:9223372036854775808", "LAST", "\x00", "1:\xff",
		} {
			_, err := store.Events(t.Context(), cursor, 10)
			isRefused(t, err)
		}
	})
	t.Run("is refused if its transaction has not begun, as in a database restored from a dump", func(t *testing.T) {
		is := is.New(t)
		url := pgtest.URL(t)
		store, pool := openURL(t, url), connect(t, url)
		change(t, store, createNew(t, store), checkout.StatusPending)
		var xmax uint64
		is.NoErr(pool.QueryRow(t.Context(), "select pg_snapshot_xmax(pg_current_snapshot())::text::bigint").Scan(&xmax))
		for _, beyond := range []uint64{xmax + 1000, xmax + 1<<32, 1<<64 - 1} {
			_, err := store.Events(t.Context(), checkout.Cursor(fmt.Sprintf("%d:1", beyond)), 10)
			isRefused(t, err)
		}
		shown, err := store.Events(t.Context(), checkout.Cursor(fmt.Sprintf("%d:1", xmax-1)), 10)
		is.NoErr(err)
		is.Equal(len(shown), 0)
	})
	t.Run("stays valid after its event was pruned", func(t *testing.T) {
		is := is.New(t)
		url := pgtest.URL(t)
		store, pool := openURL(t, url), connect(t, url)
		first := change(t, store, createNew(t, store), checkout.StatusFailed)
		second := change(t, store, createNew(t, store), checkout.StatusPending)
		awaitTransactions(t, pool)
		page, err := store.Events(t.Context(), "", 1)
		is.NoErr(err)
		is.Equal(page[0].Session, first)
		n, err := store.Prune(t.Context(), first.CreatedAt.Add(time.Hour), 10)
		is.NoErr(err)
		is.Equal(n, 1)
		shown, _ := feedOf(t, store, page[0].Cursor)
		is.Equal(shown, []string{eventOf(second)})
	})
	t.Run("skips all events of sessions that somebody has deleted by hand", func(t *testing.T) {
		is := is.New(t)
		url := pgtest.URL(t)
		store, pool := openURL(t, url), connect(t, url)
		for range 5 {
			change(t, store, createNew(t, store), checkout.StatusPending)
		}
		exec(t, pool, "delete from checkout_sessions")
		after := change(t, store, createNew(t, store), checkout.StatusPending)
		awaitTransactions(t, pool)
		shown, _ := feedOf(t, store, "")
		is.Equal(shown, []string{eventOf(after)})
	})
}
