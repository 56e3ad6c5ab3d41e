package sqlite_test

import (
	"database/sql"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/matryer/is"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/store/sqlite"
)

// TestQueryPlans checks the plans of the statements that a store prepares, and of those that its methods for sessions run. No statement
// may read a whole table. The statements that must stay fast with millions of sessions must use their indexes. If one did not, the store
// would be fast in tests, and slow once it has grown.
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
	session := create(t, s, newSession(t))
	at := session.CreatedAt
	for _, q := range []checkout.Query{
		{}, {PaymentID: "ORDER_123"}, {ClientReference: "order 1"}, {ClientReference: "order 1", PaymentID: "ORDER_123"},
		{Status: checkout.StatusCreated}, {Status: checkout.StatusCompleted}, {Status: checkout.StatusExpired},
		{CreatedAfter: at, CreatedBefore: at.Add(time.Hour)}, {Offset: 1}, {AfterCreatedAt: at.Add(time.Hour), AfterID: "cs_x"},
		{UserPhone: session.UserPhone},
	} {
		q.Limit, q.At = 50, at
		_, _, err := s.List(t.Context(), merchant, q)
		is.NoErr(err)
	}
	_, err = s.Events(t.Context(), "", 10)
	is.NoErr(err)
	_, err = s.Events(t.Context(), checkout.LastEvent, 10)
	is.NoErr(err)
	_, err = s.History(t.Context(), merchant, session.ID)
	is.NoErr(err)
	_ = s.Update(t.Context(), nextVersion(nextVersion(session))) // fails, because of the version; only its statements matter here
	_, err = s.Expire(t.Context(), at.Add(time.Hour), 10)
	is.NoErr(err)
	_, err = s.Prune(t.Context(), at.Add(time.Hour), 10)
	is.NoErr(err)
	faults.query = nil

	// These are the tables and their aliases. A scan of a subquery is no problem: it reads only the rows that an index has chosen. The
	// alias of the accounts in Prune is not listed, because Prune reads all accounts.
	scans := regexp.MustCompile(`SCAN (s|e|l|o|d|n|x|last|label|checkout_\w+)\b`)
	for _, query := range queries {
		if plan := explain(t, db, query); scans.MatchString(plan) {
			t.Errorf("%s\n\nreads a whole table:\n%s", query, plan)
		}
	}
	for _, test := range []struct{ part, index string }{
		{"SELECT num FROM checkout_accounts WHERE account = ? AND test = ?", "INDEX sqlite_autoindex_checkout_accounts_1 (account=? AND test=?)"},
		{"FROM checkout_sessions AS s WHERE s.id = ? AND", "INDEX checkout_sessions_id (id=?)"},
		{"FROM checkout_sessions AS s WHERE s.idempotency_key = ? AND", "INDEX checkout_sessions_key (owner=? AND idempotency_key=?)"},
		{"UPDATE checkout_sessions SET status = ?", "SEARCH checkout_sessions USING INTEGER PRIMARY KEY (rowid=?)"},
		{"INSERT INTO checkout_events", "INDEX checkout_sessions_"},
		{"SET status = 5", "INDEX checkout_sessions_due (expires_at<?)"},
		{"x.due_at <= ?1", "INDEX checkout_webhook_deliveries_due (endpoint=? AND due_at<?)"},
		{"(SELECT count(*) FROM (SELECT num, created_at FROM checkout_sessions AS s INDEXED BY checkout_sessions_status", "COVERING INDEX checkout_sessions_status (owner=? AND status=? AND created_at>? AND created_at<?)"},
		{"UNION ALL", "MERGE (UNION ALL)"},
		{"ORDER BY 2 DESC", "checkout_sessions_"},
		{"payment_id = ?5", "INDEX checkout_sessions_payment (owner=? AND payment_id=?)"},
		{"l.client_reference = ?5", "INDEX checkout_labels_reference (owner=? AND client_reference=? AND created_at>? AND created_at<?)"},
		{"WHERE e.num > ?", "INTEGER PRIMARY KEY (rowid>?)"},
		{"LEFT JOIN checkout_origins", "INDEX checkout_events_session (session=?)"},
		{"AND s.status IN (3, 4, 5, 6)", "INDEX checkout_sessions_status (owner=? AND status=? AND created_at<?)"},
	} {
		used := 0
		for _, query := range queries {
			if !strings.Contains(query, test.part) {
				continue
			}
			plan := explain(t, db, query)
			if test.index == "MERGE (UNION ALL)" && !strings.Contains(query, "ORDER BY 2") {
				continue
			}
			used++
			if !strings.Contains(plan, test.index) {
				t.Errorf("%s\n\ndoes not use %s:\n%s", query, test.index, plan)
			}
		}
		is.True(used > 0) // at least one statement contains this part
	}
}

// explain returns SQLite's plan for a query, one line for each step.
func explain(tb testing.TB, db *sql.DB, query string) string {
	tb.Helper()
	args := strings.Count(query, "?")
	for n := 12; n > 0; n-- {
		if strings.Contains(query, fmt.Sprint("?", n)) { // the parameters are numbered
			args = n
			break
		}
	}
	rows, err := db.Query("EXPLAIN QUERY PLAN "+query, make([]any, args)...)
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
