package postgres_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/internal/pgtest"
	"github.com/matryer/is"
)

// TestPrune proves that Prune removes ended sessions with their keys and events, and nothing else, also while others write.
func TestPrune(t *testing.T) {
	t.Run("removes ended sessions of every account and mode, with their keys and events, and nothing else", func(t *testing.T) {
		is := is.New(t)
		url := pgtest.URL(t)
		store, pool := openURL(t, url), connect(t, url)
		cutoff := time.Now().UTC().Truncate(time.Microsecond)
		var gone, stay []checkout.Session
		for _, account := range []checkout.Account{{ID: "acct_1"}, {ID: "acct_1", Test: true}, {ID: "acct_2"}, {ID: "b"}} {
			for _, status := range checkout.Statuses() {
				for _, age := range []time.Duration{time.Microsecond, 0} {
					s := newSession()
					s.Account, s.CreatedAt, s.UpdatedAt = account, cutoff.Add(-age), cutoff.Add(-age)
					_, _, err := store.Create(t.Context(), s)
					is.NoErr(err)
					if status != checkout.StatusCreated {
						s = change(t, store, s, status)
					}
					if ended := !slices.Contains(checkout.Statuses()[:3], status); ended && age > 0 {
						gone = append(gone, s)
					} else {
						stay = append(stay, s)
					}
				}
			}
		}
		total := 0
		for n := 3; n == 3; { // three at a time, across accounts
			var err error
			n, err = store.Prune(t.Context(), cutoff, 3)
			is.NoErr(err)
			is.True(n <= 3)
			total += n
		}
		is.Equal(total, len(gone))
		for _, s := range gone {
			_, err := store.GetByKey(t.Context(), s.Account, s.IdempotencyKey)
			is.Equal(err, checkout.ErrNotFound)
			_, err = store.History(t.Context(), s.Account, s.ID)
			is.Equal(err, checkout.ErrNotFound)
		}
		for _, s := range stay {
			got, err := store.Get(t.Context(), s.Account, s.ID)
			is.NoErr(err)
			is.Equal(got, s)
			history := historyOf(t, store, s)
			is.Equal(history[len(history)-1], s)
		}
		is.Equal(value[int](t, pool, "select count(*) from checkout_events as e where not exists (select from checkout_sessions as s where s.id = e.session)"), 0)
		again := newSession()
		again.Account, again.IdempotencyKey = gone[0].Account, gone[0].IdempotencyKey
		_, created, err := store.Create(t.Context(), again) // the key is free again
		is.NoErr(err)
		is.True(created)
	})

	t.Run("removes each session once when instances prune at the same time", func(t *testing.T) {
		is := is.New(t)
		url := pgtest.URL(t)
		stores := []checkout.Store{openURL(t, url), openURL(t, url)}
		for range 60 {
			change(t, stores[0], createNew(t, stores[0]), checkout.StatusFailed)
		}
		var mu sync.Mutex
		var wg sync.WaitGroup
		total := 0
		for i := range 4 {
			wg.Go(func() {
				for {
					n, err := stores[i%2].Prune(t.Context(), time.Now().Add(time.Hour), 7)
					if err != nil {
						t.Error(err)
					}
					mu.Lock()
					total += n
					mu.Unlock()
					if n == 0 {
						return
					}
				}
			})
		}
		wg.Wait()
		n, err := stores[0].Prune(t.Context(), time.Now().Add(time.Hour), 100) // those that one call skipped because another had locked them
		is.NoErr(err)
		is.Equal(total+n, 60)
	})

	t.Run("skips a session that another transaction has locked", func(t *testing.T) {
		is := is.New(t)
		url := pgtest.URL(t)
		store, pool := openURL(t, url), connect(t, url)
		locked := change(t, store, createNew(t, store), checkout.StatusFailed)
		change(t, store, createNew(t, store), checkout.StatusFailed)
		tx := begin(t, pool)
		late := change(t, store.WithTx(tx), locked, checkout.StatusCompleted)
		n, err := store.Prune(t.Context(), time.Now().Add(time.Hour), 10)
		is.NoErr(err)
		is.Equal(n, 1)
		is.NoErr(tx.Commit(t.Context()))
		got, err := store.Get(t.Context(), late.Account, late.ID)
		is.NoErr(err)
		is.Equal(got, late)
	})

	t.Run("leaves behind no event of a change that commits while it runs", func(t *testing.T) {
		is := is.New(t)
		url := pgtest.URL(t)
		store, pool := openURL(t, url), connect(t, url)
		failed := change(t, store, createNew(t, store), checkout.StatusFailed)
		// The trigger runs after the statement has taken its snapshot and before it reads a row. There it waits, while the change commits.
		exec(t, pool, `create function hold() returns trigger language plpgsql as $$ begin perform pg_advisory_xact_lock_shared(4711); return null; end $$`)
		exec(t, pool, "create trigger hold before delete on checkout_sessions for each statement execute function hold()")
		gate := begin(t, pool)
		_, err := gate.Exec(t.Context(), "select pg_advisory_xact_lock(4711)")
		is.NoErr(err)
		// Prune runs in a transaction of the host, because the store sets no lock_timeout there.
		tx := begin(t, pool)
		pruned := make(chan int, 1)
		go func() {
			n, err := store.WithTx(tx).Prune(context.WithoutCancel(t.Context()), time.Now().Add(time.Hour), 10)
			if err != nil {
				t.Error(err)
			}
			pruned <- n
		}()
		await(t, "Prune to begin", func() bool {
			return value[bool](t, pool, "select exists (select from pg_locks where locktype = 'advisory' and not granted)")
		})
		late := change(t, store, failed, checkout.StatusCompleted)
		is.NoErr(gate.Rollback(t.Context()))
		is.Equal(receive(t, "Prune to end", pruned), 0) // the changed session is left to the next Prune
		is.NoErr(tx.Commit(t.Context()))
		is.Equal(len(historyOf(t, store, late)), 3)
		exec(t, pool, "drop trigger hold on checkout_sessions")
		n, err := store.Prune(t.Context(), time.Now().Add(time.Hour), 10)
		is.NoErr(err)
		is.Equal(n, 1)
		is.Equal(value[int](t, pool, "select count(*) from checkout_events"), 0)
	})
}
