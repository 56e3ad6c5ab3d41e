package sqlite_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/hex"
	"errors"
	"net/url"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/matryer/is"
	modernc "modernc.org/sqlite"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/idempotency"
	"github.com/caisse/checkout/store/sqlite"
)

// merchant is the account of most sessions in these tests.
var merchant = checkout.Account{ID: "acct_0193f0c2a7b4"}

// newSession returns a new session as Checkouts makes one. A later session has a greater ID, and its key is random.
func newSession(tb testing.TB) checkout.Session {
	tb.Helper()
	session, err := makeSession()
	if err != nil {
		tb.Fatal(err)
	}
	return session
}

// makeSession is newSession for a child process, which has no testing.TB.
func makeSession() (checkout.Session, error) {
	id, err := uuid.NewV7()
	now := time.Now().UTC().Truncate(time.Microsecond)
	return checkout.Session{
		ID:             "cs_ci_" + hex.EncodeToString(id[:]),
		Account:        merchant,
		Status:         checkout.StatusCreated,
		Amount:         5000,
		Currency:       "XOF",
		PaymentMethod:  checkout.MobileMoney,
		UserPhone:      "+2250707987654",
		Description:    "Two baskets of attieke",
		CreatedAt:      now,
		UpdatedAt:      now,
		ExpiresAt:      now.Add(30 * time.Minute),
		TransactionFee: 25,
		IdempotencyKey: idempotency.Key(uuid.NewString()),
		Fingerprint:    idempotency.Sum(1, id.String()),
		Version:        1,
	}, err
}

// newPath returns the path of a database that does not exist yet.
func newPath(tb testing.TB) string {
	tb.Helper()
	return filepath.Join(tb.TempDir(), "checkouts.db")
}

// open opens the store at path. The store is closed when the test ends.
func open(tb testing.TB, path string) *sqlite.Store {
	tb.Helper()
	s, err := sqlite.Open(tb.Context(), path)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = s.Close() })
	return s
}

// hostDSN returns the DSN that New recommends. more adds or replaces settings: a name, its value, the next name and so on.
func hostDSN(path string, more ...string) string {
	settings := url.Values{
		"_journal_mode": {"WAL"}, "_synchronous": {"FULL"}, "_busy_timeout": {"5000"}, "_txlock": {"immediate"},
	}
	for i := 0; i < len(more); i += 2 {
		settings.Set(more[i], more[i+1])
	}
	return "file:" + path + "?" + settings.Encode()
}

// hostPool opens a pool as a host does. The pool is closed when the test ends.
func hostPool(tb testing.TB, dsn string) *sql.DB {
	tb.Helper()
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = db.Close() })
	return db
}

// migrated creates the tables in db and returns a store on it.
func migrated(tb testing.TB, db *sql.DB) *sqlite.Store {
	tb.Helper()
	if err := sqlite.Migrate(tb.Context(), db); err != nil {
		tb.Fatal(err)
	}
	s, err := sqlite.New(db)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = s.Close() })
	return s
}

// create calls Create, which must write the session as a new one.
func create(tb testing.TB, s checkout.Store, session checkout.Session) checkout.Session {
	tb.Helper()
	held, created, err := s.Create(tb.Context(), session)
	if err != nil || !created {
		tb.Fatalf("Create: created %t, %v", created, err)
	}
	return held
}

// wantStored checks that s returns the session with exactly these fields.
func wantStored(tb testing.TB, s checkout.Store, session checkout.Session) {
	tb.Helper()
	is := is.New(tb)
	is.Helper()
	found, err := s.Get(tb.Context(), session.Account, session.ID)
	is.NoErr(err)
	is.Equal(found, session)
}

// wantAbsent checks that s has neither the session nor its key.
func wantAbsent(tb testing.TB, s checkout.Store, session checkout.Session) {
	tb.Helper()
	is := is.New(tb)
	is.Helper()
	_, err := s.Get(tb.Context(), session.Account, session.ID)
	is.True(errors.Is(err, checkout.ErrNotFound)) // the session is not stored
	_, err = s.GetByKey(tb.Context(), session.Account, session.IdempotencyKey)
	is.True(errors.Is(err, checkout.ErrNotFound)) // its key is free
}

// wantIntact checks the database at path with SQLite's own integrity check.
func wantIntact(tb testing.TB, path string) {
	tb.Helper()
	is := is.New(tb)
	is.Helper()
	db, err := sql.Open("sqlite", hostDSN(path))
	is.NoErr(err)
	defer db.Close()
	var result string
	is.NoErr(db.QueryRow("PRAGMA integrity_check").Scan(&result))
	is.Equal(result, "ok")
}

// faultyConnector is a layer between database/sql and the driver. A test may set its fields while nobody uses the pool.
type faultyConnector struct {
	driver.Connector
	begun  func()                   // called after a transaction has begun; may be nil
	commit func(tx driver.Tx) error // called instead of tx.Commit; may be nil
	query  func(query string)       // called before a statement is prepared, or run without being prepared; may be nil
}

// faultyPool opens a pool of the file at path, and returns the connector in which the test can set faults. The pool is closed when the
// test ends.
func faultyPool(tb testing.TB, path string) (*sql.DB, *faultyConnector) {
	tb.Helper()
	db, f, err := newFaultyPool(path)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = db.Close() })
	return db, f
}

func newFaultyPool(path string) (*sql.DB, *faultyConnector, error) {
	connector, err := modernc.NewConnector(hostDSN(path))
	f := &faultyConnector{Connector: connector}
	return sql.OpenDB(f), f, err
}

// Connect implements [driver.Connector].
func (f *faultyConnector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := f.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &faultyConn{conn.(moderncConn), f}, nil
}

// moderncConn has the interfaces that database/sql looks for in a connection of the driver.
type moderncConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.SessionResetter
	driver.Validator
}

type faultyConn struct {
	moderncConn
	faults *faultyConnector
}

// BeginTx implements [driver.ConnBeginTx].
func (c *faultyConn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	tx, err := c.moderncConn.BeginTx(ctx, opts)
	if err != nil {
		return nil, err
	}
	if c.faults.begun != nil {
		c.faults.begun()
	}
	return &faultyTx{tx, c.faults}, nil
}

// PrepareContext implements [driver.ConnPrepareContext].
func (c *faultyConn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	if c.faults.query != nil {
		c.faults.query(query)
	}
	return c.moderncConn.PrepareContext(ctx, query)
}

// QueryContext implements [driver.QueryerContext].
func (c *faultyConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	if c.faults.query != nil {
		c.faults.query(query)
	}
	return c.moderncConn.QueryContext(ctx, query, args)
}

// ExecContext implements [driver.ExecerContext].
func (c *faultyConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	if c.faults.query != nil {
		c.faults.query(query)
	}
	return c.moderncConn.ExecContext(ctx, query, args)
}

type faultyTx struct {
	driver.Tx
	faults *faultyConnector
}

// Commit implements [driver.Tx].
func (tx *faultyTx) Commit() error {
	if tx.faults.commit == nil {
		return tx.Tx.Commit()
	}
	return tx.faults.commit(tx.Tx)
}
