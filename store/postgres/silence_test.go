package postgres_test

import (
	"context"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/store/postgres"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/matryer/is"
)

// silent makes connections to a server that lets everyone in and then says nothing.
func silent(context.Context, string, string) (net.Conn, error) {
	here, there := net.Pipe()
	go func() {
		defer there.Close()
		server := pgproto3.NewBackend(there, there)
		if startup, err := server.ReceiveStartupMessage(); err != nil {
			return
		} else if _, cancels := startup.(*pgproto3.CancelRequest); cancels {
			return
		}
		server.Send(&pgproto3.AuthenticationOk{})
		server.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
		if server.Flush() != nil {
			return
		}
		for {
			if _, err := server.Receive(); err != nil {
				return
			}
		}
	}()
	return here, nil
}

// The store's own deadlines are not the caller's, who may have none.
func TestSilentServer(t *testing.T) {
	for _, test := range []struct {
		name, settings string
		writes         error
	}{
		{"before COMMIT is sent", "", checkout.ErrUnavailable}, // as a statement is prepared
		{"after COMMIT was sent", "&default_query_exec_mode=exec", checkout.ErrOutcomeUnknown},
	} {
		calls := map[string]struct {
			call func(context.Context, *postgres.Store, checkout.Session) error
			want error
		}{
			"Create": {func(ctx context.Context, store *postgres.Store, s checkout.Session) error {
				_, _, err := store.Create(ctx, s)
				return err
			}, test.writes},
			"Update": {func(ctx context.Context, store *postgres.Store, s checkout.Session) error {
				return store.Update(ctx, s)
			}, test.writes},
			"Expire": {func(ctx context.Context, store *postgres.Store, s checkout.Session) error {
				_, err := store.Expire(ctx, s.ExpiresAt, 1)
				return err
			}, test.writes},
			"Get": {func(ctx context.Context, store *postgres.Store, s checkout.Session) error {
				_, err := store.Get(ctx, s.Account, s.ID)
				return err
			}, checkout.ErrUnavailable},
		}
		for name, call := range calls {
			t.Run("is told by "+name+", "+test.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					is := is.New(t)
					store := onSilence(t, test.settings)
					is.Equal(kindOf(t, call.call(context.Background(), store, newSession())), call.want)
				})
			})
		}
	}
	t.Run("is no excuse where the caller's own deadline passed first", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			is := is.New(t)
			store := onSilence(t, "")
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			s := newSession()
			_, err := store.Expire(ctx, s.ExpiresAt, 1)
			is.Equal(kindOf(t, err), context.DeadlineExceeded) // surely nothing was written
		})
	})
}

func onSilence(t *testing.T, settings string) *postgres.Store {
	t.Helper()
	is := is.New(t)
	config, err := pgxpool.ParseConfig("postgres://checkout@127.0.0.1/shop?sslmode=disable" + settings)
	is.NoErr(err)
	config.ConnConfig.DialFunc = silent
	config.ConnConfig.LookupFunc = func(context.Context, string) ([]string, error) { return []string{"127.0.0.1"}, nil }
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	is.NoErr(err)
	t.Cleanup(func() {
		pool.Close()
		time.Sleep(time.Minute) // of the test's own time: pgx goes on for a while to ask for the statement to be cancelled
	})
	store, err := postgres.New(pool)
	is.NoErr(err)
	return store
}
