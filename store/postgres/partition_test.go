package postgres_test

import (
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/internal/pgtest"
	"github.com/caisse/checkout/store/postgres"
	"github.com/matryer/is"
)

// TestPartitionedTable proves that the store works if a migration of the host's own has partitioned the table by account.
func TestPartitionedTable(t *testing.T) {
	is := is.New(t)
	pool := connect(t, pgtest.URL(t))
	names, err := fs.Glob(postgres.Migrations(), "*.sql")
	is.NoErr(err)
	for _, name := range names {
		sql, err := fs.ReadFile(postgres.Migrations(), name)
		is.NoErr(err)
		exec(t, pool, strings.NewReplacer("checkout_sessions_pkey PRIMARY KEY (id)", "checkout_sessions_pkey PRIMARY KEY (account, id)", ") WITH (fillfactor = 80);", ") PARTITION BY HASH (account);").Replace(string(sql)))
	}
	for n := range 4 {
		exec(t, pool, fmt.Sprintf("create table checkout_sessions_%d partition of checkout_sessions for values with (modulus 4, remainder %d) with (fillfactor = 80)", n, n))
	}
	store, err := postgres.New(pool)
	is.NoErr(err)

	// In such a table an id is unique only within its account. This does no harm: Checkouts gives every session a new id.
	sessions := newSessions(200)
	for i := range sessions {
		sessions[i].Account.ID = fmt.Sprintf("acct_%d", i%7)
	}
	for i, a := range createAtOnce(t.Context(), sessions, store) {
		is.NoErr(a.err)
		is.True(a.created)
		is.Equal(a.held, sessions[i])
	}
	_, total, err := store.List(t.Context(), checkout.Account{ID: "acct_6"}, checkout.Query{Limit: 50, At: time.Now()})
	is.NoErr(err)
	is.Equal(total, 28)
	again := newSession()
	again.Account, again.IdempotencyKey = sessions[3].Account, sessions[3].IdempotencyKey
	held, created, err := store.Create(t.Context(), again)
	is.NoErr(err)
	is.True(!created)
	is.Equal(held, sessions[3])
	held.Version, held.Status = 2, checkout.StatusProcessing
	is.NoErr(store.Update(t.Context(), held))
	is.Equal(store.Update(t.Context(), held), checkout.ErrConflict)
	got, err := store.Get(t.Context(), held.Account, held.ID)
	is.NoErr(err)
	is.Equal(got, held)
	expired, err := store.Expire(t.Context(), sessions[199].ExpiresAt, 1000)
	is.NoErr(err)
	is.Equal(len(expired), 199) // all except the one that is processing

	awaitTransactions(t, pool)
	events, err := store.Events(t.Context(), "", 1000)
	is.NoErr(err)
	is.Equal(len(events), 200) // of all accounts: one update and 199 expiries
	is.Equal(events[0].Session, held)
	is.Equal(historyOf(t, store, held), []checkout.Session{sessions[3], held})
	at := sessions[199].ExpiresAt
	for status, want := range map[checkout.Status]int{checkout.StatusExpired: 28, checkout.StatusCreated: 0, checkout.StatusProcessing: 1} {
		listed, total, err := store.List(t.Context(), held.Account, checkout.Query{Status: status, Limit: 100, At: at})
		is.NoErr(err)
		is.Equal(len(listed), want)
		is.Equal(total, want)
	}
	n, err := store.Prune(t.Context(), at, 1000)
	is.NoErr(err)
	is.Equal(n, 199)
	is.Equal(value[int](t, pool, "select count(*) from checkout_events"), 1)
}
