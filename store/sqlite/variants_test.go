package sqlite_test

import (
	"context"
	"database/sql"
	"sync/atomic"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/idempotency"
	"github.com/caisse/checkout/store/sqlite"
)

// alternating is a store that sends its calls in turn to two stores of one database.
type alternating struct {
	stores [2]checkout.Store
	calls  atomic.Int64
}

func (a *alternating) next() checkout.Store { return a.stores[a.calls.Add(1)%2] }

func (a *alternating) Create(ctx context.Context, s checkout.Session) (checkout.Session, bool, error) {
	return a.next().Create(ctx, s)
}

func (a *alternating) Get(ctx context.Context, account checkout.Account, id string) (checkout.Session, error) {
	return a.next().Get(ctx, account, id)
}

func (a *alternating) GetByKey(ctx context.Context, account checkout.Account, key idempotency.Key) (checkout.Session, error) {
	return a.next().GetByKey(ctx, account, key)
}

func (a *alternating) Update(ctx context.Context, s checkout.Session) error {
	return a.next().Update(ctx, s)
}

func (a *alternating) List(ctx context.Context, account checkout.Account, q checkout.Query) ([]checkout.Session, int, error) {
	return a.next().List(ctx, account, q)
}

func (a *alternating) Expire(ctx context.Context, now time.Time, limit int) ([]checkout.Session, error) {
	return a.next().Expire(ctx, now, limit)
}

// transactional is a store that makes each call in a transaction of the host, which commits unless the call fails. The transactions of
// reads are read-only. Otherwise they would take the write lock, and writers would wait too long for it.
type transactional struct {
	store *sqlite.Store
	db    *sql.DB
}

var readOnly = &sql.TxOptions{ReadOnly: true}

func (t *transactional) within(ctx context.Context, opts *sql.TxOptions, f func(checkout.Store) error) error {
	tx, err := t.db.BeginTx(ctx, opts)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	if err := f(t.store.WithTx(tx)); err != nil {
		return err
	}
	return tx.Commit()
}

func (t *transactional) Create(ctx context.Context, s checkout.Session) (held checkout.Session, created bool, err error) {
	err = t.within(ctx, nil, func(store checkout.Store) (err error) {
		held, created, err = store.Create(ctx, s)
		return err
	})
	return held, created, err
}

func (t *transactional) Get(ctx context.Context, account checkout.Account, id string) (found checkout.Session, err error) {
	err = t.within(ctx, readOnly, func(store checkout.Store) (err error) {
		found, err = store.Get(ctx, account, id)
		return err
	})
	return found, err
}

func (t *transactional) GetByKey(ctx context.Context, account checkout.Account, key idempotency.Key) (found checkout.Session, err error) {
	err = t.within(ctx, readOnly, func(store checkout.Store) (err error) {
		found, err = store.GetByKey(ctx, account, key)
		return err
	})
	return found, err
}

func (t *transactional) Update(ctx context.Context, s checkout.Session) error {
	return t.within(ctx, nil, func(store checkout.Store) error { return store.Update(ctx, s) })
}

func (t *transactional) List(ctx context.Context, account checkout.Account, q checkout.Query) (sessions []checkout.Session, total int, err error) {
	err = t.within(ctx, readOnly, func(store checkout.Store) (err error) {
		sessions, total, err = store.List(ctx, account, q)
		return err
	})
	return sessions, total, err
}

func (t *transactional) Expire(ctx context.Context, now time.Time, limit int) (expired []checkout.Session, err error) {
	err = t.within(ctx, nil, func(store checkout.Store) (err error) {
		expired, err = store.Expire(ctx, now, limit)
		return err
	})
	return expired, err
}

func (a *alternating) Events(ctx context.Context, after checkout.Cursor, limit int) ([]checkout.Event, error) {
	return a.next().Events(ctx, after, limit)
}

func (a *alternating) History(ctx context.Context, account checkout.Account, id string) ([]checkout.Event, error) {
	return a.next().History(ctx, account, id)
}

func (a *alternating) Prune(ctx context.Context, before time.Time, limit int) (int, error) {
	return a.next().Prune(ctx, before, limit)
}

func (t *transactional) Events(ctx context.Context, after checkout.Cursor, limit int) (events []checkout.Event, err error) {
	err = t.within(ctx, readOnly, func(store checkout.Store) (err error) {
		events, err = store.Events(ctx, after, limit)
		return err
	})
	return events, err
}

func (t *transactional) History(ctx context.Context, account checkout.Account, id string) (events []checkout.Event, err error) {
	err = t.within(ctx, readOnly, func(store checkout.Store) (err error) {
		events, err = store.History(ctx, account, id)
		return err
	})
	return events, err
}

func (t *transactional) Prune(ctx context.Context, before time.Time, limit int) (n int, err error) {
	err = t.within(ctx, nil, func(store checkout.Store) (err error) {
		n, err = store.Prune(ctx, before, limit)
		return err
	})
	return n, err
}
