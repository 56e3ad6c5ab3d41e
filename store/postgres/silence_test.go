package postgres_test

import (
	"context"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/store/postgres"
	"github.com/jackc/pgx/v5/pgconn"
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
	return onServer(t, settings, silent)
}

func onServer(t *testing.T, settings string, dial pgconn.DialFunc) *postgres.Store {
	t.Helper()
	is := is.New(t)
	var mu sync.Mutex
	config, err := pgxpool.ParseConfig("postgres://checkout@127.0.0.1/shop?sslmode=disable" + settings)
	is.NoErr(err)
	var conns []net.Conn
	config.ConnConfig.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		mu.Lock()
		defer mu.Unlock()
		conns = append(conns, conn)
		return conn, err
	}
	config.ConnConfig.LookupFunc = func(context.Context, string) ([]string, error) { return []string{"127.0.0.1"}, nil }
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	is.NoErr(err)
	t.Cleanup(func() {
		pool.Close()
		time.Sleep(time.Minute) // of the test's own time: pgx goes on for a while to ask for the statement to be cancelled
		// pgx 5.12 reads what is left of a connection that it gives up, until a deadline. The call that gave it up may take
		// that deadline back, if it is slow to return; then only the end of the connection ends the read.
		mu.Lock()
		defer mu.Unlock()
		for _, conn := range conns {
			conn.Close()
		}
	})
	store, err := postgres.New(pool)
	is.NoErr(err)
	return store
}

// What a server left unsaid must not be taken for the answer to what is asked next.
func TestServerThatFallsSilent(t *testing.T) {
	for _, test := range []struct {
		name    string
		answers []pgproto3.BackendMessage // to a transaction
		want    error
	}{
		{"after an error of the statement's", []pgproto3.BackendMessage{done("BEGIN"), done("SET"), &pgproto3.ErrorResponse{Severity: "ERROR", Code: "53200"}}, checkout.ErrUnavailable},
		{"after the statement's answer", []pgproto3.BackendMessage{done("BEGIN"), done("SET"), done("INSERT 0 0")}, checkout.ErrOutcomeUnknown},
		{"after an error of COMMIT's", []pgproto3.BackendMessage{done("BEGIN"), done("SET"), done("INSERT 0 0"), &pgproto3.ErrorResponse{Severity: "ERROR", Code: "53200"}}, checkout.ErrOutcomeUnknown},
		{"after COMMIT's answer", []pgproto3.BackendMessage{done("BEGIN"), done("SET"), done("INSERT 0 0"), done("COMMIT")}, checkout.ErrOutcomeUnknown},
		{"on COMMIT alone", []pgproto3.BackendMessage{done("BEGIN"), done("SET"), done("INSERT 0 0"), &pgproto3.ReadyForQuery{TxStatus: 'I'}}, checkout.ErrOutcomeUnknown},
	} {
		t.Run("is left "+test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				dials := 0
				store := onServer(t, "", func(context.Context, string, string) (net.Conn, error) {
					dials++
					here, there := net.Pipe()
					go taciturn(there, test.answers)
					return here, nil
				})
				for n := range 3 {
					_, _, err := store.Create(t.Context(), newSession())
					is.Equal(kindOf(t, err), test.want)
					is.Equal(dials, n+1)
				}
			})
		})
	}
}

func done(tag string) *pgproto3.CommandComplete {
	return &pgproto3.CommandComplete{CommandTag: []byte(tag)}
}

// taciturn is a server that prepares what it is asked to, answers a transaction as it is told to, and then nothing.
func taciturn(conn net.Conn, answers []pgproto3.BackendMessage) {
	defer conn.Close()
	server := pgproto3.NewBackend(conn, conn)
	if startup, err := server.ReceiveStartupMessage(); err != nil {
		return
	} else if _, cancels := startup.(*pgproto3.CancelRequest); cancels {
		return
	}
	server.Send(&pgproto3.AuthenticationOk{})
	server.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
	args := 0
	for executed := false; ; {
		if server.Flush() != nil {
			return
		}
		message, err := server.Receive()
		if err != nil {
			return
		}
		switch m := message.(type) {
		case *pgproto3.Parse:
			args = strings.Count(m.Query, "$")
			server.Send(&pgproto3.ParseComplete{})
		case *pgproto3.Describe:
			server.Send(&pgproto3.ParameterDescription{ParameterOIDs: make([]uint32, args)})
			server.Send(&pgproto3.NoData{})
		case *pgproto3.Execute:
			executed = true
		case *pgproto3.Sync:
			if !executed {
				server.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
				continue
			}
			for _, answer := range answers {
				server.Send(answer)
			}
			answers = nil
		}
	}
}
