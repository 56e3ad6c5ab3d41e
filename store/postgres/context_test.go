package postgres_test

import (
	"context"
	"testing"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/internal/pgtest"
	"github.com/caisse/checkout/store/postgres"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/matryer/is"
)

// TestCallersContext proves that the end of the caller's context ends a call that is still waiting. It does not end a write that was already
// sent: the caller would not learn its outcome, although the answer is on its way.
func TestCallersContext(t *testing.T) {
	is := is.New(t)
	url := pgtest.URL(t, "pool_max_conns=1")
	openURL(t, url)
	pool := connect(t, url)
	store, err := postgres.New(pool)
	is.NoErr(err)
	begin(t, pool) // takes the only connection of the pool
	s := newSession()
	for name, call := range map[string]func(context.Context) error{
		"Get": func(ctx context.Context) error { _, err := store.Get(ctx, s.Account, s.ID); return err },
		"List": func(ctx context.Context) error {
			_, _, err := store.List(ctx, s.Account, checkout.Query{Limit: 50, At: s.CreatedAt})
			return err
		},
		"Expire": func(ctx context.Context) error { _, err := store.Expire(ctx, s.ExpiresAt, 1); return err },
	} {
		t.Run("ends "+name+" while it waits for a connection", func(t *testing.T) {
			is := is.New(t)
			before := pool.Stat().CanceledAcquireCount()
			ctx, cancel := context.WithCancel(t.Context())
			waiting := waitedFor{ctx, make(chan struct{}, 1000)}
			done := make(chan error, 1)
			go func() { done <- call(waiting) }()
			receive(t, name+" to wait", waiting.waits)
			cancel()
			is.Equal(kindOf(t, receive(t, name+" to end", done)), context.Canceled)
			is.Equal(pool.Stat().CanceledAcquireCount(), before+1) // the pool was asked for a connection, and gave none
		})
	}
	t.Run("ends Get while it waits for an answer", func(t *testing.T) {
		is := is.New(t)
		url := pgtest.URL(t)
		store, pool := openURL(t, url), connect(t, url)
		tx := begin(t, pool)
		_, err = tx.Exec(t.Context(), "lock table checkout_sessions")
		is.NoErr(err)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { _, err := store.Get(ctx, s.Account, s.ID); done <- err }()
		await(t, "Get to wait for the locked table", func() bool {
			return value[int](t, pool, "select count(*) from pg_locks where relation = 'checkout_sessions'::regclass and not granted") == 1
		})
		cancel()
		select {
		case err := <-done:
			is.Equal(kindOf(t, err), context.Canceled)
		case <-time.After(8 * time.Second): // less than the ten seconds after which the store itself gives up
			t.Fatal("Get still waits after its context has ended")
		}
	})
	t.Run("does not end a Create that was already sent", func(t *testing.T) {
		is := is.New(t)
		url := pgtest.URL(t)
		store, pool := openURL(t, url), connect(t, url)
		ctx, cancel := context.WithCancel(t.Context())
		first := newSession()
		tx := begin(t, pool)
		_, _, err = store.WithTx(tx).Create(t.Context(), first)
		is.NoErr(err)
		done := make(chan error, 1)
		go func() { _, _, err := store.Create(ctx, first); done <- err }()
		await(t, "Create to be retried in a transaction of its own", func() bool {
			return value[int](t, pool, "select count(*) from pg_stat_activity where wait_event = 'transactionid' and query_start < clock_timestamp() - interval '150 ms'") == 1
		})
		cancel()
		is.NoErr(tx.Rollback(t.Context()))
		is.NoErr(receive(t, "Create to end", done)) // Create has waited for the answer, and the session is written
		_, err = store.Get(t.Context(), first.Account, first.ID)
		is.NoErr(err)
	})
	t.Run("is not used by a batch, which ends with ErrUnavailable if it gets no connection", func(t *testing.T) {
		is := is.New(t)
		ctx, cancel := context.WithCancel(t.Context())
		waiting := waitedFor{ctx, make(chan struct{}, 1000)}
		done := make(chan error, 4)
		for range cap(done) {
			go func() { _, _, err := store.Create(waiting, newSession()); done <- err }()
		}
		receive(t, "a Create to wait for the batches of others", waiting.waits)
		cancel()
		ended := map[error]int{}
		for range cap(done) {
			ended[kindOf(t, receive(t, "Create to end", done))]++
		}
		is.True(ended[checkout.ErrUnavailable] > 0) // the callers that wrote the batches
		is.True(ended[context.Canceled] > 0)        // the callers that waited
		is.Equal(ended[checkout.ErrUnavailable]+ended[context.Canceled], cap(done))
	})
}

// panicTracer is a host's tracer. When armed, it panics once, when a write begins.
type panicTracer struct{ armed bool }

func (p *panicTracer) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	if p.armed {
		p.armed = false
		panic("the host's tracer")
	}
	return ctx
}
func (*panicTracer) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}
func (*panicTracer) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData)     {}
func (*panicTracer) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	return ctx
}
func (*panicTracer) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// TestHostsPanic proves that a panic in the host's tracer does not stop the store. The caller learns that the outcome is unknown, and the
// next call works.
func TestHostsPanic(t *testing.T) {
	is := is.New(t)
	url := pgtest.URL(t, "pool_max_conns=1")
	openURL(t, url)
	config, err := pgxpool.ParseConfig(url)
	is.NoErr(err)
	tracer := new(panicTracer)
	config.ConnConfig.Tracer = tracer
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	is.NoErr(err)
	t.Cleanup(pool.Close)
	store, err := postgres.New(pool)
	is.NoErr(err)
	s := newSession()
	tracer.armed = true
	_, _, err = store.Create(t.Context(), s)
	is.Equal(kindOf(t, err), checkout.ErrOutcomeUnknown) // the store cannot know whether it was written
	_, created, err := store.Create(t.Context(), s)      // the store still works
	is.NoErr(err)
	is.True(created)
	tracer.armed = true
	s.Version++
	is.Equal(kindOf(t, store.Update(t.Context(), s)), checkout.ErrOutcomeUnknown)
	is.NoErr(store.Update(t.Context(), s))
}

// TestHostsPanicAtANotice proves the same for a pipelined write. There is no tracer in that case, but pgx calls the host's OnNotice in
// the middle of the write. If the store used the connection again, the next caller would read the answers to this write.
func TestHostsPanicAtANotice(t *testing.T) {
	is := is.New(t)
	url := pgtest.URL(t, "pool_max_conns=1")
	openURL(t, url)
	config, err := pgxpool.ParseConfig(url)
	is.NoErr(err)
	armed := false
	config.ConnConfig.OnNotice = func(*pgconn.PgConn, *pgconn.Notice) {
		if armed {
			armed = false
			panic("the host's function")
		}
	}
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	is.NoErr(err)
	t.Cleanup(pool.Close)
	store, err := postgres.New(pool)
	is.NoErr(err)
	exec(t, pool, "create function say() returns trigger language plpgsql as $$ begin raise notice 'hm'; return new; end $$")
	exec(t, pool, "create trigger say before insert on checkout_sessions for each row execute function say()")
	for range 3 {
		s := newSession()
		armed = true
		_, _, err = store.Create(t.Context(), s)
		is.Equal(kindOf(t, err), checkout.ErrOutcomeUnknown) // the store cannot know whether it was written
		again := newSession()
		held, created, err := store.Create(t.Context(), again)
		is.NoErr(err)
		is.True(created)
		is.Equal(held.ID, again.ID) // not an answer to the write that panicked
		_, err = store.Get(t.Context(), again.Account, again.ID)
		is.NoErr(err)
	}
}
