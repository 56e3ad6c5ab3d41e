package postgres_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/internal/pgtest"
	"github.com/caisse/checkout/store/postgres"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/matryer/is"
)

// kindOf returns the one error within err that tells a caller what to do, or nil if there is none. The test fails if there are two.
func kindOf(t *testing.T, err error) error {
	t.Helper()
	var found error
	for _, kind := range []error{
		checkout.ErrUnavailable, checkout.ErrOutcomeUnknown, checkout.ErrNotFound, checkout.ErrConflict,
		context.Canceled, context.DeadlineExceeded,
	} {
		if errors.Is(err, kind) {
			if found != nil {
				t.Errorf("%v is both %v and %v", err, found, kind)
			}
			found = kind
		}
	}
	return found
}

// TestErrorsOfATransaction proves which error a caller gets for each error of the server. Triggers raise the errors: immediate triggers
// during INSERT, deferred triggers during COMMIT.
func TestErrorsOfATransaction(t *testing.T) {
	const terminate = "perform pg_terminate_backend(pg_backend_pid()); perform pg_sleep(10)"
	for _, test := range []struct {
		name, do, in string // in is statement, commit or either
		want         error
		code         string // of the *pgconn.PgError within the error
	}{
		{"a constraint", "raise exception using errcode = '23514'", "either", nil, "23514"},
		{"bad data", "raise exception using errcode = '22000'", "either", nil, "22000"},
		{"a host's own exception", "raise exception 'no'", "either", nil, "P0001"},
		{"no privilege", "raise exception using errcode = '42501'", "either", nil, "42501"},
		{"a serialization failure that does not end", "raise exception using errcode = '40001'", "either", checkout.ErrUnavailable, "40001"},
		{"a deadlock that does not end", "raise exception using errcode = '40P01'", "either", checkout.ErrUnavailable, "40P01"},
		{"a full disk", "raise exception using errcode = '53100'", "either", checkout.ErrUnavailable, "53100"},
		{"no memory", "raise exception using errcode = '53200'", "either", checkout.ErrUnavailable, "53200"},
		{"a row that is locked for too long", "raise exception using errcode = '55P03'", "either", checkout.ErrUnavailable, "55P03"},
		{"a statement that took too long", "raise exception using errcode = '57014'", "either", checkout.ErrUnavailable, "57014"},
		{"a primary that became read-only", "raise exception using errcode = '25006'", "either", checkout.ErrUnavailable, "25006"},
		{"a pooler that lost the server", "raise exception using errcode = '08P01'", "either", checkout.ErrOutcomeUnknown, "08P01"},
		{"a server that does not know whether it committed", "raise exception using errcode = '40003'", "either", checkout.ErrOutcomeUnknown, "40003"},
		{"an internal error", "raise exception using errcode = 'XX000'", "statement", nil, "XX000"},
		{"an internal error", "raise exception using errcode = 'XX000'", "commit", checkout.ErrOutcomeUnknown, "XX000"},
		{"an I/O error", "raise exception using errcode = '58030'", "statement", nil, "58030"},
		{"an I/O error", "raise exception using errcode = '58030'", "commit", checkout.ErrOutcomeUnknown, "58030"},
		{"a connection that the server ends", terminate, "statement", checkout.ErrUnavailable, "57P01"},
		{"a connection that the server ends", terminate, "commit", checkout.ErrOutcomeUnknown, "57P01"},
	} {
		for _, in := range []string{"statement", "commit"} {
			if test.in != in && test.in != "either" {
				continue
			}
			t.Run("reports "+test.name+", in the "+in, func(t *testing.T) {
				is := is.New(t)
				url := pgtest.URL(t)
				store, pool := openURL(t, url), connect(t, url)
				exec(t, pool, "create function say() returns trigger language plpgsql as $$ begin "+test.do+"; return null; end $$")
				deferred := map[string]string{"statement": "immediate", "commit": "deferred"}[in]
				exec(t, pool, "create constraint trigger say after insert on checkout_sessions initially "+deferred+" for each row execute function say()")
				s := newSession()
				_, created, err := store.Create(t.Context(), s)
				is.True(!created)
				is.Equal(kindOf(t, err), test.want)
				var pg *pgconn.PgError
				is.True(errors.As(err, &pg))
				is.Equal(pg.Code, test.code)

				// Nothing was written, and the store still works.
				_, err = store.Get(t.Context(), s.Account, s.ID)
				is.Equal(err, checkout.ErrNotFound)
			})
		}
	}

	t.Run("keeps the connection after an error", func(t *testing.T) {
		is := is.New(t)
		url := pgtest.URL(t, "pool_max_conns=1")
		openURL(t, url)
		pool := connect(t, url)
		store, err := postgres.New(pool)
		is.NoErr(err)
		exec(t, pool, "alter table checkout_sessions add check (amount < 7000)")
		before := value[int](t, pool, "select pg_backend_pid()")
		s := newSession()
		s.Amount = 7000
		_, _, err = store.Create(t.Context(), s)
		is.True(err != nil)
		is.Equal(value[int](t, pool, "select pg_backend_pid()"), before)
	})
	t.Run("reports a commit with a warning as an unknown outcome", func(t *testing.T) {
		is := is.New(t)
		url := pgtest.URL(t)
		store, pool := openURL(t, url), connect(t, url)
		exec(t, pool, "create function say() returns trigger language plpgsql as $$ begin raise warning 'careful'; return null; end $$")
		exec(t, pool, "create constraint trigger say after insert on checkout_sessions initially deferred for each row execute function say()")
		_, _, err := store.Create(t.Context(), newSession())
		is.Equal(kindOf(t, err), checkout.ErrOutcomeUnknown)
	})
	t.Run("ignores a notice during COMMIT, and a warning during the statement", func(t *testing.T) {
		is := is.New(t)
		url := pgtest.URL(t)
		store, pool := openURL(t, url), connect(t, url)
		exec(t, pool, "create function say() returns trigger language plpgsql as $$ begin raise notice 'hm'; return null; end $$")
		exec(t, pool, "create function warn() returns trigger language plpgsql as $$ begin raise warning 'hm'; return new; end $$")
		exec(t, pool, "create constraint trigger say after insert on checkout_sessions initially deferred for each row execute function say()")
		exec(t, pool, "create trigger warn before insert on checkout_sessions for each row execute function warn()")
		_, created, err := store.Create(t.Context(), newSession())
		is.NoErr(err)
		is.True(created)
	})
	t.Run("retries after a serialization failure or a deadlock", func(t *testing.T) {
		for _, code := range []string{"40001", "40P01"} {
			is := is.New(t)
			url := pgtest.URL(t)
			store, pool := openURL(t, url), connect(t, url)
			exec(t, pool, "create sequence tries") // a rollback does not undo nextval
			exec(t, pool, "create function say() returns trigger language plpgsql as $$ begin if nextval('tries') < 4 then raise exception using errcode = '"+code+"'; end if; return new; end $$")
			exec(t, pool, "create trigger say before insert or update on checkout_sessions for each row execute function say()")
			s := newSession()
			_, created, err := store.Create(t.Context(), s)
			is.NoErr(err)
			is.True(created)
			is.Equal(value[int](t, pool, "select last_value from tries"), 4)
			exec(t, pool, "alter sequence tries restart")
			s.Version, s.Status = 2, checkout.StatusPending
			is.NoErr(store.Update(t.Context(), s))
			exec(t, pool, "alter sequence tries restart")
			expired, err := store.Expire(t.Context(), s.ExpiresAt, 10)
			is.NoErr(err)
			is.Equal(len(expired), 1)
		}
	})
	t.Run("reports a database that is read-only", func(t *testing.T) {
		is := is.New(t)
		url := pgtest.URL(t)
		openURL(t, url)
		store := openURL(t, pgtest.With(t, url, "default_transaction_read_only=on")) // the schema is up to date, so Open writes nothing
		s := newSession()
		_, _, err := store.Create(t.Context(), s)
		is.Equal(kindOf(t, err), checkout.ErrUnavailable)
		is.Equal(kindOf(t, store.Update(t.Context(), s)), checkout.ErrUnavailable)
		_, err = store.Expire(t.Context(), s.ExpiresAt, 10)
		is.Equal(kindOf(t, err), checkout.ErrUnavailable)
		_, err = store.Get(t.Context(), s.Account, s.ID)
		is.Equal(err, checkout.ErrNotFound) // reads still work
	})
}

