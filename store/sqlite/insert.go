package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"runtime/debug"
)

// insertion is a statement that inserts a session. It is made by the session's own caller, so that the one goroutine that
// writes the batch has little left to do.
type insertion struct {
	query  string
	values []any // the first is the owner, for create to fill in
}

// insert returns how many rows there are more.
func insert(ctx context.Context, q querier, ins insertion) (int64, error) {
	result, err := exec(ctx, q, ins.query, ins.values)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// exec runs a statement whose values are such as a driver takes: nil, int64, string, bool or []byte.
func exec(ctx context.Context, q querier, query string, values []any) (sql.Result, error) {
	if b, ok := q.(batchQuerier); ok {
		return b.straight.exec(ctx, b.conn, query, values)
	}
	return q.ExecContext(ctx, query, values...)
}

// batchQuerier is the querier of a batch on the writer of [Open], whose exec goes straight to the driver.
type batchQuerier struct {
	querier
	conn     *sql.Conn
	straight *straight
}

// straight runs statements on the writer's connection without database/sql, which looks at each value anew, and takes
// locks and makes objects for each statement: 2 µs, of 13 for a row in all. It belongs to the leader of the batch.
type straight struct {
	on         any // the driver's connection
	statements map[string]driver.Stmt
	values     []driver.NamedValue // of the statement that runs
}

// exec is a statement of the transaction that conn is in.
func (s *straight) exec(ctx context.Context, conn *sql.Conn, query string, values []any) (result sql.Result, err error) {
	err = unlocked(conn, func(on any) error {
		stmt, err := s.prepare(ctx, on, query)
		if err != nil {
			return err
		}
		defer func() {
			clear(s.values) // they are a customer's
			s.values = s.values[:0]
		}()
		for i, value := range values {
			s.values = append(s.values, driver.NamedValue{Ordinal: i + 1, Value: value})
		}
		result, err = stmt.ExecContext(ctx, s.values)
		return err
	})
	return result, err
}

func (s *straight) prepare(ctx context.Context, on any, query string) (driver.StmtExecContext, error) {
	if s.on != on { // a new connection; that before had none left, or the driver panicked
		s.on, s.statements = on, make(map[string]driver.Stmt)
	}
	stmt := s.statements[query]
	if stmt == nil {
		var err error
		if stmt, err = on.(driver.ConnPrepareContext).PrepareContext(ctx, query); err != nil {
			return nil, err
		}
		s.statements[query] = stmt
	}
	return stmt.(driver.StmtExecContext), nil
}

// close is for a connection that is about to be closed.
func (s *straight) close(conn *sql.Conn) error {
	return unlocked(conn, func(on any) error {
		var errs []error
		if s.on == on {
			for _, stmt := range s.statements {
				errs = append(errs, stmt.Close())
			}
			s.on, s.statements = nil, nil
		}
		return errors.Join(errs...)
	})
}

// unlocked has f use the driver's connection below conn. What f fails with, a panic too, goes on, but only once database/sql
// is out of it: of a panic and of [driver.ErrBadConn] it would close the connection, and wait for ever for the transaction
// that is under way there.
func unlocked(conn *sql.Conn, f func(on any) error) error {
	var own, panicked error
	err := conn.Raw(func(on any) error {
		defer func() {
			if value := recover(); value != nil {
				panicked = fmt.Errorf("in the driver: %v\n\n%s", value, debug.Stack())
			}
		}()
		own = f(on)
		return nil
	})
	if panicked != nil {
		panic(panicked)
	}
	if err == nil {
		err = own
	}
	return err
}
