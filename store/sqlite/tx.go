package sqlite

import (
	"context"
	"database/sql"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/idempotency"
)

// WithTx returns a store that works in a transaction of the host. Its writes commit or roll back together with the host's own rows, and
// nobody else sees them before the commit. The transaction must be of a database with this package's tables, usually of the pool that
// [New] was given. The host commits it or rolls it back.
//
//	tx, err := db.BeginTx(ctx, nil)
//	if err != nil {
//		return err
//	}
//	defer tx.Rollback()
//	session, _, err := checkouts.WithStore(store.WithTx(tx)).Create(ctx, params)
//	if err != nil {
//		return err
//	}
//	if _, err := tx.ExecContext(ctx, "UPDATE orders SET session = ? WHERE id = ?", session.ID, order); err != nil {
//		return err
//	}
//	return tx.Commit()
//
// A session is created only when the transaction commits. A Commit that fails leaves neither the session nor its key, unless it fails in
// a flush (SQLITE_IOERR). Then the outcome is unknown.
//
// After [checkout.ErrNotFound], [checkout.ErrConflict] and an ID that is taken, the transaction can go on as if the call had not
// been made. After any other error, roll it back; SQLite may have done so already. Use [errors.As] to get SQLite's own error, a
// *sqlite.Error of modernc.org/sqlite. Code 517, SQLITE_BUSY_SNAPSHOT, says that the transaction has read before somebody else
// wrote, and must begin again. It does not happen on pools with _txlock=immediate.
//
// The store shares no commit with other calls, and prepares each statement anew. It is as safe for concurrent use as the *sql.Tx.
func (s *Store) WithTx(tx *sql.Tx) checkout.Store { return &transaction{store: s, tx: tx} }

// transaction is the store of WithTx.
type transaction struct {
	store *Store
	tx    *sql.Tx
}

// Create implements [checkout.Store].
func (t *transaction) Create(ctx context.Context, session checkout.Session) (checkout.Session, bool, error) {
	r, err := newRow(session)
	if err != nil {
		return checkout.Session{}, false, err
	}
	ins := r.insertion()
	var created bool
	err = t.do(ctx, "create a session", func() (err error) {
		created, err = create(ctx, t.tx, new(owners), r, ins)
		return err
	})
	if err != nil {
		return checkout.Session{}, false, err
	}
	return r.session, created, nil
}

// Get implements [checkout.Store].
func (t *transaction) Get(ctx context.Context, account checkout.Account, id string) (found checkout.Session, err error) {
	err = t.do(ctx, "get a session", func() (err error) {
		found, err = get(ctx, t.tx, account, id)
		return err
	})
	return found, err
}

// GetByKey implements [checkout.Store].
func (t *transaction) GetByKey(
	ctx context.Context, account checkout.Account, key idempotency.Key,
) (found checkout.Session, err error) {
	err = t.do(ctx, "get a session by its key", func() (err error) {
		found, err = getByKey(ctx, t.tx, account, key)
		return err
	})
	return found, err
}

// Update implements [checkout.Store].
func (t *transaction) Update(ctx context.Context, session checkout.Session) error {
	r, err := newRow(session)
	if err != nil {
		return err
	}
	c := r.change()
	return t.do(ctx, "update a session", func() error { return update(ctx, t.tx, new(owners), &c) })
}

// List implements [checkout.Store].
func (t *transaction) List(
	ctx context.Context, account checkout.Account, query checkout.Query,
) (sessions []checkout.Session, total int, err error) {
	err = t.do(ctx, "list sessions", func() (err error) {
		sessions, total, err = list(ctx, t.tx, account, query)
		return err
	})
	return sessions, total, err
}

// Expire implements [checkout.Store].
func (t *transaction) Expire(ctx context.Context, now time.Time, limit int) (expired []checkout.Session, err error) {
	err = t.do(ctx, "expire sessions", func() (err error) {
		expired, err = expire(ctx, t.tx, now, limit)
		return err
	})
	return expired, err
}

// Events implements [checkout.Store]. It shows the transaction's own events too. If the transaction is rolled back, the cursors of
// these events are no longer valid: SQLite gives their numbers to other events.
func (t *transaction) Events(ctx context.Context, after checkout.Cursor, limit int) (found []checkout.Event, err error) {
	err = t.do(ctx, "read events", func() (err error) {
		found, err = events(ctx, t.tx, after, limit)
		return err
	})
	return found, err
}

// History implements [checkout.Store].
func (t *transaction) History(ctx context.Context, account checkout.Account, id string) (found []checkout.Event, err error) {
	err = t.do(ctx, "read a session's history", func() (err error) {
		found, err = history(ctx, t.tx, account, id)
		return err
	})
	return found, err
}

// Prune implements [checkout.Store].
func (t *transaction) Prune(ctx context.Context, before time.Time, limit int) (n int, err error) {
	err = t.do(ctx, "prune sessions", func() (err error) {
		n, err = prune(ctx, t.tx, before, limit)
		return err
	})
	return n, err
}

func (t *transaction) do(ctx context.Context, doing string, f func() error) error {
	if err := t.store.enter(); err != nil {
		return err
	}
	defer t.store.gate.RUnlock()
	return failed(ctx, doing, f())
}
