package postgres_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"sync/atomic"
	"testing"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/internal/pgtest"
	"github.com/caisse/checkout/store/postgres"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/matryer/is"
)

// commits reports whether b, which the store sends, has a COMMIT. The COMMIT is text, or a prepared statement in a pipelined transaction.
func commits(b []byte) bool {
	text, _ := (&pgproto3.Query{String: "commit"}).Encode(nil)
	prepared, _ := (&pgproto3.Bind{PreparedStatement: "checkout_commit"}).Encode(nil)
	return bytes.Contains(b, text) || bytes.Contains(b, prepared)
}

// cutter makes connections that break around a COMMIT. Each field, once set, breaks the next COMMIT in its own way.
type cutter struct {
	refused    atomic.Bool // the connection fails before it has sent a byte of the COMMIT
	partly     atomic.Bool // the connection fails after all but the last byte
	dropped    atomic.Bool // the connection takes the COMMIT, but the server never gets it
	answerLost atomic.Bool // the server commits, but its answer is lost
}

func (c *cutter) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	return &cutConn{Conn: conn, cutter: c}, err
}

type cutConn struct {
	net.Conn
	*cutter
	cut     bool
	pending []byte
}

func (c *cutConn) Write(b []byte) (int, error) {
	if commits(b) {
		if c.refused.CompareAndSwap(true, false) {
			c.Close()
			return 0, io.ErrClosedPipe
		}
		if c.partly.CompareAndSwap(true, false) {
			n, _ := c.Conn.Write(b[:len(b)-1])
			c.Close()
			return n, io.ErrClosedPipe
		}
		if c.dropped.CompareAndSwap(true, false) {
			c.Close()
			return len(b), nil
		}
		c.cut = c.answerLost.CompareAndSwap(true, false)
	}
	return c.Conn.Write(b)
}

func (c *cutConn) Read(b []byte) (int, error) {
	if !c.cut {
		return c.Conn.Read(b)
	}
	for {
		committed := bytes.Index(c.pending, []byte("C\x00\x00\x00\x0bCOMMIT\x00"))
		if committed == 0 {
			c.Close()
			return 0, io.EOF
		}
		if committed > 0 {
			n := copy(b, c.pending[:committed])
			c.pending = c.pending[n:]
			return n, nil
		}
		more := make([]byte, 4096)
		n, err := c.Conn.Read(more)
		if err != nil {
			return 0, err
		}
		c.pending = append(c.pending, more[:n]...)
	}
}

// TestLostConnections proves that the store says ErrOutcomeUnknown exactly if COMMIT may have been carried out, and that it retries by
// itself if COMMIT was not sent.
func TestLostConnections(t *testing.T) {
	t.Run("with prepared statements", func(t *testing.T) { lostConnections(t) })
	t.Run("without prepared statements", func(t *testing.T) { lostConnections(t, "default_query_exec_mode=exec") })
}

