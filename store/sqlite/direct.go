package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"runtime/debug"
)

// insertion is a statement that inserts a session, with its values. Each caller makes its own, so that the goroutine that writes the
// batch has less to do.
type insertion struct {
	query  string
	values []any // the first is the number of the account, which create sets
}

// insert runs an insertion and returns the number of rows that it inserted.
func insert(ctx context.Context, q querier, ins insertion) (int64, error) {
	result, err := exec(ctx, q, ins.query, ins.values)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// exec runs a statement. Its values must have types that a driver takes: nil, int64, string, bool or []byte.
func exec(ctx context.Context, q querier, query string, values []any) (sql.Result, error) {
	if b, ok := q.(batchQuerier); ok {
		return b.direct.exec(ctx, b.conn, query, values)
	}
	return q.ExecContext(ctx, query, values...)
}

// batchQuerier is the querier of a batch, in a store that [Open] made. For this type, the function exec calls the driver directly. The
// methods of batchQuerier use database/sql.
type batchQuerier struct {
	querier
	conn   *sql.Conn
	direct *directExec
}

// directExec runs statements on the driver's connection without database/sql, which would take 2 µs of the 13 µs of a row: database/sql
// checks each value, takes locks, and allocates memory for each statement. Only one goroutine at a time uses it: the one that writes a
// batch.
type directExec struct {
	on         any // the driver's connection
	statements map[string]driver.Stmt
	values     []driver.NamedValue // of the current statement
}

// exec runs a statement in the transaction of conn.
func (s *directExec) exec(ctx context.Context, conn *sql.Conn, query string, values []any) (result sql.Result, err error) {
	err = withDriverConn(conn, func(on any) error {
		stmt, err := s.prepare(ctx, on, query)
		if err != nil {
			return err
		}
		defer func() {
			clear(s.values) // keep no customer's data
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

func (s *directExec) prepare(ctx context.Context, on any, query string) (driver.StmtExecContext, error) {
	if s.on != on { // a new connection: the statements of the old one were closed, or the driver panicked
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

// close closes the statements of a connection that is about to be closed.
func (s *directExec) close(conn *sql.Conn) error {
	return withDriverConn(conn, func(on any) error {
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

// withDriverConn calls f with the driver's connection of conn. It passes on f's error, or its panic, after conn.Raw has returned. Inside
// conn.Raw, a panic or a [driver.ErrBadConn] would make database/sql close the connection, which would wait for ever for the
// transaction that is open on it.
func withDriverConn(conn *sql.Conn, f func(on any) error) error {
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
