package postgres

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	connectTimeout = 5 * time.Second  // for a connection from the pool
	answerTimeout  = 10 * time.Second // for a read, or for a write from its first byte to the answer to its COMMIT
	attempts       = 5                // tries of a call that other transactions or a lost connection made fail

	// A row that another transaction has locked delays its whole batch. After batchLockTimeout the batch fails, and each of its
	// rows is retried in a transaction of its own, with the same timeout. A row that is still locked then moves to a separate lane,
	// where it waits for retryLockTimeout. So it delays only other locked rows.
	batchLockTimeout = 100 * time.Millisecond
	retryLockTimeout = 2 * time.Second
)

// statement is an SQL statement with its arguments. doing describes it in errors.
type statement struct {
	name       string // of the prepared statement; "" in a read
	doing, sql string
	args       []any
}

// database runs statements. Its errors are of type [failure].
type database interface {
	// read runs a statement that writes nothing, and passes its rows to collect.
	read(ctx context.Context, st statement, collect func(pgx.Rows) error) error
	// write runs a statement in a transaction of its own. The rows are valid only if the error is nil.
	write(ctx context.Context, st statement, collect func(pgx.Rows) error) error
}

// rowsOf runs a statement and returns its rows.
func rowsOf[T any](ctx context.Context, run func(context.Context, statement, func(pgx.Rows) error) error, st statement, to pgx.RowToFunc[T]) ([]T, error) {
	var all []T
	err := run(ctx, st, func(rows pgx.Rows) (err error) {
		all, err = pgx.CollectRows(rows, to)
		return err
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// pooled runs each statement on a connection of the pool, and retries it where a retry may help.
type pooled struct {
	pool        *pgxpool.Pool
	lockTimeout time.Duration // of writes
}

func (p pooled) read(ctx context.Context, st statement, collect func(pgx.Rows) error) error {
	return persist(ctx, st.doing, func() error {
		conn, err := p.acquire(ctx, st.doing)
		if err != nil {
			return err
		}
		defer conn.Release()
		bounded, cancel := context.WithTimeout(ctx, answerTimeout)
		defer cancel()
		rows, err := conn.Query(bounded, st.sql, st.args...)
		if err == nil {
			err = collect(rows)
		}
		if err != nil {
			return failed(ctx, st.doing, asking, conn.Conn().IsClosed(), err)
		}
		return nil
	})
}

func (p pooled) write(ctx context.Context, st statement, collect func(pgx.Rows) error) error {
	return persist(ctx, st.doing, func() error {
		conn, err := p.acquire(ctx, st.doing)
		if err != nil {
			return err
		}
		defer conn.Release()
		err = p.transact(ctx, conn.Conn(), st, collect)
		if !stale(err) || conn.Conn().IsClosed() || !canPipeline(conn.Conn()) {
			return err
		}
		if err := p.forget(ctx, conn.Conn(), st); err != nil {
			return err
		}
		return p.transact(ctx, conn.Conn(), st, collect)
	})
}

// transact runs one statement as one transaction, in one round trip if all goes well. It sets READ COMMITTED, whatever the
// database's default is. Then ON CONFLICT skips a session that another instance has just written with the same key, where
// REPEATABLE READ would fail.
func (p pooled) transact(ctx context.Context, conn *pgx.Conn, st statement, collect func(pgx.Rows) error) error {
	if canPipeline(conn) {
		return p.transactPipelined(ctx, conn, st, collect)
	}
	return p.transactInTwo(ctx, conn, st, collect)
}

// transactInTwo sends the statement with pgx, in whatever mode the host has chosen.
//
// It sends COMMIT right after the statement, without waiting for the statement's answer. If the statement fails, COMMIT rolls back.
//
// It does not use pgx's Tx, for two reasons. If a wait for a standby is cancelled, COMMIT succeeds with a warning, and pgx's Tx
// drops that warning. And if COMMIT takes too long, pgx's Tx asks the server to cancel it. That would end the wait for the standby,
// and make visible a session that no standby has. transactInTwo only closes the connection.
func (p pooled) transactInTwo(ctx context.Context, conn *pgx.Conn, st statement, collect func(pgx.Rows) error) error {
	var batch pgx.Batch
	batch.Queue("begin isolation level read committed")
	batch.Queue(fmt.Sprintf("set local lock_timeout = %d", p.lockTimeout.Milliseconds()))
	batch.Queue(st.sql, st.args...)
	// Once the batch is sent, a cancellation could only make the outcome unknown. So the caller's context has no effect here.
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerTimeout)
	defer cancel()
	answers := conn.SendBatch(bounded, &batch)

	server := conn.PgConn()
	sent := server.IsBusy() // otherwise SendBatch failed before anything was sent
	if sent {
		server.Frontend().SendQuery(&pgproto3.Query{String: "commit"})
		if err := server.Frontend().Flush(); err != nil {
			hangUp(conn)
			if pgconn.SafeToRetry(err) { // not a byte of COMMIT was written, so the server rolls back
				return failed(ctx, st.doing, asking, true, err)
			}
			return failed(ctx, st.doing, committing, true, err)
		}
	}
	err := answer(answers, batch.Len(), collect)
	if !sent {
		return failed(ctx, st.doing, asking, conn.IsClosed(), err)
	}
	if conn.IsClosed() {
		return failed(ctx, st.doing, answering, true, err)
	}
	unsettled := settle(bounded, conn)
	var pg *pgconn.PgError
	switch {
	case errors.As(err, &pg): // COMMIT has then rolled back
		if pg.Code == "25006" {
			hangUp(conn) // no longer a primary: the next connection may find the new one
		}
		return failed(ctx, st.doing, answering, conn.IsClosed(), err)
	case unsettled != nil:
		return failed(ctx, st.doing, committing, conn.IsClosed(), unsettled)
	case err != nil: // the rows were committed, and could not be read
		return failed(ctx, st.doing, committing, true, err)
	}
	return nil
}

// answer reads the answers to a batch. It passes the rows of the last statement to collect, and returns the first error.
func answer(answers pgx.BatchResults, n int, collect func(pgx.Rows) error) (err error) {
	defer func() {
		if closed := answers.Close(); err == nil {
			err = closed
		}
	}()
	for range n - 1 {
		if _, err := answers.Exec(); err != nil {
			return err
		}
	}
	rows, err := answers.Query()
	if err != nil {
		return err
	}
	return collect(rows)
}

var (
	errWarned     = errors.New("committed with a warning")
	errRolledBack = errors.New("rolled back")
	errUnanswered = errors.New("the server's answers are not complete")
)

func warns(notice *pgproto3.NoticeResponse) bool {
	return notice.SeverityUnlocalized == "WARNING" || notice.Severity == "WARNING"
}

func warned(notice *pgproto3.NoticeResponse) error {
	return fmt.Errorf("%w: %s", errWarned, notice.Message)
}

// settle reads the answer to COMMIT. If there is no error, the transaction is committed, and as durable as the server's settings say.
func settle(ctx context.Context, conn *pgx.Conn) error {
	var err error
	for {
		message, lost := conn.PgConn().ReceiveMessage(ctx)
		if lost != nil {
			hangUp(conn)
			return lost
		}
		switch message := message.(type) {
		case *pgproto3.NoticeResponse:
			if warns(message) {
				err = warned(message)
			}
		case *pgproto3.ErrorResponse:
			err = pgconn.ErrorResponseToPgError(message)
		case *pgproto3.CommandComplete:
			if string(message.CommandTag) == "ROLLBACK" {
				err = errRolledBack
			}
		case *pgproto3.ReadyForQuery:
			return err
		}
	}
}

// hangUp closes a connection at once.
func hangUp(conn *pgx.Conn) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	conn.Close(ctx)
}

func (p pooled) acquire(ctx context.Context, doing string) (*pgxpool.Conn, error) {
	bounded, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	conn, err := p.pool.Acquire(bounded)
	if err != nil {
		return nil, failed(ctx, doing, connecting, false, err)
	}
	return conn, nil
}

// persist repeats a call if that may help: after a serialization failure or a deadlock, or if the connection was lost before COMMIT began.
func persist(ctx context.Context, doing string, call func() error) error {
	for n := 1; ; n++ {
		err := call()
		var f *failure
		if !errors.As(err, &f) || !f.again || n == attempts {
			return err
		}
		select {
		case <-time.After(rand.N(time.Millisecond << n)): // a random time, so that two calls do not collide again
		case <-ctx.Done():
			return &failure{doing: doing, kind: ctx.Err(), cause: err}
		}
	}
}

// hostTx runs statements in a host's transaction, which the host commits.
type hostTx struct{ tx pgx.Tx }

func (h hostTx) read(ctx context.Context, st statement, collect func(pgx.Rows) error) error {
	rows, err := h.tx.Query(ctx, st.sql, st.args...)
	if err == nil {
		err = collect(rows)
	}
	if err != nil {
		ended := errors.Is(err, pgx.ErrTxClosed) // its connection may then have another user
		return failed(ctx, st.doing, asking, !ended && h.tx.Conn().IsClosed(), err)
	}
	return nil
}

func (h hostTx) write(ctx context.Context, st statement, collect func(pgx.Rows) error) error {
	return h.read(ctx, st, collect)
}
