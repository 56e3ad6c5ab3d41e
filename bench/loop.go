package main

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/caisse/checkout/store/sqlite"
)

// loop writes the same rows as the SQLite store, from one goroutine, by way of database/sql. It prepares its statement once, checks
// nothing and answers nobody. With 256 rows per transaction it shows the practical limit of a store. With one row per transaction it shows
// what a store without group commit can reach.
type loop struct {
	db     *sql.DB
	insert *sql.Stmt
	owner  int64
	args   []any
	id     []byte // 16 bytes of a UUIDv7 and the country
	key    [16]byte
	print  [33]byte // the fingerprint
	phone  string
	pay    any
	status int
}

// insertRow is the store's statement for sessions of every kind, without ON CONFLICT, because the keys of a loop are new. For most new
// sessions, also those of the benchmark, the store uses a statement with fewer parameters.
const insertRow = `INSERT INTO checkout_sessions (owner, id, idempotency_key, fingerprint, status, version, created_at,
	expires_at, completed_at, amount, transaction_fee, currency, payment_method, user_phone, payment_id, customer_id,
	description, success_url, cancel_url, failure_reason, late)
	VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

// openLoop opens a file that the store has created, with the store's size of the page cache. The parameter settings overrides the
// settings of the DSN.
func openLoop(ctx context.Context, dir string, settings url.Values) (*loop, error) {
	path := filepath.Join(dir, databaseName)
	store, err := sqlite.Open(ctx, path) // creates the schema
	if err != nil {
		return nil, err
	}
	if err := store.Close(); err != nil {
		return nil, err
	}
	dsn := url.Values{
		"_journal_mode": {"WAL"},
		"_synchronous":  {"FULL"},
		"_busy_timeout": {"5000"},
		"_txlock":       {"immediate"},
		"_pragma":       {cacheFor(path)},
	}
	for name, values := range settings {
		dsn[name] = values
	}
	db, err := sql.Open("sqlite", "file:"+filepath.ToSlash(path)+"?"+dsn.Encode())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	l := (&loop{db: db, phone: phone}).clone()
	if err := l.prepare(ctx); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return l, nil
}

// cacheFor returns the store's setting of the page cache: a quarter of the database, at least 16 MB and at most 64 MB.
func cacheFor(path string) string {
	var kib int64
	if file, err := os.Stat(path); err == nil {
		kib = file.Size() / 4 >> 10
	}
	return fmt.Sprintf("cache_size(-%d)", min(max(kib, 16<<10), 64<<10))
}

func (l *loop) prepare(ctx context.Context) (err error) {
	if _, err := l.db.ExecContext(ctx, "INSERT INTO checkout_accounts (account, test) VALUES (?, 0) ON CONFLICT DO NOTHING", accountID); err != nil {
		return err
	}
	if err := l.db.QueryRowContext(ctx, "SELECT num FROM checkout_accounts WHERE account = ? AND test = 0", accountID).Scan(&l.owner); err != nil {
		return err
	}
	l.insert, err = l.db.PrepareContext(ctx, insertRow)
	return err
}

// clone returns a loop that shares the database and the prepared statement, and has buffers of its own.
func (l *loop) clone() *loop {
	c := *l
	c.id, c.args = append(make([]byte, 16), "ci"...), nil
	return &c
}

func (l *loop) close() error { return l.db.Close() }

// write writes rows in one transaction.
func (l *loop) write(ctx context.Context, rows int) error {
	tx, err := l.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	insert := tx.StmtContext(ctx, l.insert)
	for range rows {
		if err := l.writeRow(ctx, insert, time.Now()); err != nil {
			return err
		}
	}
	return tx.Commit()
}

func (l *loop) writeRow(ctx context.Context, insert *sql.Stmt, now time.Time) error {
	micros := now.UnixMicro()
	binary.BigEndian.PutUint64(l.id[:8], uint64(micros/1000)<<16|0x7000|uint64(micros%1000)<<2)
	binary.BigEndian.PutUint64(l.id[8:16], rand.Uint64())
	binary.BigEndian.PutUint64(l.key[:8], rand.Uint64())
	binary.BigEndian.PutUint64(l.key[8:], rand.Uint64())
	l.print[0] = 1
	binary.BigEndian.PutUint64(l.print[1:9], rand.Uint64())
	l.args = append(l.args[:0], l.owner, l.id, l.key[:], l.print[:], l.status, 1, micros, micros+1800e6, nil, amount, 25, currency,
		nil, l.phone, l.pay, nil, description, nil, nil, nil, false)
	_, err := insert.ExecContext(ctx, l.args...)
	return err
}

// run writes transactions for d after a warm-up, each with that many rows.
func (l *loop) run(ctx context.Context, warmUp, d time.Duration, rows int) (sample, error) {
	t, err := drive(ctx, 1, warmUp, d, same(func(ctx context.Context) error { return l.write(ctx, rows) }))
	if err != nil {
		return sample{}, err
	}
	s := t.sample()
	s.Rate *= float64(rows)
	s.Extra[extraCPU] /= float64(rows)
	return s, nil
}
