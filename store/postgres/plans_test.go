package postgres_test

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/internal/pgtest"
	"github.com/caisse/checkout/store/postgres"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/matryer/is"
)

// lastQuery is a tracer that keeps the last statement of a store.
type lastQuery struct {
	sql  string
	args []any
}

func (q *lastQuery) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	q.sql, q.args = data.SQL, data.Args
	return ctx
}

func (q *lastQuery) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// These patterns find nodes and numbers in a plan of EXPLAIN ANALYZE.
var (
	node    = regexp.MustCompile(`^(.*?) +\(cost=`) // the first node has no arrow
	ours    = regexp.MustCompile(`(Scan|Index).* on checkout_`)
	actual  = regexp.MustCompile(`\(actual rows=(\d+) loops=(\d+)\)`)
	removed = regexp.MustCompile(`Rows Removed by (?:Index Recheck|Filter): (\d+)`)
)

// rowsRead returns how many rows and index entries of the store's tables a plan has read, and the sequential scans in the plan, even those
// that were not executed.
func rowsRead(plan string) (rows int, seqScans []string) {
	scan, n, loops := false, 0, 0
	for line := range strings.Lines(plan) {
		if m := node.FindStringSubmatch(line); m != nil {
			scan = ours.MatchString(m[1])
			if strings.Contains(m[1], "Seq Scan on checkout_") {
				seqScans = append(seqScans, m[1])
			}
			if m := actual.FindStringSubmatch(line); m != nil && scan {
				fmt.Sscan(m[1], &n)
				fmt.Sscan(m[2], &loops)
				rows += n * loops
			}
		}
		if m := removed.FindStringSubmatch(line); m != nil && scan {
			fmt.Sscan(m[1], &n)
			rows += n * loops
		}
	}
	return rows, seqScans
}

// insertRareAndCommon is SQL that inserts n sessions of an account, one for each second. One of every share sessions has the status rare,
// the others have the status common. It does not update the statistics.
func insertRareAndCommon(account string, n, share int, rare, common string) string {
	return fmt.Sprintf(`insert into checkout_sessions (
		id, account, test, idempotency_key, fingerprint, status, amount, currency, payment_method, user_phone, payment_id, customer_id,
		description, success_url, cancel_url, created_at, expires_at, failure_reason, transaction_fee, late, version, client_reference
	) select 'cs_ci_' || md5('%[1]s' || n), '%[1]s', false, md5('%[1]s' || n)::uuid::text, sha256(n::text::bytea) || '\x01',
		case when n %% %[3]d = 0 then '%[4]s' else '%[5]s' end, 5000, 'XOF', 'mobile_money', '+22507' || lpad((n %% 1000)::text, 8, '0'),
		'pay_' || n, '', '', '', '', now() - n * interval '1 second', now() - n * interval '1 second' + interval '30 minutes', '', 25, false, 2,
		case when n %% 2 = 0 then 'ref_' || n %% 1000 end
	from generate_series(1, %[2]d) as n`, account, n, share, rare, common)
}