// refuse starts a server that answers every connection with one error. If code is empty, it closes the connection without an answer.
func refuse(t *testing.T, code string) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	is.New(t).NoErr(err)
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			server := pgproto3.NewBackend(conn, conn)
			server.ReceiveStartupMessage()
			if code != "" {
				server.Send(&pgproto3.ErrorResponse{Severity: "FATAL", Code: code, Message: "no"})
				server.Flush()
			}
			conn.Close()
		}
	}()
	return listener.Addr().String()
}

// TestErrorsOfConnecting proves which error a caller gets if there is no connection, and that no error shows the password.
func TestErrorsOfConnecting(t *testing.T) {
	for _, test := range []struct {
		name, address string
		want          error
	}{
		{"a server that is not there", "127.0.0.1:1", checkout.ErrUnavailable},
		{"a server that closes the connection", refuse(t, ""), checkout.ErrUnavailable},
		{"a server that is starting", refuse(t, "57P03"), checkout.ErrUnavailable},
		{"too many connections", refuse(t, "53300"), checkout.ErrUnavailable},
		{"a wrong password", refuse(t, "28P01"), nil},
		{"no such database", refuse(t, "3D000"), nil},
	} {
		t.Run("reports "+test.name, func(t *testing.T) {
			is := is.New(t)
			url := "postgres://checkout:hunter2@" + test.address + "/shop?sslmode=disable"
			_, err := postgres.Open(t.Context(), url)
			is.True(err != nil)
			is.Equal(kindOf(t, err), test.want)
			is.True(!strings.Contains(err.Error(), "hunter2"))

			store, err := postgres.New(connect(t, url))
			is.NoErr(err)
			s := newSession()
			_, _, err = store.Create(t.Context(), s)
			is.True(err != nil)
			is.Equal(kindOf(t, err), test.want)
			is.True(!strings.Contains(err.Error(), "hunter2"))
			_, err = store.Get(t.Context(), s.Account, s.ID)
			is.True(err != nil)
			is.Equal(kindOf(t, err), test.want)
			is.True(!strings.Contains(err.Error(), "hunter2"))
		})
	}
}