func lostConnections(t *testing.T, settings ...string) {
	setUp := func(t *testing.T) (*postgres.Store, *cutter, *pgxpool.Pool) {
		is := is.New(t)
		url := pgtest.URL(t, settings...)
		openURL(t, url)
		cut := new(cutter)
		pool := connectBy(t, pgtest.With(t, url, "application_name=doomed"), cut.dial)
		store, err := postgres.New(pool)
		is.NoErr(err)
		return store, cut, connect(t, url)
	}
	for name, lose := range map[string]func(*cutter){
		"leaves the outcome unknown when COMMIT never arrives":         func(c *cutter) { c.dropped.Store(true) },
		"leaves the outcome unknown when the answer to COMMIT is lost": func(c *cutter) { c.answerLost.Store(true) },
	} {
		t.Run(name, func(t *testing.T) {
			is := is.New(t)
			store, cut, pool := setUp(t)
			first := newSession()
			lose(cut)
			committed := cut.answerLost.Load()
			_, created, err := store.Create(t.Context(), first)
			is.Equal(kindOf(t, err), checkout.ErrOutcomeUnknown)
			is.True(!created)
			is.Equal(value[int](t, pool, "select count(*) from checkout_sessions") == 1, committed)

			again := newSession()
			again.IdempotencyKey = first.IdempotencyKey
			held, created, err := store.Create(t.Context(), again)
			is.NoErr(err)
			is.Equal(created, !committed) // in both cases the key names one session
			is.Equal(held.ID == first.ID, committed)

			held.Version, held.Status = 2, checkout.StatusPending
			lose(cut)
			is.Equal(kindOf(t, store.Update(t.Context(), held)), checkout.ErrOutcomeUnknown)
			lose(cut)
			_, err = store.Expire(t.Context(), held.ExpiresAt, 1)
			is.Equal(kindOf(t, err), checkout.ErrOutcomeUnknown)
		})
	}

	t.Run("leaves the outcome unknown when only a part of COMMIT is sent", func(t *testing.T) {
		is := is.New(t)
		store, cut, pool := setUp(t)
		first := newSession()
		cut.partly.Store(true)
		_, created, err := store.Create(t.Context(), first)
		is.Equal(kindOf(t, err), checkout.ErrOutcomeUnknown)
		is.True(!created)
		awaitNoConnections(t, pool)
		// As a prepared statement the COMMIT is complete, because only the last byte of the Sync after it is missing. As text it is not.
		committed := len(settings) == 0
		is.Equal(value[int](t, pool, "select count(*) from checkout_sessions") == 1, committed)
		again := newSession()
		again.IdempotencyKey = first.IdempotencyKey
		held, created, err := store.Create(t.Context(), again)
		is.NoErr(err)
		is.Equal(created, !committed)
		is.Equal(held.ID == first.ID, committed)
	})
	t.Run("retries when it knows that COMMIT was not sent", func(t *testing.T) {
		is := is.New(t)
		store, cut, _ := setUp(t)
		s := newSession()
		cut.refused.Store(true)
		_, created, err := store.Create(t.Context(), s)
		is.NoErr(err)
		is.True(created)
		is.True(!cut.refused.Load()) // the first try was refused
	})

	t.Run("leaves a server that is no longer the primary", func(t *testing.T) {
		is := is.New(t)
		url := pgtest.URL(t, append(settings, "pool_max_conns=1")...)
		openURL(t, url)
		pool := connect(t, url)
		store, err := postgres.New(pool)
		is.NoErr(err)
		exec(t, pool, "set default_transaction_read_only = on") // for this connection only
		_, _, err = store.Create(t.Context(), newSession())
		is.Equal(kindOf(t, err), checkout.ErrUnavailable)
		_, created, err := store.Create(t.Context(), newSession())
		is.NoErr(err)
		is.True(created)
	})

	t.Run("works without an error after the server has ended its idle connections", func(t *testing.T) {
		is := is.New(t)
		store, _, pool := setUp(t)
		s := newSession()
		end := func() {
			is.True(value[int](t, pool, "select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name = 'doomed'") > 0)
			awaitNoConnections(t, pool) // until then the server might carry out one more statement
		}
		_, _, err := store.Create(t.Context(), s)
		is.NoErr(err)
		for range 5 {
			end()
			_, err := store.Get(t.Context(), s.Account, s.ID)
			is.NoErr(err)
		}
		for range 5 {
			end()
			_, _, err := store.Create(t.Context(), newSession())
			is.NoErr(err)
		}
	})
}

// awaitNoConnections waits until the server has ended all connections with the application name doomed.
func awaitNoConnections(t *testing.T, pool *pgxpool.Pool) {
	t.Helper()
	await(t, "the server to end the connections", func() bool {
		return value[int](t, pool, "select count(*) from pg_stat_activity where application_name = 'doomed'") == 0
	})
}
