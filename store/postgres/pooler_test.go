package postgres_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/internal/pgtest"
	"github.com/caisse/checkout/store/postgres"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/matryer/is"
)

// TestPgBouncer proves that Open finds out by itself that a pooler is in between. On a pool of the host's own, the error must name the
// parameter that helps.
func TestPgBouncer(t *testing.T) {
	cluster := pgtest.Start(t)
	for _, mode := range []string{"transaction", "session"} {
		t.Run("Open needs no parameter in "+mode+" mode", func(t *testing.T) {
			is := is.New(t)
			// In session mode each of our connections takes one connection to the server. In transaction mode ours share five of them.
			url := cluster.Pooler(t, mode, map[string]string{"transaction": "default_pool_size=5", "session": "default_pool_size=20"}[mode])
			store := openURL(t, url)
			var callers sync.WaitGroup
			for range 32 { // more callers than connections to the server, so that each call may get another connection
				callers.Go(func() {
					for range 20 {
						s := newSession()
						if _, created, err := store.Create(context.Background(), s); err != nil || !created {
							t.Errorf("Create: created %v, error %v", created, err)
							return
						}
						s.Status, s.Version = checkout.StatusPending, 2
						if err := store.Update(context.Background(), s); err != nil {
							t.Error(err)
							return
						}
						if got, err := store.Get(context.Background(), s.Account, s.ID); err != nil || got.Status != s.Status {
							t.Errorf("Get: status %s, error %v", got.Status, err)
							return
						}
					}
				})
			}
			callers.Wait()
			events, err := store.Events(t.Context(), "", 1)
			is.NoErr(err)
			is.Equal(len(events), 1)
		})
	}

	t.Run("an error about prepared statements names the parameter", func(t *testing.T) {
		is := is.New(t)
		url := cluster.Pooler(t, "transaction", "default_pool_size=2")
		// The host's own mode uses prepared statements.
		pool, err := pgxpool.New(t.Context(), url+"&default_query_exec_mode=cache_statement&pool_max_conns=20")
		is.NoErr(err)
		t.Cleanup(pool.Close)
		store, err := postgres.New(pool)
		is.NoErr(err)
		var (
			callers sync.WaitGroup
			mu      sync.Mutex
			failed  error
		)
		for range 20 {
			callers.Go(func() {
				for range 20 {
					if _, _, err := store.Create(context.Background(), newSession()); err != nil {
						mu.Lock()
						failed = errors.Join(failed, err)
						mu.Unlock()
					}
				}
			})
		}
		callers.Wait()
		is.True(failed != nil) // the pooler gave a transaction a connection without the prepared statements
		is.True(strings.Contains(failed.Error(), "add default_query_exec_mode=exec to the URL"))
	})
}

// TestErrorsSayWhatToDo brings a server into states that an administrator can correct. It proves that the error says how to correct them,
// or what is wrong.
func TestErrorsSayWhatToDo(t *testing.T) {
	cluster := pgtest.Start(t, "max_connections=10", "superuser_reserved_connections=0")
	admin := connect(t, cluster.URL())
	openURL(t, cluster.URL()).Close() // creates the schema
	database := func(name string) string { return strings.Replace(cluster.URL(), "/postgres?", "/"+name+"?", 1) }
	exec(t, admin, "create role nobody login")
	exec(t, admin, "create database latin encoding 'LATIN1' lc_collate 'C' lc_ctype 'C' template template0")
	exec(t, admin, "create database empty")

	create := func(t *testing.T, url string) error {
		t.Helper()
		pool, err := pgxpool.New(t.Context(), url)
		is.New(t).NoErr(err)
		t.Cleanup(pool.Close)
		store, err := postgres.New(pool)
		is.New(t).NoErr(err)
		_, _, err = store.Create(t.Context(), newSession())
		return err
	}
	open := func(t *testing.T, url string) error {
		t.Helper()
		store, err := postgres.Open(t.Context(), url)
		if err == nil {
			store.Close()
		}
		return err
	}
	for _, test := range []struct {
		name, want string
		kind       error // ErrUnavailable, or nil if a retry does not help
		ask        func(t *testing.T) error
	}{
		{"an encoding other than UTF-8", "encoding is LATIN1, and must be UTF8", nil,
			func(t *testing.T) error { return open(t, database("latin")) }},
		{"no schema", "run the migrations", nil,
			func(t *testing.T) error { return create(t, database("empty")) }},
		{"no privileges", "privileges that the store needs", nil,
			func(t *testing.T) error {
				return create(t, strings.Replace(cluster.URL(), "postgres://postgres@", "postgres://nobody@", 1))
			}},
		{"a server that is read-only", "target_session_attrs=read-write", checkout.ErrUnavailable,
			func(t *testing.T) error { return create(t, cluster.URL()+"&default_transaction_read_only=on") }},
		{"a statement_timeout that is too short", "statement_timeout to more", checkout.ErrUnavailable,
			func(t *testing.T) error {
				exec(t, admin, "create or replace function slow() returns trigger language plpgsql as $$ begin perform pg_sleep(1); return new; end $$")
				exec(t, admin, "create trigger slow before insert on checkout_sessions for each row execute function slow()")
				defer exec(t, admin, "drop trigger slow on checkout_sessions")
				return create(t, cluster.URL()+"&statement_timeout=50")
			}},
		{"too few connections", "raise the server's max_connections", checkout.ErrUnavailable,
			func(t *testing.T) error {
				var taken []*pgxpool.Pool
				defer func() {
					for _, pool := range taken {
						pool.Close()
					}
				}()
				for range 10 {
					pool, err := pgxpool.New(t.Context(), cluster.URL()+"&pool_max_conns=1")
					is.New(t).NoErr(err)
					taken = append(taken, pool)
					if pool.Ping(t.Context()) != nil {
						break // no connection is left
					}
				}
				return open(t, cluster.URL())
			}},
		{"no server at any of its addresses", "connection refused", checkout.ErrUnavailable,
			func(t *testing.T) error { return open(t, "postgres://postgres@127.0.0.1:1,127.0.0.1:2/postgres") }},
	} {
		t.Run("about "+test.name, func(t *testing.T) {
			is := is.New(t)
			err := test.ask(t)
			is.True(err != nil)
			if !strings.Contains(err.Error(), test.want) {
				t.Fatalf("the error does not say %q: %v", test.want, err)
			}
			is.True(!strings.ContainsAny(err.Error(), "\n\t")) // one line for the log
			is.Equal(errors.Is(err, checkout.ErrUnavailable), test.kind != nil)
		})
	}
}
