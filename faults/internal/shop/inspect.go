//go:build unix

package shop

import (
	"context"
	"database/sql"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
	_ "modernc.org/sqlite"

	"github.com/caisse/checkout/faults/stores"
)

// inspect checks a database with SQL, without the store.
func (r *Round) inspect() {
	r.tb.Helper()
	switch r.place.Kind {
	case stores.SQLite:
		inspectSQLite(r.tb, r.place.Address)
	case stores.Postgres:
		inspectPostgres(r.tb, r.place.Address)
	}
}

// check is a query, and the value that it must return.
type check struct{ what, query, want string }

// partialWrites finds sessions of which only a part was written, in either database. Each session of a shop has a key.
var partialWrites = []check{
	{"sessions without a key or a fingerprint", `SELECT count(*) FROM checkout_sessions WHERE idempotency_key IS NULL OR fingerprint IS NULL`, "0"},
}

var sqliteChecks = append([]check{
	{"integrity_check", `SELECT group_concat(integrity_check, '; ') FROM pragma_integrity_check`, "ok"},
	{"keys with two sessions", `SELECT count(*) FROM (SELECT 1 FROM checkout_sessions WHERE idempotency_key IS NOT NULL GROUP BY owner, idempotency_key HAVING count(*) > 1)`, "0"},
	{"sessions without an account", `SELECT count(*) FROM checkout_sessions WHERE owner NOT IN (SELECT num FROM checkout_accounts)`, "0"},
}, partialWrites...)

func inspectSQLite(tb testing.TB, path string) {
	tb.Helper()
	db, err := sql.Open("sqlite", HostDSN(path))
	if err != nil {
		tb.Fatal(err)
	}
	defer db.Close()
	ask := func(query string) (value string, err error) {
		err = db.QueryRowContext(tb.Context(), query).Scan(&value)
		return value, err
	}
	all(tb, sqliteChecks, ask)
	if tables, err := ask(`SELECT count(*) FROM sqlite_schema WHERE name = 'host_orders'`); err == nil && tables == "1" {
		all(tb, []check{{"orders without a session", `SELECT count(*) FROM host_orders WHERE session NOT IN (SELECT id FROM checkout_readable)`, "0"}}, ask)
	}
}

var postgresChecks = append([]check{
	{"keys with two sessions", `SELECT count(*) FROM (SELECT 1 FROM checkout_sessions WHERE idempotency_key IS NOT NULL GROUP BY account, test, idempotency_key HAVING count(*) > 1) AS d`, "0"},
}, partialWrites...)

func inspectPostgres(tb testing.TB, url string) {
	tb.Helper()
	ctx := context.WithoutCancel(tb.Context())
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		tb.Fatal(err)
	}
	defer conn.Close(ctx)
	ask := func(query string) (value string, err error) {
		err = conn.QueryRow(ctx, query, pgx.QueryExecModeSimpleProtocol).Scan(&value)
		return value, err
	}
	all(tb, postgresChecks, ask)
	if table, err := ask(`SELECT coalesce(to_regclass('host_orders')::text, '')`); err == nil && table != "" {
		all(tb, []check{{"orders without a session", `SELECT count(*) FROM host_orders WHERE session NOT IN (SELECT id FROM checkout_sessions)`, "0"}}, ask)
	}
}

func all(tb testing.TB, checks []check, ask func(string) (string, error)) {
	tb.Helper()
	for _, c := range checks {
		if got, err := ask(c.query); err != nil || got != c.want {
			tb.Errorf("%s: %s, want %s (%v)", c.what, got, c.want, err)
		}
	}
}

// Amcheck checks every table and index of a PostgreSQL database with the extension amcheck, as pg_amcheck does. It returns a
// note about it.
func Amcheck(tb testing.TB, url string) (note string) {
	tb.Helper()
	ctx := context.WithoutCancel(tb.Context())
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		tb.Fatal(err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, `CREATE EXTENSION IF NOT EXISTS amcheck WITH SCHEMA public`); err != nil {
		return "amcheck not run: " + err.Error()
	}
	var indexes, broken int
	err = conn.QueryRow(ctx, `SELECT count(*) FROM (
		SELECT public.bt_index_check(c.oid, heapallindexed => true) FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
			JOIN pg_am AS a ON a.oid = c.relam WHERE a.amname = 'btree' AND c.relpersistence = 'p' AND i.indisvalid AND c.relkind = 'i'
			OFFSET 0) AS checked`).Scan(&indexes)
	if err != nil {
		tb.Errorf("amcheck: %v", err)
		return "amcheck failed"
	}
	err = conn.QueryRow(ctx, `SELECT count(*) FROM pg_class AS c, LATERAL public.verify_heapam(c.oid::regclass) AS v
		WHERE c.relkind = 'r' AND c.relpersistence = 'p'`).Scan(&broken)
	if err != nil || broken > 0 {
		tb.Errorf("amcheck: %d broken rows (%v)", broken, err)
		return "amcheck failed"
	}
	return fmt.Sprintf("amcheck: %d indexes and their tables are sound", indexes)
}
