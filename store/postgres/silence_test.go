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

// dialSilentServer connects to a server that accepts every client and then answers nothing.
func dialSilentServer(context.Context, string, string) (net.Conn, error) {
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

// TestSilentServer proves that writes and reads end although the server does not answer and the caller has set no deadline. The store
// must have deadlines of its own.
func TestSilentServer(t *testing.T) {
	for _, test := range []struct {
		name, settings string
		writes         error
	}{
		{"before COMMIT is sent", "", checkout.ErrUnavailable}, // the server does not answer when a statement is prepared
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
			t.Run("makes "+name+" end by itself, "+test.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					is := is.New(t)
					store := onSilentServer(t, test.settings)
					is.Equal(kindOf(t, call.call(context.Background(), store, newSession())), call.want)
				})
			})
		}
	}
	t.Run("makes Expire report the caller's deadline if that has passed meanwhile", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			is := is.New(t)
			store := onSilentServer(t, "")
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			s := newSession()
			_, err := store.Expire(ctx, s.ExpiresAt, 1)
			is.Equal(kindOf(t, err), context.DeadlineExceeded) // not ErrOutcomeUnknown: nothing was written
		})
	})
}

// onSilentServer returns a store on a server that answers nothing.
func onSilentServer(t *testing.T, settings string) *postgres.Store {
	t.Helper()
	return onServer(t, settings, dialSilentServer)
}

// onServer returns a store whose connections are made by dial. The test must run in a synctest bubble.
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
		time.Sleep(time.Minute) // on the bubble's clock: for some seconds pgx goes on asking the server to cancel the statement
		// When pgx 5.12 gives up a connection, it goes on reading from it until a deadline. If the call that gave it up returns late,
		// it may remove that deadline. Then the read ends only when the connection is closed.
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

// TestServerThatFallsSilent proves that the store closes a connection on which answers are missing. If it used the connection again, it
// could take a late answer for the answer to the next call.
func TestServerThatFallsSilent(t *testing.T) {
	for _, test := range []struct {
		name    string
		answers []pgproto3.BackendMessage // to the transaction
		want    error
	}{
		{"after an error of the statement", []pgproto3.BackendMessage{done("BEGIN"), done("SET"), &pgproto3.ErrorResponse{Severity: "ERROR", Code: "53200"}}, checkout.ErrUnavailable},
		{"after the answer to the statement", []pgproto3.BackendMessage{done("BEGIN"), done("SET"), done("INSERT 0 0")}, checkout.ErrOutcomeUnknown},
		{"after an error of COMMIT", []pgproto3.BackendMessage{done("BEGIN"), done("SET"), done("INSERT 0 0"), &pgproto3.ErrorResponse{Severity: "ERROR", Code: "53200"}}, checkout.ErrOutcomeUnknown},
		{"after the answer to COMMIT", []pgproto3.BackendMessage{done("BEGIN"), done("SET"), done("INSERT 0 0"), done("COMMIT")}, checkout.ErrOutcomeUnknown},
		{"when only the answer to COMMIT is missing", []pgproto3.BackendMessage{done("BEGIN"), done("SET"), done("INSERT 0 0"), &pgproto3.ReadyForQuery{TxStatus: 'I'}}, checkout.ErrOutcomeUnknown},
	} {
		t.Run("is disconnected "+test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				dials := 0
				store := onServer(t, "", func(context.Context, string, string) (net.Conn, error) {
					dials++
					here, there := net.Pipe()
					go serveThenFallSilent(there, test.answers)
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

// done is the server's message that a statement is complete.
func done(tag string) *pgproto3.CommandComplete {
	return &pgproto3.CommandComplete{CommandTag: []byte(tag)}
}

// serveThenFallSilent is a server that prepares statements and answers one transaction with the given messages. After that it answers
// nothing.
func serveThenFallSilent(conn net.Conn, answers []pgproto3.BackendMessage) {
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
