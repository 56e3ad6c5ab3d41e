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

// What is held is nobody's trouble but theirs who want it, for as long as it lasts and however many they are.
func TestCrowdOnWhatIsHeld(t *testing.T) {
	for _, test := range []struct {
		name    string
		held    int // keys or sessions
		callers int // of each
		most    int // of the store's connections wait for them: two of batches, and those of rows that go alone
		// hold takes what is to be held, in the host's transaction.
		hold func(ctx context.Context, store *postgres.Store, tx pgx.Tx, s checkout.Session) error
		// want is one call for what is held; nil for done.
		want func(ctx context.Context, store *postgres.Store, s checkout.Session) error
	}{
		{"creates with one key", 1, 79, 2 + 1, holdKey, wantKey},
		{"creates with 12 keys", 12, 8, 2 + 4, holdKey, wantKey},
		{"updates of one session", 1, 79, 2 + 1, holdSession, wantSession},
		{"updates of 12 sessions", 12, 8, 2 + 4, holdSession, wantSession},
	} {
		t.Run(test.name+" leave the others' writes and reads alone", func(t *testing.T) {
			t.Parallel()
			is := is.New(t)
			url := pgtest.URL(t)
			store, pool := openURL(t, pgtest.With(t, url, "pool_max_conns=8", "application_name="+test.name)), connect(t, url)
			mine := newSessions(40)
			for _, a := range createAtOnce(t.Context(), mine, store) {
				is.NoErr(a.err)
			}
			held := newSessions(test.held)
			tx := begin(t, pool)
			for _, s := range held {
				is.NoErr(test.hold(t.Context(), store, tx, s))
			}

			// Each caller comes again until it has what it wants, as clients do.
			var crowd sync.WaitGroup
			var refused atomic.Int64
			for _, s := range held {
				for range test.callers {
					crowd.Go(func() {
						for err := test.want(t.Context(), store, s); err != nil; err = test.want(t.Context(), store, s) {
							if kindOf(t, err) != checkout.ErrUnavailable {
								t.Error(err)
								return
							}
							refused.Add(1)
						}
					})
				}
			}
			await(t, "one to wait alone", func() bool { return waitsAlone(t, pool, test.name) })

			// The store waits for two seconds before it refuses what is held.
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

	t.Run("who gives up waits no longer, and the others get the session", func(t *testing.T) {
		is := is.New(t)
		url := pgtest.URL(t)
		store, pool := openURL(t, pgtest.With(t, url, "application_name=patient")), connect(t, url)
		s := newSession()
		tx := begin(t, pool)
		is.NoErr(holdKey(t.Context(), store, tx, s))
		stayers, quitters := make(chan error, 20), make(chan error, 20)
		go func() { stayers <- wantKey(t.Context(), store, s) }()
		await(t, "the first to wait alone", func() bool { return waitsAlone(t, pool, "patient") })
		ctx, cancel := context.WithCancel(t.Context())
		quitter := waitedFor{ctx, make(chan struct{}, 1000)}
		for range 20 {
			go func() { quitters <- wantKey(quitter, store, s) }()
		}
		for range 19 {
			go func() { stayers <- wantKey(t.Context(), store, s) }()
		}
		for range 20 {
			<-quitter.waits
		}
		cancel()
		for range 20 {
			is.Equal(kindOf(t, <-quitters), context.Canceled) // while the key is held
		}
		is.NoErr(tx.Commit(t.Context()))
		for range 20 {
			is.NoErr(<-stayers)
		}
	})
}

// waitsAlone reports whether a store's row waits for longer than batches do.
func waitsAlone(t *testing.T, pool *pgxpool.Pool, application string) bool {
	t.Helper()
	return value[bool](t, pool, `select count(*) > 0 from pg_stat_activity where application_name = $1
		and wait_event_type = 'Lock' and query_start < clock_timestamp() - interval '150 ms'`, application)
}

// waitedFor is a context that tells when somebody is about to wait for its end.
type waitedFor struct {
	context.Context
	waits chan struct{}
}

func (w waitedFor) Done() <-chan struct{} {
	w.waits <- struct{}{}
	return w.Context.Done()
}

func holdKey(ctx context.Context, store *postgres.Store, tx pgx.Tx, s checkout.Session) error {
	_, _, err := store.WithTx(tx).Create(ctx, s)
	return err
}

func wantKey(ctx context.Context, store *postgres.Store, s checkout.Session) error {
	again := newSession()
	again.IdempotencyKey = s.IdempotencyKey
	held, created, err := store.Create(ctx, again)
	if err == nil && (created || held.ID != s.ID) {
		return fmt.Errorf("the key names %s, and the host's transaction made it name %s", held.ID, s.ID)
	}
	return err
}

func holdSession(ctx context.Context, store *postgres.Store, tx pgx.Tx, s checkout.Session) error {
	if _, _, err := store.Create(ctx, s); err != nil {
		return err
	}
	s.Version, s.Status = 2, checkout.StatusPending
	return store.WithTx(tx).Update(ctx, s)
}

func wantSession(ctx context.Context, store *postgres.Store, s checkout.Session) error {
	s.Version, s.Status = 2, checkout.StatusPending
	err := store.Update(ctx, s)
	if err == checkout.ErrConflict { // the host's came first
		return nil
	}
	if err == nil {
		return fmt.Errorf("session %s was updated twice to one version", s.ID)
	}
	return err
}

// updateAtOnce returns an error of those that there are.
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
