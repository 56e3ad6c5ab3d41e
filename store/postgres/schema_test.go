package postgres_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/internal/pgtest"
	"github.com/caisse/checkout/store/postgres"
	"github.com/caisse/checkout/webhook"
	"github.com/jackc/pgx/v5"
	"github.com/matryer/is"
)

// TestSchema proves what the documentation says of the tables: their collation, the privileges that the store needs, and the indexes.
func TestSchema(t *testing.T) {
	t.Run("orders every text by its bytes, whatever the collation of the database is", func(t *testing.T) {
		is := is.New(t)
		url := pgtest.URL(t)
		openURL(t, url)
		is.Equal(value[int](t, connect(t, url), `select count(*) from information_schema.columns
			where table_schema = current_schema() and table_name <> 'checkout_migrations' and data_type = 'text'
			and collation_name is distinct from 'C'`), 0)
	})

	t.Run("needs only the privileges that the documentation names", func(t *testing.T) {
		is := is.New(t)
		url := pgtest.URL(t)
		openURL(t, url)
		owner := connect(t, url)
		role := "role_" + value[string](t, owner, "select current_schema()")
		exec(t, owner, "create role "+role)
		t.Cleanup(func() {
			_, err := owner.Exec(context.WithoutCancel(t.Context()), "drop owned by "+role+"; drop role "+role, pgx.QueryExecModeSimpleProtocol)
			is.NoErr(err)
		})
		exec(t, owner, "grant usage on schema "+value[string](t, owner, "select current_schema()")+" to "+role)
		exec(t, owner, "grant select, insert, update, delete on checkout_sessions to "+role)
		exec(t, owner, "grant select, insert, delete on checkout_events to "+role)
		store, err := postgres.New(connect(t, pgtest.With(t, url, "role="+role)))
		is.NoErr(err)
		first := change(t, store, change(t, store, createNew(t, store), checkout.StatusPending), checkout.StatusFailed)
		due := createNew(t, store)
		expired, err := store.Expire(t.Context(), due.ExpiresAt, 10)
		is.NoErr(err)
		is.Equal(len(expired), 1)
		awaitTransactions(t, owner)
		shown, _ := feedOf(t, store, "")
		is.Equal(len(shown), 3)
		is.Equal(len(historyOf(t, store, first)), 3)
		for _, status := range append(checkout.Statuses(), "") {
			_, _, err := store.List(t.Context(), first.Account, checkout.Query{Status: status, Limit: 10, At: first.CreatedAt})
			is.NoErr(err)
		}
		n, err := store.Prune(t.Context(), due.ExpiresAt, 10)
		is.NoErr(err)
		is.Equal(n, 2)

		exec(t, owner, "grant select, insert, update, delete on checkout_webhooks, checkout_webhook_deliveries to "+role)
		exec(t, owner, "grant select, update on checkout_webhook_position to "+role)
		hooks, now := store.Webhooks(), due.CreatedAt
		e := webhook.StoredEndpoint{
			Endpoint: webhook.Endpoint{ID: "we_1", URL: "https://shop.example/", Status: webhook.Active, CreatedAt: now},
			Account:  due.Account, Version: 1, Sealed: []byte("secret"),
		}
		is.NoErr(hooks.CreateEndpoint(t.Context(), e, 1))
		place, err := hooks.Position(t.Context())
		is.NoErr(err)
		is.NoErr(hooks.Plan(t.Context(), place, "1:1", []webhook.StoredDelivery{{
			Delivery: webhook.Delivery{ID: "wd_1", State: webhook.Pending, NextAttempt: now, CreatedAt: now}, EndpointID: e.ID, Body: []byte("{}"),
		}}))
		claims, err := hooks.Claim(t.Context(), now, now.Add(time.Minute), 1, 1, nil)
		is.NoErr(err)
		is.Equal(len(claims), 1)
		is.NoErr(hooks.Settle(t.Context(), []webhook.Settlement{{Delivery: claims[0].Delivery, Failed: true, At: now}}))
		is.NoErr(hooks.DeleteEndpoint(t.Context(), e.Account, e.ID))
	})

	t.Run("reads and changes sessions by an index, and scans neither table", func(t *testing.T) {
		is := is.New(t)
		url := pgtest.URL(t)
		store, pool := openURL(t, url), connect(t, url)
		exec(t, pool, manySessions(20_000))
		exec(t, pool, `insert into checkout_events (xid, session, account, version, status, at, late, failure_reason)
			select xid8 '3', id, account, 9, status, now(), false, '' from checkout_sessions`)
		exec(t, pool, "analyze checkout_sessions, checkout_events")
		account := checkout.Account{ID: "acct_7"}
		at := value[string](t, pool, "select id from checkout_sessions where account = 'acct_7' limit 1")
		s, err := store.Get(t.Context(), account, at)
		is.NoErr(err)

		for _, test := range []struct {
			index string
			ask   func(checkout.Store) error
		}{
			{"checkout_sessions_pkey", func(in checkout.Store) error { _, err := in.Get(t.Context(), account, s.ID); return err }},
			{"checkout_sessions_key", func(in checkout.Store) error {
				_, err := in.GetByKey(t.Context(), account, s.IdempotencyKey)
				return err
			}},
			{"checkout_sessions_key", func(in checkout.Store) error { _, _, err := in.Create(t.Context(), s); return err }},
			{"checkout_sessions_pkey", func(in checkout.Store) error { s := s; s.Version++; return in.Update(t.Context(), s) }},
			{"checkout_sessions_created", func(in checkout.Store) error {
				_, _, err := in.List(t.Context(), account, checkout.Query{Limit: 50, At: time.Now()})
				return err
			}},
			{"checkout_sessions_rest", func(in checkout.Store) error {
				_, _, err := in.List(t.Context(), account, checkout.Query{Limit: 50, At: time.Now()})
				return err
			}},
			{"checkout_sessions_payment", func(in checkout.Store) error {
				_, _, err := in.List(t.Context(), account, checkout.Query{PaymentID: "pay_7", Limit: 50, At: time.Now()})
				return err
			}},
			{"checkout_sessions_due", func(in checkout.Store) error { _, err := in.Expire(t.Context(), s.ExpiresAt, 10); return err }},
			{"checkout_events_pkey", func(in checkout.Store) error { _, err := in.History(t.Context(), account, s.ID); return err }},
			{"checkout_events_feed", func(in checkout.Store) error { _, err := in.Events(t.Context(), "5:5", 10); return err }},
			{"checkout_events_feed", func(in checkout.Store) error {
				_, err := in.Events(t.Context(), checkout.LastEvent, 10)
				return err
			}},
			{"checkout_sessions_settled", func(in checkout.Store) error { _, err := in.Prune(t.Context(), s.CreatedAt, 10); return err }},
		} {
			tx, err := pool.BeginTx(t.Context(), pgx.TxOptions{})
			is.NoErr(err)
			defer tx.Rollback(t.Context())
			indexScans := "select pg_stat_get_xact_numscans('" + test.index + "'::regclass)"
			const tableScans = "select sum(seq_scan) from pg_stat_xact_user_tables where relid in ('checkout_sessions'::regclass, 'checkout_events'::regclass)"
			indexBefore, tableBefore := counted(t, tx, indexScans), counted(t, tx, tableScans)
			is.NoErr(test.ask(store.WithTx(tx)))
			is.True(counted(t, tx, indexScans) > indexBefore)   // the query has used the index
			is.Equal(counted(t, tx, tableScans)-tableBefore, 0) // and has scanned neither table
			is.NoErr(tx.Rollback(t.Context()))
		}
	})
}

// counted returns one of the counters that PostgreSQL keeps for the current transaction.
func counted(t *testing.T, tx pgx.Tx, sql string) (n int) {
	t.Helper()
	is.New(t).NoErr(tx.QueryRow(t.Context(), sql).Scan(&n))
	return n
}

// manySessions is SQL that inserts n sessions of a hundred accounts. Most of them are completed, a few are due.
func manySessions(n int) string {
	return fmt.Sprintf(`insert into checkout_sessions (
		id, account, test, idempotency_key, fingerprint, status, amount, currency,
		payment_method, user_phone, payment_id, customer_id, description, success_url, cancel_url,
		created_at, expires_at, failure_reason, transaction_fee, late, version
	) select
		'cs_ci_' || md5(n::text), 'acct_' || n %% 100, false, md5('key' || n)::uuid::text, sha256(n::text::bytea) || '\x01', case when n %% 50 = 0 then 'created' else 'completed' end, 5000, 'XOF',
		'mobile_money', '+2250707987654', 'pay_' || n, '', '', '', '',
		now() - n * interval '1 second', now() + (1000 - n) * interval '1 second', '', 25, false, 1
	from generate_series(1, %d) as n`, n)
}