// TestPlans proves that no query reads all sessions of a large account, even if PostgreSQL's statistics are out of date. Such a query would
// become slower with every session.
func TestPlans(t *testing.T) {
	is := is.New(t)
	url := pgtest.URL(t)
	openURL(t, url)
	pool := connect(t, url)
	// The test decides what the statistics say. At first they do not know the account. Then they are up to date. In the end they are from
	// a time when the account's sessions had another status.
	exec(t, pool, "alter table checkout_sessions set (autovacuum_enabled = off)")
	exec(t, pool, "alter table checkout_events set (autovacuum_enabled = off)")
	exec(t, pool, insertRareAndCommon("acct_0", 20_000, 2, "failed", "expired"))

	config, err := pgxpool.ParseConfig(url)
	is.NoErr(err)
	trace := new(lastQuery)
	config.ConnConfig.Tracer = trace
	traced, err := pgxpool.NewWithConfig(t.Context(), config)
	is.NoErr(err)
	t.Cleanup(traced.Close)
	store, err := postgres.New(traced)
	is.NoErr(err)

	account := checkout.Account{ID: "acct_big"}
	now := time.Now()
	const size = 60_000 // sessions of the account: about three times as many as any query below may read
	base := checkout.Query{Limit: 50, At: now}
	with := func(set func(*checkout.Query)) checkout.Query { q := base; set(&q); return q }
	queries := map[string]checkout.Query{
		"the newest sessions":   base,
		"a last page":           with(func(q *checkout.Query) { q.Offset, q.Limit = checkout.MaxListOffset, checkout.MaxListLimit }),
		"a page after a cursor": with(func(q *checkout.Query) { q.AfterCreatedAt, q.AfterID = now.Add(-10*time.Hour), "cs_" }),
		"one hour": with(func(q *checkout.Query) {
			q.CreatedAfter, q.CreatedBefore = now.Add(-9*time.Hour), now.Add(-8*time.Hour)
		}),
		"a payment":   with(func(q *checkout.Query) { q.PaymentID = "pay_30000" }),
		"no payment":  with(func(q *checkout.Query) { q.PaymentID = "pay_none" }),
		"a reference": with(func(q *checkout.Query) { q.ClientReference = "ref_300" }),
		"a reference, a payment and a status": with(func(q *checkout.Query) {
			q.ClientReference, q.PaymentID, q.Status = "ref_0", "pay_30000", checkout.StatusCompleted
		}),
		"a reference after a cursor": with(func(q *checkout.Query) {
			q.ClientReference, q.AfterCreatedAt, q.AfterID = "ref_300", now.Add(-10*time.Hour), "cs_"
		}),
		"a phone":              with(func(q *checkout.Query) { q.UserPhone = "+2250700000007" }),
		"a phone and a status": with(func(q *checkout.Query) { q.UserPhone, q.Status = "+2250700000007", checkout.StatusCompleted }),
	}
	for _, status := range checkout.Statuses() {
		queries["status "+string(status)] = with(func(q *checkout.Query) { q.Status = status })
		queries["status "+string(status)+" after a cursor"] = with(func(q *checkout.Query) {
			q.Status, q.AfterCreatedAt, q.AfterID = status, now.Add(-10*time.Hour), "cs_"
		})
		queries["status "+string(status)+" of one hour"] = with(func(q *checkout.Query) {
			q.Status, q.CreatedAfter, q.CreatedBefore = status, now.Add(-9*time.Hour), now.Add(-8*time.Hour)
		})
	}

	explain := func(t *testing.T, mode string, sql string, args []any) string {
		t.Helper()
		is := is.New(t)
		conn, err := pgx.Connect(t.Context(), url)
		is.NoErr(err)
		defer conn.Close(context.WithoutCancel(t.Context()))
		_, err = conn.Exec(t.Context(), "set plan_cache_mode = "+mode)
		is.NoErr(err)
		_, err = conn.Prepare(t.Context(), "asked", sql)
		is.NoErr(err)
		// EXPLAIN EXECUTE takes no parameters, so the arguments are written as literals.
		literals := make([]string, len(args))
		for i, arg := range args {
			text := fmt.Sprint(arg)
			if at, ok := arg.(time.Time); ok {
				text = at.UTC().Format("2006-01-02 15:04:05.999999Z07:00")
			}
			literals[i] = "'" + strings.ReplaceAll(text, "'", "''") + "'"
		}
		execute := "execute asked"
		if len(args) > 0 {
			execute += "(" + strings.Join(literals, ", ") + ")"
		}
		if mode == "auto" { // after five executions PostgreSQL may choose a generic plan
			for range 5 {
				_, err := conn.Exec(t.Context(), execute, pgx.QueryExecModeSimpleProtocol)
				is.NoErr(err)
			}
		}
		rows, err := conn.Query(t.Context(), "explain (analyze, timing off) "+execute, pgx.QueryExecModeSimpleProtocol)
		is.NoErr(err)
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		is.NoErr(err)
		return strings.Join(lines, "\n")
	}
	check := func(t *testing.T, most int, sql string, args []any) {
		t.Helper()
		for _, mode := range []string{"force_custom_plan", "auto"} {
			plan := explain(t, mode, sql, args)
			if rows, seqScans := rowsRead(plan); rows > most || len(seqScans) > 0 {
				t.Errorf("with %s the plan reads %d rows, want %d at most; sequential scans: %v\n%s", mode, rows, most, seqScans, plan)
			}
		}
	}

	for _, step := range []struct{ name, sql string }{
		{"statistics that do not know the account", "analyze checkout_sessions; " + insertRareAndCommon("acct_big", size, 3000, "processing", "completed")},
		{"statistics that are up to date", "vacuum analyze checkout_sessions"},
		{"statistics of a time when its sessions had another status", `delete from checkout_sessions where account = 'acct_big'; ` + insertRareAndCommon("acct_big", size, 3000, "completed", "cancelled")},
	} {
		for _, sql := range strings.Split(step.sql, ";") {
			exec(t, pool, sql)
		}
		for name, q := range queries {
			t.Run("reads few rows for "+name+", with "+step.name, func(t *testing.T) {
				_, _, err := store.List(t.Context(), account, q)
				is.New(t).NoErr(err)
				most := 400 // index entries for one page or for the pages of three subqueries, and the sessions themselves
				if q.AfterID == "" && q.UserPhone == "" {
					most += checkout.MaxListTotal
				}
				if q.Offset > 0 || q.UserPhone != "" {
					most += checkout.MaxListOffset + checkout.MaxListLimit
				}
				check(t, most, trace.sql, trace.args)
			})
		}
		t.Run("reads few rows for Prune, with "+step.name, func(t *testing.T) {
			is := is.New(t)
			tx := begin(t, traced) // pgx sends the statement there, so that the tracer sees it
			_, err := store.WithTx(tx).Prune(t.Context(), now.Add(-1000*time.Hour), 100)
			is.NoErr(err)
			check(t, 100, trace.sql, trace.args)
			is.NoErr(tx.Rollback(t.Context()))
		})
	}
	t.Run("reads few rows for pending sessions beside many that are created", func(t *testing.T) {
		is := is.New(t)
		exec(t, pool, "delete from checkout_sessions where account = 'acct_big'")
		exec(t, pool, insertRareAndCommon("acct_big", size, 3000, "pending", "created"))
		exec(t, pool, "update checkout_sessions set expires_at = now() + interval '1 hour' where account = 'acct_big'")
		sessions, total, err := store.List(t.Context(), account, queries["status pending"])
		is.NoErr(err)
		is.Equal(total, size/3000)
		is.Equal(len(sessions), total)
		check(t, 400, trace.sql, trace.args)
	})
	t.Run("reads few rows for created sessions beside many that are pending", func(t *testing.T) {
		is := is.New(t)
		exec(t, pool, "delete from checkout_sessions where account = 'acct_big'")
		exec(t, pool, insertRareAndCommon("acct_big", size, 3000, "created", "pending"))
		exec(t, pool, insertRareAndCommon("acct_other", size, 1, "created", "created")) // and beside many created sessions of another account
		exec(t, pool, "update checkout_sessions set expires_at = now() + interval '1 hour' where account in ('acct_big', 'acct_other')")
		sessions, total, err := store.List(t.Context(), account, queries["status created"])
		is.NoErr(err)
		is.Equal(total, size/3000)
		is.Equal(len(sessions), total)
		check(t, 400, trace.sql, trace.args)
	})
	t.Run("counts waiting sessions with an index-only scan", func(t *testing.T) {
		is := is.New(t)
		exec(t, pool, "delete from checkout_sessions where account = 'acct_big'")
		exec(t, pool, insertRareAndCommon("acct_big", size, 1, "pending", "pending"))
		exec(t, pool, "update checkout_sessions set expires_at = now() + interval '1 hour' where account = 'acct_big'")
		exec(t, pool, "vacuum analyze checkout_sessions")
		for _, status := range []checkout.Status{checkout.StatusCreated, checkout.StatusPending} {
			asked := checkout.Account{ID: map[checkout.Status]string{checkout.StatusCreated: "acct_other", checkout.StatusPending: "acct_big"}[status]}
			_, total, err := store.List(t.Context(), asked, queries["status "+string(status)])
			is.NoErr(err)
			is.Equal(total, checkout.MaxListTotal+1)
			plan := explain(t, "auto", trace.sql, trace.args)
			counting := regexp.MustCompile(`(Index Only Scan)[^\n]* on checkout_sessions [^\n]*\(actual [^\n]*rows=(\d{5})`).FindStringSubmatch(plan)
			is.True(counting != nil) // it does not read each row, which would take twice as long
		}
	})
	t.Run("reads few rows for the feed and for a history", func(t *testing.T) {
		is := is.New(t)
		_, err := store.Expire(t.Context(), now, 10)
		is.NoErr(err)
		exec(t, pool, `insert into checkout_events (xid, session, account, version, status, at, late, failure_reason)
			select xid8 '3', id, account, 9, status, now(), false, '' from checkout_sessions where account = 'acct_big'`)
		exec(t, pool, `update checkout_events set xid = (100 + num % 400)::text::xid8`)
		for _, after := range []checkout.Cursor{"", "300:17", checkout.LastEvent} {
			_, err := store.Events(t.Context(), after, 100)
			is.NoErr(err)
			check(t, 250, trace.sql, trace.args)
		}
		s, err := store.Get(t.Context(), account, value[string](t, pool, "select id from checkout_sessions where account = 'acct_big' limit 1"))
		is.NoErr(err)
		_, err = store.History(t.Context(), account, s.ID)
		is.NoErr(err)
		check(t, 10, trace.sql, trace.args)
	})
}
