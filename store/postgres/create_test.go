package postgres_test

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/internal/pgtest"
	"github.com/caisse/checkout/store/postgres"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/matryer/is"
)

// answer is the result of one Create.
type answer struct {
	held    checkout.Session
	created bool
	err     error
}

// createAtOnce creates all sessions at the same time. It uses the stores in turn.
func createAtOnce(ctx context.Context, sessions []checkout.Session, stores ...checkout.Store) []answer {
	answers := make([]answer, len(sessions))
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i, s := range sessions {
		wg.Go(func() {
			<-start
			a := &answers[i]
			a.held, a.created, a.err = stores[i%len(stores)].Create(ctx, s)
		})
	}
	close(start)
	wg.Wait()
	return answers
}

func newSessions(n int) []checkout.Session {
	sessions := make([]checkout.Session, n)
	for i := range sessions {
		sessions[i] = newSession()
	}
	return sessions
}

// random returns text that does not compress.
func random(n int) string {
	var b strings.Builder
	for b.Len() < n {
		b.WriteString(rand.Text())
	}
	return b.String()
}

// TestCreateAtOnce proves the promises of concurrent creates: one key names one session, also across instances, and a bad row fails only
// its own call.
func TestCreateAtOnce(t *testing.T) {
	for _, level := range []string{"read committed", "repeatable read", "serializable"} {
		t.Run("creates one session for 200 callers of two instances with one key, with the default isolation "+level, func(t *testing.T) {
			is := is.New(t)
			url := pgtest.URL(t, "default_transaction_isolation="+level)
			here, there := openURL(t, url), openURL(t, url)
			for range 5 {
				sessions := newSessions(200)
				for i := range sessions {
					sessions[i].IdempotencyKey = sessions[0].IdempotencyKey
				}
				created := 0
				answers := createAtOnce(t.Context(), sessions, here, there)
				for i, a := range answers {
					is.NoErr(a.err)
					is.Equal(a.held, answers[0].held) // all callers get the same session
					if a.created {
						created++
						is.Equal(a.held.ID, sessions[i].ID)
					}
				}
				is.Equal(created, 1)
			}
		})
	}

	t.Run("makes far fewer inserts than calls when many calls have one key", func(t *testing.T) {
		is := is.New(t)
		url := pgtest.URL(t)
		store, pool := openURL(t, url), connect(t, url)
		exec(t, pool, "create sequence tries; create function count_try() returns trigger language plpgsql as $$ begin perform nextval('tries'); return new; end $$")
		exec(t, pool, "create trigger count_try before insert on checkout_sessions for each row execute function count_try()")
		sessions := newSessions(200)
		for i := range sessions {
			sessions[i].IdempotencyKey = sessions[0].IdempotencyKey
		}
		for _, a := range createAtOnce(t.Context(), sessions, store) {
			is.NoErr(a.err)
		}
		is.True(value[int](t, pool, "select last_value from tries") < 100) // each batch inserts the key at most once, and there are 200 calls
	})

	t.Run("creates every session when three calls share a key and others have none, on two instances", func(t *testing.T) {
		is := is.New(t)
		url := pgtest.URL(t)
		here, there := openURL(t, url), openURL(t, url)
		sessions := newSessions(300)
		for i := range sessions {
			sessions[i].IdempotencyKey = sessions[i%100].IdempotencyKey // three for each key
			if i%10 == 0 {
				sessions[i].IdempotencyKey = ""
			}
		}
		created := make(map[string]bool)
		answers := createAtOnce(t.Context(), sessions, here, there)
		for i, a := range answers {
			is.NoErr(a.err)
			if a.created {
				created[a.held.ID] = true
				is.Equal(a.held, sessions[i])
			}
		}
		is.Equal(len(created), 90+30) // 90 keys, and 30 sessions without a key
		for i, a := range answers {
			is.True(created[a.held.ID])
			is.Equal(a.held.IdempotencyKey, sessions[i].IdempotencyKey)
		}
		is.Equal(value[int](t, connect(t, url), "select count(*) from checkout_sessions"), 120)
	})

	t.Run("writes batches larger than any buffer, whose answers are as large", func(t *testing.T) {
		is := is.New(t)
		url := pgtest.URL(t)
		store, pool := openURL(t, url), connect(t, url)
		exec(t, pool, "create function say() returns trigger language plpgsql as $$ begin raise notice '%', repeat('-', 20000); return new; end $$")
		exec(t, pool, "create trigger say before insert on checkout_sessions for each row execute function say()")
		sessions := newSessions(600)
		for i := range sessions {
			sessions[i].Description = random(20_000) // 5 MB for each batch, and as much in notices from the server
		}
		for i, a := range createAtOnce(t.Context(), sessions, store) {
			is.NoErr(a.err)
			is.True(a.created)
			is.Equal(a.held, sessions[i])
		}
		is.Equal(value[int](t, pool, "select count(*) from checkout_sessions"), len(sessions))
	})
	t.Run("fails only the call with the bad row, and not the calls at the same time", func(t *testing.T) {
		is := is.New(t)
		url := pgtest.URL(t)
		store, pool := openURL(t, url), connect(t, url)
		exec(t, pool, "alter table checkout_sessions add constraint checkout_small check (amount < 1000000)")
		spoil := []func(*checkout.Session){
			func(s *checkout.Session) { s.Description = "nul \x00" },
			func(s *checkout.Session) { s.PaymentID = "not UTF-8 \xff" },
			func(s *checkout.Session) { s.Account.ID = "\xc3" },
			func(s *checkout.Session) { s.Amount = 1000000 },                             // 23514: the host's constraint
			func(s *checkout.Session) { s.Account.ID = random(9000) },                    // 54000: too long for an index
			func(s *checkout.Session) { s.ExpiresAt = s.ExpiresAt.AddDate(10000, 0, 0) }, // a year of five digits
		}
		for i, spoil := range spoil {
			sessions := newSessions(120)
			bad := i * 17
			spoil(&sessions[bad])
			for j, a := range createAtOnce(t.Context(), sessions, store) {
				if j != bad {
					is.NoErr(a.err)
					is.True(a.created)
					continue
				}
				is.True(a.err != nil)
				is.True(!errors.Is(a.err, checkout.ErrUnavailable))    // a retry would fail again
				is.True(!errors.Is(a.err, checkout.ErrOutcomeUnknown)) // a definite error: it was not written
				is.Equal(value[int](t, pool, "select count(*) from checkout_sessions where id = $1", sessions[bad].ID), 0)
			}
		}
		is.Equal(value[int](t, pool, "select count(*) from checkout_sessions"), len(spoil)*119)
	})

	t.Run("distinguishes a taken id from a taken key", func(t *testing.T) {
		is := is.New(t)
		store := open(t)
		first := newSession()
		_, _, err := store.Create(t.Context(), first)
		is.NoErr(err)
		sessions := newSessions(50)
		sessions[10].ID = first.ID
		sessions[20].ID, sessions[20].IdempotencyKey = first.ID, ""
		sessions[30].ID, sessions[30].Account = first.ID, checkout.Account{ID: "acct_2"}
		sessions[40].IdempotencyKey = first.IdempotencyKey
		sessions[45].ID = sessions[44].ID // only one of these two is created
		answers := createAtOnce(t.Context(), sessions, store)
		for _, i := range []int{10, 20, 30} {
			is.True(answers[i].err != nil)
			is.True(!answers[i].created)
		}
		is.NoErr(answers[40].err)
		is.Equal(answers[40].held, first)
		is.True((answers[44].err == nil) != (answers[45].err == nil))
	})
}

