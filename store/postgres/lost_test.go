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

// commits reports whether the store sends COMMIT, as a text or, with the rest of a transaction, as a prepared statement.
func commits(b []byte) bool {
	text, _ := (&pgproto3.Query{String: "commit"}).Encode(nil)
	prepared, _ := (&pgproto3.Bind{PreparedStatement: "checkout_commit"}).Encode(nil)
	return bytes.Contains(b, text) || bytes.Contains(b, prepared)
}

// cutter makes connections that break around a COMMIT, once it is told to.
type cutter struct {
	refused atomic.Bool // the connection does not take the COMMIT
	partly  atomic.Bool // it takes all but the last byte
	dropped atomic.Bool // it takes it, but the server never gets it
	after   atomic.Bool // the server commits, and its answer is lost
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
		c.cut = c.after.CompareAndSwap(true, false)
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

func TestLostConnections(t *testing.T) {
	t.Run("by prepared statements", func(t *testing.T) { lostConnections(t) })
	t.Run("without", func(t *testing.T) { lostConnections(t, "default_query_exec_mode=exec") })
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
		"does not know what became of a COMMIT that never arrived":      func(c *cutter) { c.dropped.Store(true) },
		"does not know what became of a COMMIT whose answer never came": func(c *cutter) { c.after.Store(true) },
	} {
		t.Run(name, func(t *testing.T) {
			is := is.New(t)
			store, cut, pool := setUp(t)
			first := newSession()
			lose(cut)
			committed := cut.after.Load()
			_, created, err := store.Create(t.Context(), first)
			is.Equal(kindOf(t, err), checkout.ErrOutcomeUnknown)
			is.True(!created)
			is.Equal(value[int](t, pool, "select count(*) from checkout_sessions") == 1, committed)

			again := newSession()
			again.IdempotencyKey = first.IdempotencyKey
			held, created, err := store.Create(t.Context(), again)
			is.NoErr(err)
			is.Equal(created, !committed) // either way the key names one session
			is.Equal(held.ID == first.ID, committed)

			held.Version, held.Status = 2, checkout.StatusPending
			lose(cut)
			is.Equal(kindOf(t, store.Update(t.Context(), held)), checkout.ErrOutcomeUnknown)
			lose(cut)
			_, err = store.Expire(t.Context(), held.ExpiresAt, 1)
			is.Equal(kindOf(t, err), checkout.ErrOutcomeUnknown)
		})
	}

	t.Run("does not know what became of a COMMIT that was partly sent", func(t *testing.T) {
		is := is.New(t)
		store, cut, _ := setUp(t)
		first := newSession()
		cut.partly.Store(true)
		_, created, err := store.Create(t.Context(), first)
		is.Equal(kindOf(t, err), checkout.ErrOutcomeUnknown)
		is.True(!created)
		again := newSession()
		again.IdempotencyKey = first.IdempotencyKey
		held, created, err := store.Create(t.Context(), again)
		is.NoErr(err)
		is.Equal(created, held.ID == again.ID) // a prepared COMMIT was carried out all the same
	})
	t.Run("tries again when it knows that COMMIT was not sent", func(t *testing.T) {
		is := is.New(t)
		store, cut, _ := setUp(t)
		s := newSession()
		cut.refused.Store(true)
		_, created, err := store.Create(t.Context(), s)
		is.NoErr(err)
		is.True(created)
		is.True(!cut.refused.Load()) // it was refused once
	})

	t.Run("leaves a server that is the primary no more", func(t *testing.T) {
		is := is.New(t)
		url := pgtest.URL(t, append(settings, "pool_max_conns=1")...)
		openURL(t, url)
		pool := connect(t, url)
		store, err := postgres.New(pool)
		is.NoErr(err)
		exec(t, pool, "set default_transaction_read_only = on") // for as long as this connection lasts
		_, _, err = store.Create(t.Context(), newSession())
		is.Equal(kindOf(t, err), checkout.ErrUnavailable)
		_, created, err := store.Create(t.Context(), newSession())
		is.NoErr(err)
		is.True(created)
	})

	t.Run("goes on, without an error, when its idle connections were ended", func(t *testing.T) {
		is := is.New(t)
		store, _, pool := setUp(t)
		s := newSession()
		end := func() {
			exec(t, pool, "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'doomed'")
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
