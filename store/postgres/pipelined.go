package postgres

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/caisse/checkout"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// A pipelined transaction is BEGIN, SET LOCAL, the statement and COMMIT as prepared statements before one Sync, so that it takes
// one round trip. With a flush of 90 µs, one row takes 214 µs this way, and 232 µs where COMMIT is answered separately. After an
// error the server skips the rest, COMMIT too.
//
// It does not use pgx's Pipeline for two reasons. Pipeline drops the warning that the wait for a standby was cancelled. And it
// asks the server to cancel when an answer takes too long; see transactInTwo.

// toPrepare is a statement and the name under which a connection prepares it. The name is not the SQL text. pgx looks for the SQL of
// a call among the names of a connection's prepared statements, and a host's "commit" must not find the store's statement.
type toPrepare struct{ name, sql string }

// steps are the statements of a transaction. The third is st.
func (p pooled) steps(st statement) [4]toPrepare {
	timeout := strconv.FormatInt(p.lockTimeout.Milliseconds(), 10)
	return [...]toPrepare{
		{"checkout_begin", "begin isolation level read committed"},
		{"checkout_lock_timeout_" + timeout, "set local lock_timeout = " + timeout},
		{st.name, st.sql},
		{"checkout_commit", "commit"},
	}
}

const (
	statementStep = 2 // index of st in the steps
	commitStep    = 3 // index of commit
)

// canPipeline reports whether transactions are pipelined on a connection. They are not if the host forbids prepared statements,
// as it must behind some poolers. They are not pipelined either if the host has a tracer, because it would not see them.
func canPipeline(conn *pgx.Conn) bool {
	const key = "github.com/caisse/checkout/store/postgres: can pipeline"
	data := conn.PgConn().CustomData()
	can, known := data[key].(bool)
	if !known {
		config := conn.Config() // a copy, and expensive
		can = config.DefaultQueryExecMode == pgx.QueryExecModeCacheStatement && config.Tracer == nil
		data[key] = can
	}
	return can
}

// transactPipelined is transact for connections on which canPipeline is true. It sets its deadline on the network connection and not
// by a context, because pgx may ask the server to cancel when a context ends.
func (p pooled) transactPipelined(ctx context.Context, conn *pgx.Conn, st statement, collect func(pgx.Rows) error) error {
	server := conn.PgConn()
	server.Conn().SetDeadline(time.Now().Add(answerTimeout))
	spoilt := true // also after a panic: the next user of the connection would read these answers
	defer func() {
		switch {
		case conn.IsClosed(): // pgx may still use the network connection, with a deadline of its own
		case spoilt:
			hangUp(conn)
		default:
			server.Conn().SetDeadline(time.Time{})
		}
	}()

	a := &answers{conn: conn}
	if err := p.queue(context.WithoutCancel(ctx), conn, st, a); err != nil {
		spoilt = false
		return failed(ctx, st.doing, asking, conn.IsClosed(), err)
	}
	// A server that waits for us to read its answers cannot make this wait forever. Before the server has read the statement's
	// arguments, it answers only a few bytes. The messages after the arguments are so short that they fit any buffer.
	if err := server.Frontend().Flush(); err != nil {
		if pgconn.SafeToRetry(err) { // not a byte was written
			return failed(ctx, st.doing, asking, true, err)
		}
		return failed(ctx, st.doing, answering, true, err)
	}
	err := collect(a)
	a.Close()
	if a.err == nil && err != nil { // the rows were committed, but could not be read
		return failed(ctx, st.doing, committing, true, err)
	}
	if a.err == nil {
		spoilt = false
		return nil
	}
	// 25006: the server is read-only. Its connection is closed, because a new one may reach the primary.
	var pg *pgconn.PgError
	if !a.lost && (!errors.As(a.err, &pg) || pg.Code != "25006") {
		spoilt = !rolledBack(conn)
	}
	return failed(ctx, st.doing, a.at(), a.lost || conn.IsClosed(), a.err)
}