// TestLockedByAnotherTransaction proves what the store does while a transaction of the host locks a key or a session. The host may keep
// the lock for a long time, so only the calls for that key or session may wait.
func TestLockedByAnotherTransaction(t *testing.T) {
	t.Run("delays only the caller of the locked key, and answers it once the key is free", func(t *testing.T) {
		is := is.New(t)
		url := pgtest.URL(t)
		openURL(t, url)
		pool, hostsPool := connect(t, url), connect(t, pgtest.With(t, url, "pool_max_conns=2"))
		store, err := postgres.New(hostsPool)
		is.NoErr(err)
		for _, commit := range []bool{true, false} {
			tx := begin(t, pool)
			first := newSession()
			_, created, err := store.WithTx(tx).Create(t.Context(), first)
			is.NoErr(err)
			is.True(created)

			// As long as the store gets no connection, two batches of one row wait for a connection, and all other rows wait for the next batch.
			var conns [2]*pgxpool.Conn
			for i := range conns {
				conns[i], err = hostsPool.Acquire(t.Context())
				is.NoErr(err)
				defer conns[i].Release()
			}
			ctx := waitedFor{t.Context(), make(chan struct{}, 1000)}
			create := func(s checkout.Session, to chan answer) {
				var a answer
				a.held, a.created, a.err = store.Create(ctx, s)
				to <- a
			}
			others, answered := make(chan answer, 10), make(chan answer, 1)
			for _, s := range newSessions(10) {
				go create(s, others)
			}
			for range 8 {
				receive(t, "eight rows to wait for the next batch", ctx.waits)
			}
			again := newSession()
			again.IdempotencyKey = first.IdempotencyKey
			go create(again, answered)
			receive(t, "the row with the locked key to wait for the same batch", ctx.waits)
			for _, conn := range conns {
				conn.Release()
			}
			for range 10 {
				a := receive(t, "the answers for the other keys", others)
				is.NoErr(a.err)
				is.True(a.created)
			}
			if commit {
				is.NoErr(tx.Commit(t.Context()))
			} else {
				is.NoErr(tx.Rollback(t.Context()))
			}
			a := receive(t, "the answer for the locked key", answered)
			is.NoErr(a.err)
			is.Equal(a.created, !commit)
			if commit {
				is.Equal(a.held, first)
			}
		}
	})
	t.Run("ends a call for the locked key after the lock timeout, and writes nothing", func(t *testing.T) {
		is := is.New(t)
		url := pgtest.URL(t)
		store, pool := openURL(t, url), connect(t, url)
		tx := begin(t, pool)
		first := newSession()
		_, _, err := store.WithTx(tx).Create(t.Context(), first)
		is.NoErr(err)
		again := newSession()
		again.IdempotencyKey = first.IdempotencyKey
		_, _, err = store.Create(t.Context(), again)
		is.True(errors.Is(err, checkout.ErrUnavailable))
		var pg *pgconn.PgError
		is.True(errors.As(err, &pg))
		is.Equal(pg.Code, "55P03")
		is.NoErr(tx.Rollback(t.Context()))
		_, err = store.GetByKey(t.Context(), first.Account, first.IdempotencyKey)
		is.True(errors.Is(err, checkout.ErrNotFound))
	})
	t.Run("skips a locked session in a sweep", func(t *testing.T) {
		is := is.New(t)
		url := pgtest.URL(t)
		store, pool := openURL(t, url), connect(t, url)
		sessions := newSessions(10)
		for _, a := range createAtOnce(t.Context(), sessions, store) {
			is.NoErr(a.err)
		}
		tx := begin(t, pool)
		sessions[0].Version, sessions[0].Status = 2, checkout.StatusPending
		is.NoErr(store.WithTx(tx).Update(t.Context(), sessions[0]))
		expired, err := store.Expire(t.Context(), sessions[9].ExpiresAt, 100)
		is.NoErr(err)
		is.Equal(len(expired), 9)
		is.NoErr(tx.Commit(t.Context()))
		expired, err = store.Expire(t.Context(), sessions[9].ExpiresAt, 100)
		is.NoErr(err)
		is.Equal(len(expired), 1) // no longer locked, and still due
	})
	t.Run("delays only the update of the locked session", func(t *testing.T) {
		is := is.New(t)
		url := pgtest.URL(t)
		store, pool := openURL(t, url), connect(t, url)
		sessions := newSessions(100)
		for _, a := range createAtOnce(t.Context(), sessions, store) {
			is.NoErr(a.err)
		}
		tx := begin(t, pool)
		for i := range sessions {
			sessions[i].Version, sessions[i].Status = 2, checkout.StatusPending
		}
		is.NoErr(store.WithTx(tx).Update(t.Context(), sessions[7]))
		errs := make([]error, len(sessions))
		var others, all sync.WaitGroup
		for i, s := range sessions {
			others.Add(1)
			all.Go(func() {
				if i == 7 {
					others.Done()
				}
				if errs[i] = store.Update(t.Context(), s); i != 7 {
					others.Done()
				}
			})
		}
		others.Wait()
		is.NoErr(tx.Commit(t.Context()))
		all.Wait()
		for i, err := range errs {
			if i == 7 {
				is.True(errors.Is(err, checkout.ErrConflict)) // the host's transaction came first
			} else {
				is.NoErr(err)
			}
		}
	})
}
