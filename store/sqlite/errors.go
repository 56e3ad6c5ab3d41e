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

// failed maps the error of a call that wrote nothing to the errors that [checkout.Store] promises. If ctx has ended, it returns ctx's
// error. Otherwise errors.As still finds SQLite's own error.
func failed(ctx context.Context, doing string, err error) error {
	switch {
	case err == nil, errors.Is(err, checkout.ErrNotFound), errors.Is(err, checkout.ErrConflict):
		return err
	case errors.As(err, new(*checkout.ValidationError)):
		return err
	case ctx.Err() != nil:
		return ctx.Err()
	case temporary(err):
		return unavailable(doing, err)
	}
	return fmt.Errorf("sqlite: %s: %w", doing, err)
}

func unavailable(doing string, err error) error {
	return fmt.Errorf("sqlite: %s: %w: %w", doing, checkout.ErrUnavailable, err)
}

// code returns SQLite's primary result code (https://www.sqlite.org/rescode.html), or SQLITE_OK if err is no error of SQLite.
func code(err error) int {
	if e := (*sqlite.Error)(nil); errors.As(err, &e) {
		return e.Code() & 0xff
	}
	return sqlite3.SQLITE_OK
}

// temporary reports whether the same call can succeed later, without a change to the program or to the data.
func temporary(err error) bool {
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

// locked reports whether a call failed because another connection had the lock.
func locked(err error) bool {
	c := code(err)
	return c == sqlite3.SQLITE_BUSY || c == sqlite3.SQLITE_LOCKED
}

// ownFault reports whether err concerns one statement only. SQLite has then undone that statement, and the transaction can go on: a
// bad row does not fail the other rows of its batch.
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
// In WAL mode, COMMIT appends its pages to the log, marks the last one, and flushes the log. If the disk is full, the mark is missing,
// and without the mark the pages do not count. If the flush fails, all pages were written: no connection sees them now, but after a
// crash SQLite may find them in the log, and then they count. So the outcome of a failed flush is unknown. The outcome of every other
// error that is not listed here is treated as unknown too.
func surelyUndone(err error) bool {
	switch code(err) {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CONSTRAINT:
		return true
	}
	return false
}
