package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/caisse/checkout/store/internal/migrations"

	sqlite3 "modernc.org/sqlite/lib"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations returns the schema as numbered SQL files, 0001_name.sql and so on, for hosts with a migration system of their own. A
// released file never changes. The names of all tables, indexes and views begin with checkout_.
//
// Use either these files or [Migrate] on a database, never both: Migrate does not know what another system has applied.
func Migrations() fs.FS {
	sub, err := fs.Sub(files, "migrations")
	if err != nil {
		panic(err) // the name is valid
	}
	return sub
}

// Migrate brings the tables of this package in the host's database up to date. It does so in one transaction, so it is done completely
// or not at all, and only once if several processes call it. If there is nothing to do, it writes nothing and takes no lock. It gives
// up with [checkout.ErrUnavailable] if the file stays locked.
//
// A database that a newer program has migrated is fine, as long as this program can work with what was added. Otherwise the error says
// so.
//
// The table checkout_migrations lists the migrations that were applied. PRAGMA user_version is left to the host.
func Migrate(ctx context.Context, db *sql.DB) error {
	known, err := migrations.Load(Migrations())
	if err != nil {
		return fmt.Errorf("sqlite: %w", err)
	}
	waiting, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	var conn *sql.Conn
	err = patiently(waiting, func() (err error) {
		conn, err = db.Conn(ctx) // a new connection sets journal_mode, and may find the file locked
		return err
	})
	if err != nil {
		return failed(ctx, "migrate", err)
	}
	defer conn.Close()
	return failed(ctx, "migrate", patiently(waiting, func() error {
		if due, err := missing(ctx, conn, known); err != nil || len(due) == 0 {
			return err
		}
		return exclusively(ctx, conn, func() error { return apply(ctx, conn, known) })
	}))
}

// apply applies the missing migrations and records them.
func apply(ctx context.Context, conn *sql.Conn, known []migrations.Migration) error {
	if _, err := conn.ExecContext(ctx, makeVersions); err != nil {
		return err
	}
	due, err := missing(ctx, conn, known) // another process may have been faster
	if err != nil {
		return err
	}
	for _, m := range due {
		if _, err := conn.ExecContext(ctx, m.SQL); err != nil {
			return fmt.Errorf("%04d_%s: %w", m.Version, m.Name, err)
		}
		_, err := conn.ExecContext(ctx, `INSERT INTO checkout_migrations (version, name, applied_at) VALUES (?, ?, ?)`,
			m.Version, m.Name, time.Now().UnixMicro())
		if err != nil {
			return err
		}
	}
	return nil
}

const makeVersions = `CREATE TABLE IF NOT EXISTS checkout_migrations (
	version    INTEGER PRIMARY KEY,
	name       TEXT    NOT NULL,
	applied_at INTEGER NOT NULL -- microseconds since 1970 in UTC
) STRICT`

// missing returns the known migrations that were not applied. It refuses a newer schema that this program cannot work with.
func missing(ctx context.Context, conn *sql.Conn, known []migrations.Migration) ([]migrations.Migration, error) {
	var tables int
	const made = `SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'checkout_migrations'`
	err := conn.QueryRowContext(ctx, made).Scan(&tables)
	if err != nil || tables == 0 {
		return known, err
	}
	rows, err := conn.QueryContext(ctx, `SELECT version, name FROM checkout_migrations ORDER BY version`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	applied := 0
	for rows.Next() {
		var name string
		if err := rows.Scan(&applied, &name); err != nil {
			return nil, err
		}
		if applied > len(known) && migrations.Breaking(name) {
			return nil, fmt.Errorf("a newer program has applied %04d_%s, which this one cannot work with: update it", applied, name)
		}
	}
	return known[min(applied, len(known)):], rows.Err()
}

// exclusively runs f in a transaction that has the database's write lock from its beginning, whatever the DSN says.
func exclusively(ctx context.Context, conn *sql.Conn, f func() error) (err error) {
	if _, err := conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	defer func() {
		if err == nil {
			return
		}
		_, undone := conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
		if undone != nil && code(undone) != sqlite3.SQLITE_ERROR { // SQLITE_ERROR: the failure has rolled back already
			err = errors.Join(err, undone, conn.Raw(func(any) error { return driver.ErrBadConn })) // the pool closes this connection
		}
	}()
	if err := f(); err != nil {
		return err
	}
	_, err = conn.ExecContext(ctx, "COMMIT")
	return err
}
