package handwritten

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"errors"

	_ "modernc.org/sqlite" // the driver
)

const schema = `
CREATE TABLE sessions (
	id              TEXT PRIMARY KEY,
	account         TEXT NOT NULL,
	status          TEXT NOT NULL,
	amount          INTEGER NOT NULL,
	currency        TEXT NOT NULL,
	user_phone      TEXT NOT NULL,
	description     TEXT NOT NULL,
	created_at      INTEGER NOT NULL,
	expires_at      INTEGER NOT NULL,
	completed_at    INTEGER,
	failure_reason  TEXT,
	transaction_fee INTEGER NOT NULL
);
CREATE INDEX sessions_account ON sessions (account, created_at);
CREATE INDEX sessions_due ON sessions (expires_at) WHERE status IN ('created', 'pending');
CREATE TABLE idempotency_keys (
	account     TEXT NOT NULL,
	key         TEXT NOT NULL,
	fingerprint BLOB NOT NULL,
	response    BLOB NOT NULL,
	created_at  INTEGER NOT NULL,
	PRIMARY KEY (account, key)
);`

const (
	selectKey     = `SELECT fingerprint, response FROM idempotency_keys WHERE account = ? AND key = ?`
	insertKey     = `INSERT INTO idempotency_keys (account, key, fingerprint, response, created_at) VALUES (?, ?, ?, ?, ?)`
	insertSession = `INSERT INTO sessions (id, account, status, amount, currency, user_phone, description, created_at, expires_at, transaction_fee)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
)

// ErrKeyReused says that a key was used for another request.
var ErrKeyReused = errors.New("idempotency key reused")

// Database keeps sessions and idempotency keys in a SQLite file. It has one connection, because SQLite has one writer.
// Callers wait for this connection, which costs less than polling SQLite's lock.
type Database struct {
	db                                  *sql.DB
	selectKey, insertKey, insertSession *sql.Stmt
}

// Open makes a database in a new file.
func Open(ctx context.Context, path string) (*Database, error) {
	db, err := sql.Open("sqlite", "file:"+path+"?_journal_mode=WAL&_synchronous=FULL&_busy_timeout=5000&_txlock=immediate&_pragma=cache_size(-65536)")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	d := &Database{db: db}
	if err := d.prepare(ctx); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return d, nil
}

func (d *Database) prepare(ctx context.Context) error {
	if _, err := d.db.ExecContext(ctx, schema); err != nil {
		return err
	}
	for query, stmt := range map[string]**sql.Stmt{selectKey: &d.selectKey, insertKey: &d.insertKey, insertSession: &d.insertSession} {
		var err error
		if *stmt, err = d.db.PrepareContext(ctx, query); err != nil {
			return err
		}
	}
	return nil
}

// Close closes the file.
func (d *Database) Close() error { return d.db.Close() }

// Create makes a session, or finds the answer to an earlier request that was the same and had the same key.
func (d *Database) Create(ctx context.Context, account, key string, r Request) (answer []byte, replayed bool, err error) {
	s, err := r.session()
	if err != nil {
		return nil, false, err
	}
	canonical, err := json.Marshal(r)
	if err != nil {
		return nil, false, err
	}
	fingerprint := sha256.Sum256(canonical)

	tx, err := d.db.BeginTx(ctx, nil)
	if err != nil {
		return nil, false, err
	}
	defer tx.Rollback()
	var first []byte
	err = tx.StmtContext(ctx, d.selectKey).QueryRowContext(ctx, account, key).Scan(&first, &answer)
	switch {
	case err == nil && !bytes.Equal(first, fingerprint[:]):
		return nil, false, ErrKeyReused
	case err == nil:
		return answer, true, nil
	case !errors.Is(err, sql.ErrNoRows):
		return nil, false, err
	}
	if answer, err = d.insert(ctx, tx, account, s); err != nil {
		return nil, false, err
	}
	if _, err := tx.StmtContext(ctx, d.insertKey).ExecContext(ctx, account, key, fingerprint[:], answer, s.CreatedAt.UnixMicro()); err != nil {
		return nil, false, err
	}
	return answer, false, tx.Commit()
}

// Insert makes a session without a key, for hosts whose middleware handles keys.
func (d *Database) Insert(ctx context.Context, account string, r Request) (answer []byte, err error) {
	s, err := r.session()
	if err != nil {
		return nil, err
	}
	tx, err := d.db.BeginTx(ctx, nil)
	if err != nil {
		return nil, err
	}
	defer tx.Rollback()
	if answer, err = d.insert(ctx, tx, account, s); err != nil {
		return nil, err
	}
	return answer, tx.Commit()
}

func (d *Database) insert(ctx context.Context, tx *sql.Tx, account string, s Session) ([]byte, error) {
	_, err := tx.StmtContext(ctx, d.insertSession).ExecContext(ctx, s.ID, account, s.Status, s.Amount, s.Currency, s.UserPhone,
		s.Description, s.CreatedAt.UnixMicro(), s.ExpiresAt.UnixMicro(), s.TransactionFee)
	if err != nil {
		return nil, err
	}
	return json.Marshal(s)
}
