package postgres_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/internal/pgtest"
	"github.com/caisse/checkout/store/postgres"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/matryer/is"
)

// TestLockedRowsDelayOnlyTheirCallers proves that a locked key or session delays only the calls for it, however many they are and however
// long the lock lasts. If they took all connections, no other call could be answered.
func TestLockedRowsDelayOnlyTheirCallers(t *testing.T) {
	for _, test := range []struct {
		name    string
		locked  int // keys or sessions
		callers int // for each of them
		// most is the greatest number of the store's connections that wait for a lock: two for batches, the rest for retried rows.
		most int
		// lock locks a key or session in the host's transaction.
		lock func(ctx context.Context, store *postgres.Store, tx pgx.Tx, s checkout.Session) error
		// call is one call for the locked key or session. Its error is nil if the call has its result.
		call func(ctx context.Context, store *postgres.Store, s checkout.Session) error
	}{
		{"creates with one locked key", 1, 79, 2 + 1, lockKey, createWithKey},
		{"creates with 12 locked keys", 12, 8, 2 + 4, lockKey, createWithKey},
		{"updates of one locked session", 1, 79, 2 + 1, lockSession, updateSession},
		{"updates of 12 locked sessions", 12, 8, 2 + 4, lockSession, updateSession},
	} {
		t.Run(test.name+" do not delay other writes and reads", func(t *testing.T) {
			t.Parallel()
			is := is.New(t)
			url := pgtest.URL(t)
			store, pool := openURL(t, pgtest.With(t, url, "pool_max_conns=8", "application_name="+test.name)), connect(t, url)
			mine := newSessions(40)
			for _, a := range createAtOnce(t.Context(), mine, store) {
				is.NoErr(a.err)
			}
			locked := newSessions(test.locked)
			tx := begin(t, pool)
			for _, s := range locked {
				is.NoErr(test.lock(t.Context(), store, tx, s))
			}

			// Each caller retries until it has its result, as clients do.
			var crowd sync.WaitGroup
			var refused atomic.Int64
			for _, s := range locked {
				for range test.callers {
					crowd.Go(func() {
						for err := test.call(t.Context(), store, s); err != nil; err = test.call(t.Context(), store, s) {
							if kindOf(t, err) != checkout.ErrUnavailable {
								t.Error(err)
								return
							}
							refused.Add(1)
						}
					})
				}
			}
			await(t, "a locked row to be retried in a transaction of its own", func() bool { return waitsInRetry(t, pool, test.name) })

			// The store waits for two seconds before it refuses a call for a locked row. The others must work during this time.
			for round := 0; round < 3 || refused.Load() < int64(test.callers); round++ {
				is.True(value[int](t, pool, "select count(*) from pg_stat_activity where application_name = $1 and wait_event_type = 'Lock'", test.name) <= test.most)
				for _, a := range createAtOnce(t.Context(), newSessions(40), store) {
					is.NoErr(a.err)
					is.True(a.created)
				}
				for i := range mine {
					mine[i].Version, mine[i].Status = mine[i].Version+1, checkout.StatusPending
				}
				is.NoErr(updateAtOnce(t.Context(), mine, store))
				for _, s := range mine {
					got, err := store.Get(t.Context(), s.Account, s.ID)
					is.NoErr(err)
					is.Equal(got, s)
				}
			}
			is.NoErr(tx.Commit(t.Context()))
			crowd.Wait()
		})
	}

	t.Run("a caller whose context ends stops waiting, and the others get the session", func(t *testing.T) {
		is := is.New(t)
		url := pgtest.URL(t)
		store, pool := openURL(t, pgtest.With(t, url, "application_name=patient")), connect(t, url)
		s := newSession()
		tx := begin(t, pool)
		is.NoErr(lockKey(t.Context(), store, tx, s))
		stayers, quitters := make(chan error, 20), make(chan error, 20)
		go func() { stayers <- createWithKey(t.Context(), store, s) }()
		await(t, "the first call to be retried in a transaction of its own", func() bool { return waitsInRetry(t, pool, "patient") })
		ctx, cancel := context.WithCancel(t.Context())
		quitter := waitedFor{ctx, make(chan struct{}, 1000)}
		for range 20 {
			go func() { quitters <- createWithKey(quitter, store, s) }()
		}
		for range 19 {
			go func() { stayers <- createWithKey(t.Context(), store, s) }()
		}
		for range 20 {
			receive(t, "a call to wait for the first one", quitter.waits)
		}
		cancel()
		for range 20 {
			is.Equal(kindOf(t, receive(t, "a call to end with its context", quitters)), context.Canceled) // while the key is still locked
		}
		is.NoErr(tx.Commit(t.Context()))
		for range 20 {
			is.NoErr(receive(t, "a call to get the session", stayers))
		}
	})
}

// waitsInRetry reports whether a row of a store has waited for a lock for longer than a batch does. Such a row is being retried in a
// transaction of its own.
func waitsInRetry(t *testing.T, pool *pgxpool.Pool, application string) bool {
	t.Helper()
	return value[bool](t, pool, `select count(*) > 0 from pg_stat_activity where application_name = $1
		and wait_event_type = 'Lock' and query_start < clock_timestamp() - interval '150 ms'`, application)
}

// waitedFor is a context that sends on waits each time that its Done method is called. The store calls it just before it waits.
type waitedFor struct {
	context.Context
	waits chan struct{}
}

func (w waitedFor) Done() <-chan struct{} {
	w.waits <- struct{}{}
	return w.Context.Done()
}

func lockKey(ctx context.Context, store *postgres.Store, tx pgx.Tx, s checkout.Session) error {
	_, _, err := store.WithTx(tx).Create(ctx, s)
	return err
}

func createWithKey(ctx context.Context, store *postgres.Store, s checkout.Session) error {
	again := newSession()
	again.IdempotencyKey = s.IdempotencyKey
	held, created, err := store.Create(ctx, again)
	if err == nil && (created || held.ID != s.ID) {
		return fmt.Errorf("the key names %s, but the host's transaction gave it to %s", held.ID, s.ID)
	}
	return err
}

func lockSession(ctx context.Context, store *postgres.Store, tx pgx.Tx, s checkout.Session) error {
	if _, _, err := store.Create(ctx, s); err != nil {
		return err
	}
	s.Version, s.Status = 2, checkout.StatusPending
	return store.WithTx(tx).Update(ctx, s)
}

func updateSession(ctx context.Context, store *postgres.Store, s checkout.Session) error {
	s.Version, s.Status = 2, checkout.StatusPending
	err := store.Update(ctx, s)
	if err == checkout.ErrConflict { // the host's update came first
		return nil
	}
	if err == nil {
		return fmt.Errorf("session %s was updated twice to one version", s.ID)
	}
	return err
}

// updateAtOnce updates all sessions at the same time. It returns one of the errors, if there are any.
func updateAtOnce(ctx context.Context, sessions []checkout.Session, store checkout.Store) error {
	errs := make(chan error, len(sessions))
	for _, s := range sessions {
		go func() { errs <- store.Update(ctx, s) }()
	}
	var err error
	for range sessions {
		if e := <-errs; e != nil {
			err = e
		}
	}
	return err
}
