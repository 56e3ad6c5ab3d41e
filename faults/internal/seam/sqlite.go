//go:build unix

package seam

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"strings"

	"modernc.org/sqlite"
)

// The points of a SQLite store.
const (
	BeforeMigration    Point = "before the migration begins"
	MigrationBegun     Point = "when the migration has begun"
	MigrationStatement Point = "before a statement of the migration"
	BeforeMigrated     Point = "before the migration's commit"
	Migrated           Point = "after the migration's commit"
	BeforeBegin        Point = "before a transaction begins"
	Begun              Point = "when a transaction has begun"
	BeforeAccount      Point = "before an account's row"
	AfterAccount       Point = "after an account's row"
	BeforeInsert       Point = "before an insert"
	AfterInsert        Point = "between insert and commit"
	BeforeHolder       Point = "before the holder of a key is read"
	BeforeEvent        Point = "before the event of a change"
	AfterEvent         Point = "between the event of a change and the change"
	BeforeUpdate       Point = "before an update"
	AfterUpdate        Point = "between update and commit"
	BeforeSweep        Point = "before a sweep"
	AmidSweep          Point = "amid the rows of a sweep"
	AfterSweep         Point = "between sweep and commit"
	BeforeCommit       Point = "before a commit"
	AfterCommit        Point = "after a commit, before the answer"
	BeforeRollback     Point = "before a rollback"
	AfterRollback      Point = "after a rollback"
	BeforeOrder        Point = "between a session and the host's order"
	AfterOrder         Point = "between the host's order and its commit"
	BeforeCheckpoint   Point = "before a checkpoint"
	AfterCheckpoint    Point = "after a checkpoint"
)

// SQLitePoints lists the points of a SQLite store.
func SQLitePoints() []Point {
	return []Point{
		BeforeMigration, MigrationBegun, MigrationStatement, BeforeMigrated, Migrated, BeforeBegin, Begun, BeforeAccount,
		AfterAccount, BeforeInsert, AfterInsert, BeforeHolder, BeforeEvent, AfterEvent, BeforeUpdate, AfterUpdate, BeforeSweep, AmidSweep,
		AfterSweep, BeforeCommit, AfterCommit, BeforeRollback, AfterRollback, BeforeOrder, AfterOrder, BeforeCheckpoint, AfterCheckpoint,
	}
}

// OpenSQLite is sql.Open("sqlite", dsn) with the seam in its driver.
func (s *Seam) OpenSQLite(dsn string) *sql.DB {
	return sql.OpenDB(&connector{s, dsn, new(sqlite.Driver)})
}

// around returns the points before and after a statement. "" is none.
func around(query string) (before, after Point) {
	query = strings.TrimSpace(query)
	for _, known := range []struct {
		prefix        string
		before, after Point
	}{
		{"BEGIN", BeforeMigration, MigrationBegun}, // only the migration sends BEGIN as a statement
		{"COMMIT", BeforeMigrated, Migrated},
		{"CREATE", MigrationStatement, ""},
		{"INSERT INTO checkout_migrations", MigrationStatement, ""},
		{"INSERT INTO checkout_accounts", BeforeAccount, AfterAccount},
		{"INSERT INTO checkout_sessions", BeforeInsert, AfterInsert},
		{"INSERT INTO checkout_events", BeforeEvent, AfterEvent},
		{"UPDATE checkout_sessions SET status = ?", BeforeUpdate, AfterUpdate},
		{"UPDATE checkout_sessions SET status = 5", BeforeSweep, AfterSweep},
		{"INSERT INTO host_orders", BeforeOrder, AfterOrder},
		{"PRAGMA wal_checkpoint", BeforeCheckpoint, AfterCheckpoint},
	} {
		if strings.HasPrefix(query, known.prefix) {
			return known.before, known.after
		}
	}
	if strings.HasPrefix(query, "SELECT") && strings.Contains(query, "WHERE s.idempotency_key = ?") {
		return BeforeHolder, ""
	}
	if strings.HasPrefix(query, "SELECT") && strings.Contains(query, "WHERE s.num IN (SELECT num FROM checkout_sessions WHERE status < 2") {
		return "", AmidSweep
	}
	return "", ""
}

