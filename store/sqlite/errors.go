package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/caisse/checkout"
)

// failed maps the error of a call that wrote nothing to what [checkout.Store] promises. SQLite's own stays reachable by
// errors.As.
func failed(ctx context.Context, doing string, err error) error {
	switch {
	case err == nil, errors.Is(err, checkout.ErrNotFound), errors.Is(err, checkout.ErrConflict):
		return err
	case errors.As(err, new(*checkout.ValidationError)):
		return err
	case ctx.Err() != nil:
		return ctx.Err()
	case passes(err):
		return unavailable(doing, err)
	}
	return fmt.Errorf("sqlite: %s: %w", doing, err)
}

func unavailable(doing string, err error) error {
	return fmt.Errorf("sqlite: %s: %w: %w", doing, checkout.ErrUnavailable, err)
}

// code is SQLite's primary result code (https://www.sqlite.org/rescode.html), SQLITE_OK where err is none of SQLite's.
func code(err error) int {
	if e := (*sqlite.Error)(nil); errors.As(err, &e) {
		return e.Code() & 0xff
	}
	return sqlite3.SQLITE_OK
}

// passes reports whether err is of a kind that passes, or that an operator can mend, without a change to program or
// data: then the same call can succeed later.
func passes(err error) bool {
	switch code(err) {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL, // others write
		sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_NOMEM, // the machine
		sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, // the file system
		sqlite3.SQLITE_INTERRUPT:
		return true
	}
	return connectionLost(err)
}

func connectionLost(err error) bool {
	return errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone)
}

// locked reports whether another connection holds what was needed.
func locked(err error) bool {
	c := code(err)
	return c == sqlite3.SQLITE_BUSY || c == sqlite3.SQLITE_LOCKED
}

// ownFault reports whether err concerns one statement only, which SQLite then has undone, so that the transaction around
// it goes on: a bad row does not fail its batch mates.
func ownFault(err error) bool {
	if half := (*halfDoneError)(nil); errors.As(err, &half) {
		return false
	}
	switch code(err) {
	case sqlite3.SQLITE_OK: // a lost compare-and-swap, an id that is taken, a row that cannot be read
		return !connectionLost(err) && !errors.Is(err, sql.ErrTxDone)
	case sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_RANGE:
		return true
	}
	return false
}

// surelyUndone reports whether a COMMIT that failed with err left nothing behind.
//
// In WAL mode a COMMIT appends its pages to the log, the last one marked, and then flushes the log. If there is no room
// the mark was never written. If the flush fails everything was: no connection sees the pages now, yet when the log is
// next recovered, after a crash, they may be found whole and count. So does a failure between flush and return. These are
// not known, and so is whatever is not listed here.
func surelyUndone(err error) bool {
	switch code(err) {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CONSTRAINT:
		return true
	}
	return false
}
