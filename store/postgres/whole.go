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

// A transaction that goes whole is BEGIN, SET LOCAL, the statement and COMMIT as prepared statements before one Sync, so
// that the server answers once. At a flush of 90 µs a lone row takes 214 µs that way, 232 µs with a COMMIT that has an
// answer of its own, however few packets carry it, and 208 µs as its own transaction. After an error the server skips
// what is left, COMMIT too.
//
// It is written and read below pgx's Pipeline, which drops the warning that a wait for a standby was cancelled, and asks
// the server to cancel when an answer takes too long: see transactInTwo.

// toPrepare is a statement by the name that a connection knows it by. The names are the store's own, and none is the SQL:
// pgx looks SQL up among prepared statements, and neither a host's "commit" nor a store of WithTx, for which pgx mends
// what is stale, must depend on ours.
type toPrepare struct{ name, sql string }

// steps are the statements of a transaction, of which the third is the one that it is about.
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
	subject = 2 // of the steps
	last    = 3
)

// goesWhole reports whether transactions go whole on a connection: where the host lets statements be prepared, which
// not every pooler can take, and has no tracer, which would not see them.
func goesWhole(conn *pgx.Conn) bool {
	const key = "github.com/caisse/checkout/store/postgres: goes whole"
	data := conn.PgConn().CustomData()
	whole, known := data[key].(bool)
	if !known {
		config := conn.Config() // a copy, which is dear
		whole = config.DefaultQueryExecMode == pgx.QueryExecModeCacheStatement && config.Tracer == nil
		data[key] = whole
	}
	return whole
}

// transactWhole is transact for connections that transactions go whole on. Its deadline is the connection's, since the
// end of a context may make pgx ask the server to cancel.
func (p pooled) transactWhole(ctx context.Context, conn *pgx.Conn, st statement, collect func(pgx.Rows) error) error {
	server := conn.PgConn()
	server.Conn().SetDeadline(time.Now().Add(answerTimeout))
	spoilt := true // after a panic too: whoever has the connection next would read this one's answers
	defer func() {
		switch {
		case conn.IsClosed(): // pgx may still be at it, with a deadline of its own
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
	// No answer can be in the way of what is still to be written: the server gives none of more than some bytes before it
	// has read the statement's arguments, and what comes after them fits any buffer.
	if err := server.Frontend().Flush(); err != nil {
		if pgconn.SafeToRetry(err) { // not a byte was written
			return failed(ctx, st.doing, asking, true, err)
		}
		return failed(ctx, st.doing, answering, true, err)
	}
	err := collect(a)
	a.Close()
	if a.err == nil && err != nil { // rows that came and could not be read are committed all the same
		return failed(ctx, st.doing, committing, true, err)
	}
	if a.err == nil {
		spoilt = false
		return nil
	}
	var pg *pgconn.PgError
	if !a.lost && (!errors.As(a.err, &pg) || pg.Code != "25006") { // else the next connection may find the primary
		spoilt = !rolledBack(conn)
	}
	return failed(ctx, st.doing, a.at(), a.lost || conn.IsClosed(), a.err)
}

// queue prepares what the connection does not know yet, and writes the transaction to its buffer.
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
	if err := args.Build(conn.TypeMap(), prepared[subject], st.args); err != nil {
		return err
	}
	a.fields = slices.Clone(prepared[subject].Fields)
	for i := range a.fields {
		a.fields[i].Format = args.ResultFormats[i]
	}
	frontend := conn.PgConn().Frontend()
	for i := range prepared {
		bind := &pgproto3.Bind{PreparedStatement: prepared[i].Name}
		if i == subject {
			bind.ParameterFormatCodes, bind.Parameters, bind.ResultFormatCodes = args.ParamFormats, args.ParamValues, args.ResultFormats
		}
		frontend.SendBind(bind)
		frontend.SendExecute(&pgproto3.Execute{})
	}
	frontend.SendSync(&pgproto3.Sync{})
	return nil
}

// answers are those to a transaction that went whole, read as the rows of its statement. Only without an error at their
// end is it committed, and as durable as the server is told to make it.
type answers struct {
	pgx.Rows // nil: nobody asks for the rest of it
	conn     *pgx.Conn
	fields   []pgconn.FieldDescription
	values   [][]byte // of the row, until the next
	complete int      // of the steps
	ended    bool
	lost     bool // the connection
	err      error
}

// at is how far the transaction came.
func (a *answers) at() phase {
	if a.complete <= subject {
		return answering
	}
	return committing
}

// Next reads up to the next row, or to the very end.
func (a *answers) Next() bool {
	for !a.ended {
		message, lost := a.conn.PgConn().ReceiveMessage(context.Background())
		if lost != nil {
			a.ended, a.lost = true, true
			if a.err == nil || a.at() == committing { // an error of the statement's stands: COMMIT is skipped
				a.err = lost
			}
			break
		}
		switch message := message.(type) {
		case *pgproto3.DataRow:
			if a.complete == subject {
				a.values = message.Values
				return true
			}
		case *pgproto3.CommandComplete:
			if a.complete == last && string(message.CommandTag) == "ROLLBACK" {
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
			if a.err == nil && a.complete != last+1 {
				a.err, a.lost = errUnanswered, true
			}
		}
	}
	return false
}

// Scan implements [pgx.Rows], as do the others.
func (a *answers) Scan(dest ...any) error {
	return pgx.ScanRow(a.conn.TypeMap(), a.fields, a.values, dest...)
}

func (a *answers) Err() error { return a.err }

func (a *answers) Close() {
	for a.Next() {
	}
}

// rolledBack ends the transaction that an error has left open, and reports whether it could.
func rolledBack(conn *pgx.Conn) bool {
	server := conn.PgConn()
	if server.TxStatus() == 'I' {
		return true // it was COMMIT that failed
	}
	return server.Exec(context.Background(), "rollback").Close() == nil && server.TxStatus() == 'I'
}

// stale reports whether nothing was written because of a prepared statement: somebody removed it, or changed the table.
func stale(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == "26000" || pg.Code == "0A000") && !errors.Is(err, checkout.ErrOutcomeUnknown)
}

// forget has the statements prepared again when they are next needed.
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
