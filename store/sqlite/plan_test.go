package sqlite_test

import (
	"database/sql"
	"slices"
	"strings"
	"testing"

	"github.com/matryer/is"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/store/sqlite"
)

// TestQueryPlans looks at every statement that a store runs: none may read a table from end to end, and each that must
// stay quick with millions of sessions uses the index that is there for it.
func TestQueryPlans(t *testing.T) {
	is := is.New(t)
	db, faults := faultyPool(t, newPath(t))
	is.NoErr(sqlite.Migrate(t.Context(), db))
	var queries []string
	faults.query = func(query string) {
		if !strings.Contains(query, "pragma_") && !slices.Contains(queries, query) {
			queries = append(queries, query)
		}
	}
	s, err := sqlite.New(db)
	is.NoErr(err)
	for _, q := range []checkout.Query{
		{}, {PaymentID: "ORDER_123"},
		{Status: checkout.StatusCreated}, {Status: checkout.StatusCompleted}, {Status: checkout.StatusExpired},
	} {
		_, _, err := s.List(t.Context(), merchant, q)
		is.NoErr(err)
	}
	faults.query = nil

	const sortsAll = "TEMP B-TREE FOR ORDER BY" // as opposed to the "LAST TERM" of it, for equal instants
	for _, query := range queries {
		plan := explain(t, db, query)
		is.True(!strings.Contains(plan, "SCAN "))                                                     // reads no table from end to end
		is.True(!strings.Contains(plan, sortsAll) || strings.Contains(query, "payment_id = ? ORDER")) // of which there are few
	}
	for _, test := range []struct{ part, index string }{
		{"SELECT num FROM checkout_accounts WHERE account = ? AND test = ?", "INDEX sqlite_autoindex_checkout_accounts_1 (account=? AND test=?)"},
		{"FROM checkout_sessions WHERE id = ? AND", "INDEX checkout_sessions_id (id=?)"},
		{"FROM checkout_sessions WHERE idempotency_key = ? AND", "INDEX checkout_sessions_key (owner=? AND idempotency_key=?)"},
		{"WHERE id = ? AND owner = (SELECT num FROM checkout_accounts WHERE account = ? AND test = ?) AND version", "INDEX checkout_sessions_id (id=?)"},
		{"SET status = 5", "INDEX checkout_sessions_due (expires_at<?)"},
		{"count(*)", "INDEX checkout_sessions_"},
		{"ORDER BY created_at DESC", "INDEX checkout_sessions_newest (owner=?)"},
		{"payment_id = ? ORDER BY", "INDEX checkout_sessions_payment (owner=? AND payment_id=?)"},
	} {
		used := 0
		for _, query := range queries {
			if strings.Contains(query, test.part) {
				used++
				is.True(strings.Contains(explain(t, db, query), test.index))
			}
		}
		is.True(used > 0) // there is such a statement
	}
}

func explain(tb testing.TB, db *sql.DB, query string) string {
	tb.Helper()
	rows, err := db.Query("EXPLAIN QUERY PLAN "+query, make([]any, strings.Count(query, "?"))...)
	if err != nil {
		tb.Fatal(err)
	}
	defer rows.Close()
	var plan strings.Builder
	for rows.Next() {
		var id, parent, unused int
		var detail string
		if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
			tb.Fatal(err)
		}
		plan.WriteString(detail + "\n")
	}
	return plan.String()
}