type connector struct {
	seam   *Seam
	dsn    string
	driver driver.Driver
}

func (c *connector) Driver() driver.Driver { return c.driver }

func (c *connector) Connect(context.Context) (driver.Conn, error) {
	inner, err := c.driver.Open(c.dsn)
	if err != nil {
		return nil, err
	}
	return &conn{inner.(sqliteConn), c.seam}, nil
}

// sqliteConn has the interfaces through which database/sql uses modernc's connections.
type sqliteConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.Pinger
	driver.QueryerContext
	driver.SessionResetter
	driver.Validator
}

type conn struct {
	sqliteConn
	seam *Seam
}

func (c *conn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	if o.ReadOnly {
		return c.sqliteConn.BeginTx(ctx, o)
	}
	c.seam.at(BeforeBegin)
	inner, err := c.sqliteConn.BeginTx(ctx, o)
	if err != nil {
		return nil, err
	}
	c.seam.at(Begun)
	return &tx{inner, c.seam}, nil
}

func (c *conn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	inner, err := c.sqliteConn.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	before, after := around(query)
	return &stmt{inner.(sqliteStmt), c.seam, before, after}, nil
}

func (c *conn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (result driver.Result, err error) {
	// This runs the statements of a script one after the other, as the driver would.
	for _, statement := range statements(query) {
		before, after := around(statement)
		c.seam.at(before)
		result, err = c.sqliteConn.ExecContext(ctx, statement, args)
		if err != nil {
			return nil, err
		}
		c.seam.at(after)
	}
	return result, nil
}

func (c *conn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	before, after := around(query)
	c.seam.at(before)
	inner, err := c.sqliteConn.QueryContext(ctx, query, args)
	if err != nil {
		return nil, err
	}
	return &rows{inner, c.seam, after}, nil
}

type tx struct {
	driver.Tx
	seam *Seam
}

func (t *tx) Commit() error {
	t.seam.at(BeforeCommit)
	err := t.Tx.Commit()
	t.seam.at(AfterCommit)
	return err
}

func (t *tx) Rollback() error {
	t.seam.at(BeforeRollback)
	err := t.Tx.Rollback()
	t.seam.at(AfterRollback)
	return err
}

type sqliteStmt interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

type stmt struct {
	sqliteStmt
	seam          *Seam
	before, after Point
}

func (s *stmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	s.seam.at(s.before)
	result, err := s.sqliteStmt.ExecContext(ctx, args)
	if err == nil {
		s.seam.at(s.after)
	}
	return result, err
}

func (s *stmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	s.seam.at(s.before)
	inner, err := s.sqliteStmt.QueryContext(ctx, args)
	if err != nil {
		return nil, err
	}
	return &rows{inner, s.seam, s.after}, nil
}

type rows struct {
	driver.Rows
	seam  *Seam
	after Point // of the statement, once its rows are read
}

func (r *rows) Next(values []driver.Value) error {
	err := r.Rows.Next(values)
	if err == nil && r.after == AmidSweep {
		r.seam.at(AmidSweep)
	}
	return err
}

func (r *rows) Close() error {
	err := r.Rows.Close()
	if err == nil {
		r.seam.at(r.after)
	}
	return err
}

// statements splits a script into its statements. It understands quotes and comments, which is enough for the migrations.
func statements(script string) []string {
	var found []string
	var quote byte
	comment, start := false, 0
	for i := range len(script) {
		switch c := script[i]; {
		case comment:
			comment = c != '\n'
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '\'' || c == '"':
			quote = c
		case c == '-' && strings.HasPrefix(script[i:], "--"):
			comment = true
		case c == ';':
			found = append(found, uncommented(script[start:i]))
			start = i + 1
		}
	}
	if rest := uncommented(script[start:]); rest != "" || len(found) == 0 {
		found = append(found, rest)
	}
	return found
}

// uncommented returns a statement without the comments before it.
func uncommented(statement string) string {
	for {
		statement = strings.TrimSpace(statement)
		if !strings.HasPrefix(statement, "--") {
			return statement
		}
		_, statement, _ = strings.Cut(statement, "\n")
	}
}
