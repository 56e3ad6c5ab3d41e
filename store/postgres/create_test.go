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
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/matryer/is"
)

// answer is what a store said to a Create.
type answer struct {
	held    checkout.Session
	created bool
	err     error
}

// createAtOnce creates sessions at once, the nth in the store that comes nth around.
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

// random is a text that does not compress.
func random(n int) string {
	var b strings.Builder
	for b.Len() < n {
		b.WriteString(rand.Text())
	}
	return b.String()
}

func TestCreateAtOnce(t *testing.T) {
	for _, level := range []string{"read committed", "repeatable read", "serializable"} {
		t.Run("creates one session for one key and 200 callers of two instances, with a default of "+level, func(t *testing.T) {
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
					is.Equal(a.held, answers[0].held) // all hold the same session
					if a.created {
						created++
						is.Equal(a.held.ID, sessions[i].ID)
					}
				}
				is.Equal(created, 1)
			}
		})
	}

	t.Run("writes a key once that comes many times in one batch", func(t *testing.T) {
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
		is.True(value[int](t, pool, "select last_value from tries") < 100) // far fewer than came
	})

	t.Run("creates every session of a mixed crowd of two instances", func(t *testing.T) {
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
		is.Equal(len(created), 90+30) // one for each key, and those without
		for i, a := range answers {
			is.True(created[a.held.ID])
			is.Equal(a.held.IdempotencyKey, sessions[i].IdempotencyKey)
		}
		is.Equal(value[int](t, connect(t, url), "select count(*) from checkout_sessions"), 120)
	})

	t.Run("takes batches and answers that no buffer holds", func(t *testing.T) {
		is := is.New(t)
		url := pgtest.URL(t)
		store, pool := openURL(t, url), connect(t, url)
		exec(t, pool, "create function say() returns trigger language plpgsql as $$ begin raise notice '%', repeat('-', 20000); return new; end $$")
		exec(t, pool, "create trigger say before insert on checkout_sessions for each row execute function say()")
		sessions := newSessions(600)
		for i := range sessions {
			sessions[i].Description = random(20_000) // 5 MB for each batch, and as much to answer
		}
		for i, a := range createAtOnce(t.Context(), sessions, store) {
			is.NoErr(a.err)
			is.True(a.created)
			is.Equal(a.held, sessions[i])
		}
		is.Equal(value[int](t, pool, "select count(*) from checkout_sessions"), len(sessions))
	})
	t.Run("keeps one bad row from its batch mates", func(t *testing.T) {
		is := is.New(t)
		url := pgtest.URL(t)
		store, pool := openURL(t, url), connect(t, url)
		exec(t, pool, "alter table checkout_sessions add constraint checkout_small check (amount < 1000000)")
		spoil := []func(*checkout.Session){
			func(s *checkout.Session) { s.Description = "nul \x00" },
			func(s *checkout.Session) { s.PaymentID = "not UTF-8 \xff" },
			func(s *checkout.Session) { s.Account.ID = "\xc3" },
			func(s *checkout.Session) { s.Amount = 1000000 },                             // 23514: the host's constraint
			func(s *checkout.Session) { s.Account.ID = random(9000) },                    // 54000: more than an index holds
			func(s *checkout.Session) { s.ExpiresAt = s.ExpiresAt.AddDate(10000, 0, 0) }, // not of the wire
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
				is.True(!errors.Is(a.err, checkout.ErrOutcomeUnknown)) // surely not written
				is.Equal(value[int](t, pool, "select count(*) from checkout_sessions where id = $1", sessions[bad].ID), 0)
			}
		}
		is.Equal(value[int](t, pool, "select count(*) from checkout_sessions"), len(spoil)*119)
	})

	t.Run("tells a taken id from a taken key", func(t *testing.T) {
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
		sessions[45].ID = sessions[44].ID // one of the two
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

// A host's transaction may hold a key, or a session, for as long as it likes.
func TestHeldByAnother(t *testing.T) {
	t.Run("keeps a held key from its batch mates, and answers once it is free", func(t *testing.T) {
		is := is.New(t)
		url := pgtest.URL(t)
		store, pool := openURL(t, url), connect(t, url)
		for _, commit := range []bool{true, false} {
			tx := begin(t, pool)
			first := newSession()
			_, created, err := store.WithTx(tx).Create(t.Context(), first)
			is.NoErr(err)
			is.True(created)

			again := newSession()
			again.IdempotencyKey = first.IdempotencyKey
			held := make(chan answer, 1)
			go func() {
				var a answer
				a.held, a.created, a.err = store.Create(t.Context(), again)
				held <- a
			}()
			for _, a := range createAtOnce(t.Context(), newSessions(100), store) {
				is.NoErr(a.err)
				is.True(a.created)
			}
			if commit {
				is.NoErr(tx.Commit(t.Context()))
			} else {
				is.NoErr(tx.Rollback(t.Context()))
			}
			a := <-held
			is.NoErr(a.err)
			is.Equal(a.created, !commit)
			if commit {
				is.Equal(a.held, first)
			}
		}
	})
	t.Run("gives up on a held key in time, having written nothing", func(t *testing.T) {
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
	t.Run("passes over a held session in a sweep", func(t *testing.T) {
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
		is.Equal(len(expired), 1) // free by now, and still due
	})
	t.Run("keeps a held session from the updates of others", func(t *testing.T) {
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
