package postgres

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"time"

	"github.com/caisse/checkout/store/internal/migrations"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations returns the schema as numbered files, 0001_sessions.sql first, for hosts with a migration system of their own. Each may be
// applied in a transaction. A released file never changes. Older programs keep working after a migration, unless its name ends in
// _breaking.sql.
func Migrations() fs.FS {
	sub, err := fs.Sub(files, "migrations")
	if err != nil {
		panic(err) // the path is constant and valid
	}
	return sub
}

// Migrate applies the migrations that the database lacks to the first schema of the search path, each in a transaction of its own. The
// table checkout_migrations has those that were applied. If there is nothing to apply, Migrate writes nothing. Any number of
// instances may call it at once, while others are running.
//
// If a newer release has changed the schema in a way that this release cannot work with, the error says so. If the database
// cannot be reached, the error is [checkout.ErrUnavailable].
func Migrate(ctx context.Context, pool *pgxpool.Pool) error {
	known, err := migrations.Load(Migrations())
	if err != nil {
		return err
	}
	conn, err := (pooled{pool: pool}).acquire(ctx, "migrate")
	if err != nil {
		return err
	}
	defer conn.Release()
	// Instances that start together may conflict in the system catalogs, which have no ON CONFLICT. An instance that fails tries again,
	// and finds the work done.
	for n := 1; ; n++ {
		err := migrate(ctx, conn.Conn(), known)
		if err == nil {
			return nil
		}
		if n == 4*attempts || !raced(err) {
			return failed(ctx, "migrate", asking, conn.Conn().IsClosed(), err)
		}
		select {
		case <-time.After(rand.N(100 * time.Millisecond)):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func migrate(ctx context.Context, conn *pgx.Conn, known []migrations.Migration) error {
	if err := checkEncoding(ctx, conn); err != nil {
		return err
	}
	applied, err := appliedTo(ctx, conn)
	if err != nil {
		return err
	}
	for version, name := range applied {
		if version > len(known) && migrations.Breaking(name) {
			return fmt.Errorf("the schema has migration %d, %s: this program is too old for it", version, name)
		}
	}
	for _, m := range known {
		if _, done := applied[m.Version]; done {
			continue
		}
		if err := apply(ctx, conn, m); err != nil {
			return fmt.Errorf("migration %d, %s: %w", m.Version, m.Name, err)
		}
	}
	return nil
}

// checkEncoding refuses a database that cannot store every text. The server reports its encoding when a connection is made. Not every
// pooler passes that on, and then checkEncoding asks by SQL.
func checkEncoding(ctx context.Context, conn *pgx.Conn) error {
	encoding := conn.PgConn().ParameterStatus("server_encoding")
	if encoding == "" {
		if err := conn.QueryRow(ctx, "SHOW server_encoding").Scan(&encoding); err != nil {
			return err
		}
	}
	if encoding != "UTF8" {
		return fmt.Errorf("the database's encoding is %s, and must be UTF8: make it with CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0", encoding)
	}
	return nil
}

// appliedTo returns the names of the migrations that a database has, by version. If it has no table for them yet, appliedTo creates it.
func appliedTo(ctx context.Context, conn *pgx.Conn) (map[int]string, error) {
	// Ask first: even CREATE TABLE IF NOT EXISTS needs a privilege that a program may lack if everything is applied.
	var there bool
	if err := conn.QueryRow(ctx, "SELECT to_regclass('checkout_migrations') IS NOT NULL").Scan(&there); err != nil {
		return nil, err
	}
	if !there {
		_, err := conn.Exec(ctx, `CREATE TABLE checkout_migrations (
			version    integer PRIMARY KEY,
			name       text NOT NULL,
			applied_at timestamptz NOT NULL DEFAULT now()
		)`)
		return nil, err
	}
	rows, err := conn.Query(ctx, "SELECT version, name FROM checkout_migrations")
	if err != nil {
		return nil, err
	}
	applied := make(map[int]string)
	var (
		version int
		name    string
	)
	_, err = pgx.ForEachRow(rows, []any{&version, &name}, func() error {
		applied[version] = name
		return nil
	})
	return applied, err
}

// apply applies one migration, unless another instance does so first. The migration's row in the table is the lock: a second
// instance waits for the first. If the first commits, the second has nothing to do. If the first fails, the second applies the
// migration.
func apply(ctx context.Context, conn *pgx.Conn, m migrations.Migration) error {
	return pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{IsoLevel: pgx.ReadCommitted}, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, "INSERT INTO checkout_migrations (version, name) VALUES ($1, $2) ON CONFLICT DO NOTHING", m.Version, m.Name)
		if err != nil || tag.RowsAffected() == 0 {
			return err
		}
		_, err = tx.Exec(ctx, m.SQL)
		return err
	})
}

// raced reports whether a migration failed because another instance was applying it too.
func raced(err error) bool {
	pg := new(pgconn.PgError)
	if !errors.As(err, &pg) {
		return false
	}
	switch pg.Code {
	case "40001", "40P01",
		"42P07", "42710", "23505", // the other instance has created the table, or its type
		"42P01", "XX000": // not yet visible; "tuple concurrently updated"
		return true
	}
	return false
}