// queue prepares the statements that the connection lacks, and writes the transaction to its send buffer.
func (p pooled) queue(ctx context.Context, conn *pgx.Conn, st statement, a *answers) error {
	steps := p.steps(st)
	var prepared [len(steps)]*pgconn.StatementDescription
	for i, step := range steps {
		var err error
		if prepared[i], err = conn.Prepare(ctx, step.name, step.sql); err != nil {
			return err
		}
	}
	var args pgx.ExtendedQueryBuilder
	if err := args.Build(conn.TypeMap(), prepared[statementStep], st.args); err != nil {
		return err
	}
	a.fields = slices.Clone(prepared[statementStep].Fields)
	for i := range a.fields {
		a.fields[i].Format = args.ResultFormats[i]
	}
	frontend := conn.PgConn().Frontend()
	for i := range prepared {
		bind := &pgproto3.Bind{PreparedStatement: prepared[i].Name}
		if i == statementStep {
			bind.ParameterFormatCodes, bind.Parameters, bind.ResultFormatCodes = args.ParamFormats, args.ParamValues, args.ResultFormats
		}
		frontend.SendBind(bind)
		frontend.SendExecute(&pgproto3.Execute{})
	}
	frontend.SendSync(&pgproto3.Sync{})
	return nil
}

// answers reads the server's answers to a pipelined transaction, as the rows of its statement. The transaction is committed only if
// there is no error at the end of the answers.
type answers struct {
	pgx.Rows // nil: only the methods below are called
	conn     *pgx.Conn
	fields   []pgconn.FieldDescription
	values   [][]byte // of the current row; valid until Next is called again
	complete int      // how many steps the server has completed
	ended    bool
	lost     bool // the connection is lost
	err      error
}

// at returns the phase that the transaction has reached.
func (a *answers) at() phase {
	if a.complete <= statementStep {
		return answering
	}
	return committing
}

// Next reads up to the next row, or to the end of all answers.
func (a *answers) Next() bool {
	for !a.ended {
		message, lost := a.conn.PgConn().ReceiveMessage(context.Background())
		if lost != nil {
			a.ended, a.lost = true, true
			if a.err == nil || a.at() == committing { // if the statement failed, its error stays: the server skips COMMIT
				a.err = lost
			}
			break
		}
		switch message := message.(type) {
		case *pgproto3.DataRow:
			if a.complete == statementStep {
				a.values = message.Values
				return true
			}
		case *pgproto3.CommandComplete:
			if a.complete == commitStep && string(message.CommandTag) == "ROLLBACK" {
				a.err = errRolledBack
			}
			if a.err == nil {
				a.complete++
			}
		case *pgproto3.NoticeResponse:
			if a.at() == committing && warns(message) {
				a.err = warned(message)
			}
		case *pgproto3.ErrorResponse:
			a.err = pgconn.ErrorResponseToPgError(message)
		case *pgproto3.ReadyForQuery:
			a.ended = true
			if a.err == nil && a.complete != commitStep+1 {
				a.err, a.lost = errUnanswered, true
			}
		}
	}
	return false
}

// Scan, Err and Close implement [pgx.Rows], like Next.
func (a *answers) Scan(dest ...any) error {
	return pgx.ScanRow(a.conn.TypeMap(), a.fields, a.values, dest...)
}

func (a *answers) Err() error { return a.err }

func (a *answers) Close() {
	for a.Next() {
	}
}

// rolledBack rolls back a transaction that an error has left open. It reports whether the connection can be used again.
func rolledBack(conn *pgx.Conn) bool {
	server := conn.PgConn()
	if server.TxStatus() == 'I' {
		return true // BEGIN or COMMIT has failed, so that no transaction is open
	}
	return server.Exec(context.Background(), "rollback").Close() == nil && server.TxStatus() == 'I'
}

// stale reports whether nothing was written because a prepared statement no longer matches the schema, or is gone.
func stale(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == "26000" || pg.Code == "0A000") && !errors.Is(err, checkout.ErrOutcomeUnknown)
}

// forget removes the prepared statements of st, so that they are prepared again when they are next needed.
func (p pooled) forget(ctx context.Context, conn *pgx.Conn, st statement) error {
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerTimeout)
	defer cancel()
	for _, step := range p.steps(st) {
		if err := conn.Deallocate(bounded, step.name); err != nil {
			return failed(ctx, st.doing, asking, conn.IsClosed(), err)
		}
	}
	return nil
}
