package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/idempotency"
)

// querier runs statements: a pool, a transaction, or either with its statements prepared.
type querier interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

const (
	insertAccount = `INSERT INTO checkout_accounts (account, test) VALUES (?, ?) ON CONFLICT DO NOTHING`
	ownerOf       = `SELECT num FROM checkout_accounts WHERE account = ? AND test = ?`
	selectByID    = `SELECT ` + columns + ` FROM checkout_sessions WHERE id = ? AND owner = (` + ownerOf + `)`
	selectByKey   = `SELECT ` + columns + ` FROM checkout_sessions WHERE idempotency_key = ? AND owner = (` + ownerOf + `)`
	sessionExists = `SELECT 1 FROM checkout_sessions WHERE id = ? AND owner = (` + ownerOf + `)`

	// expireSessions returns in no order.
	expireSessions = `UPDATE checkout_sessions SET status = 5, version = version + 1
		WHERE num IN (SELECT num FROM checkout_sessions WHERE status < 2 AND expires_at <= ?
			ORDER BY expires_at, ` + idText + ` LIMIT ?)
		RETURNING (SELECT account FROM checkout_accounts WHERE num = owner),
			(SELECT test FROM checkout_accounts WHERE num = owner), ` + columns
)

// errIDTaken says that another session has the id, under another key or none.
var errIDTaken = errors.New("the session id is taken")

// owners looks up the numbers of accounts and remembers them, within one transaction.
type owners struct {
	known map[checkout.Account]int64
	// locked says that the transaction holds the write lock. Where it may not, of must begin with a write, which takes the
	// lock while SQLite still waits for it; after a read it would not.
	locked bool
}

// of returns the number of the account, which gets one if it has none.
func (o *owners) of(ctx context.Context, q querier, account checkout.Account) (owner int64, err error) {
	if owner, ok := o.known[account]; ok {
		return owner, nil
	}
	err = sql.ErrNoRows
	if o.locked {
		owner, err = o.find(ctx, q, account)
	}
	if errors.Is(err, sql.ErrNoRows) {
		if _, err := q.ExecContext(ctx, insertAccount, account.ID, account.Test); err != nil {
			return 0, err
		}
		owner, err = o.find(ctx, q, account)
	}
	if err != nil {
		return 0, err
	}
	if o.known == nil {
		o.known = make(map[checkout.Account]int64)
	}
	o.known[account] = owner
	return owner, nil
}

func (o *owners) find(ctx context.Context, q querier, account checkout.Account) (owner int64, err error) {
	err = q.QueryRowContext(ctx, ownerOf, account.ID, account.Test).Scan(&owner)
	return owner, err
}

// create is [checkout.Store]'s, within a transaction, of a row by its insertion. Where it has not created the session, r
// has become the one that the key names.
func create(ctx context.Context, q querier, o *owners, r *row, ins insertion) (created bool, err error) {
	account := r.session.Account
	owner, err := o.of(ctx, q, account)
	if err != nil {
		return false, err
	}
	ins.values[0] = owner
	if n, err := insert(ctx, q, ins); err != nil || n == 1 {
		return err == nil, err
	}
	r.session, err = getByKey(ctx, q, account, r.session.IdempotencyKey)
	if errors.Is(err, checkout.ErrNotFound) {
		return false, errIDTaken
	}
	return false, err
}

// update is [checkout.Store]'s, within a transaction.
func update(ctx context.Context, q querier, r *row) error {
	result, err := q.ExecContext(ctx, updateSession, r.changes()...)
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); err != nil || n == 1 {
		return err
	}
	var found int
	s := &r.session
	err = q.QueryRowContext(ctx, sessionExists, encodeID(s.ID), s.Account.ID, s.Account.Test).Scan(&found)
	if errors.Is(err, sql.ErrNoRows) {
		return checkout.ErrNotFound
	}
	return cmp.Or(err, checkout.ErrConflict)
}

// expire is [checkout.Store]'s, within a transaction. Where it fails, the transaction is as it was.
func expire(ctx context.Context, q querier, now time.Time, limit int) (expired []checkout.Session, err error) {
	if _, err := q.ExecContext(ctx, "SAVEPOINT checkout_expire"); err != nil {
		return nil, err
	}
	defer func() {
		ctx := context.WithoutCancel(ctx)
		if err != nil { // a row that cannot be read, perhaps: no other must have been moved
			if _, undone := q.ExecContext(ctx, "ROLLBACK TO checkout_expire"); undone != nil {
				err = errors.Join(undone, err)
			}
		}
		if _, released := q.ExecContext(ctx, "RELEASE checkout_expire"); err == nil {
			err = released
		}
	}()
	var account checkout.Account
	expired, err = scanAll(ctx, q, func(rows *sql.Rows) (checkout.Session, error) {
		s, err := scan(rows, account, &account.ID, &account.Test)
		s.Account = account
		return s, err
	}, expireSessions, microsAt(now), max(limit, 0))
	slices.SortFunc(expired, func(a, b checkout.Session) int {
		return cmp.Or(a.ExpiresAt.Compare(b.ExpiresAt), strings.Compare(a.ID, b.ID))
	})
	return expired, err
}

func get(ctx context.Context, q querier, account checkout.Account, id string) (checkout.Session, error) {
	return one(q.QueryRowContext(ctx, selectByID, encodeID(id), account.ID, account.Test), account)
}

func getByKey(ctx context.Context, q querier, account checkout.Account, key idempotency.Key) (checkout.Session, error) {
	return one(q.QueryRowContext(ctx, selectByKey, encodeKey(key), account.ID, account.Test), account)
}

func one(found *sql.Row, account checkout.Account) (checkout.Session, error) {
	s, err := scan(found, account)
	if errors.Is(err, sql.ErrNoRows) {
		return s, checkout.ErrNotFound
	}
	return s, err
}

// list is [checkout.Store]'s, within a transaction, which is its snapshot.
func list(ctx context.Context, q querier, account checkout.Account, query checkout.Query) ([]checkout.Session, int, error) {
	where, newest := "owner = ("+ownerOf+")", "created_at DESC"
	args := []any{account.ID, account.Test}
	if query.PaymentID != "" {
		where += " AND payment_id = ?"
		newest = "+created_at DESC" // + keeps SQLite from walking the whole account in this order to find the one
		args = append(args, query.PaymentID)
	}
	if query.Status != "" {
		code, err := encodeStatus(query.Status)
		if err != nil {
			return nil, 0, nil // no session has it
		}
		at := microsAt(query.At)
		switch {
		case code < statusProcessing:
			where += " AND status = ? AND expires_at > ?"
			args = append(args, code, at)
		case code == statusExpired:
			where += " AND (status = ? OR status < 2 AND expires_at <= ?)"
			args = append(args, code, at)
		default:
			where += " AND status = ?"
			args = append(args, code)
		}
	}
	var total int
	err := q.QueryRowContext(ctx, "SELECT count(*) FROM checkout_sessions WHERE "+where, args...).Scan(&total)
	if err != nil {
		return nil, 0, err
	}
	if query.Limit <= 0 {
		query.Limit = 50
	}
	page := fmt.Sprintf("SELECT %s FROM checkout_sessions WHERE %s ORDER BY %s, %s DESC LIMIT ? OFFSET ?",
		columns, where, newest, idText)
	sessions, err := scanAll(ctx, q, func(rows *sql.Rows) (checkout.Session, error) { return scan(rows, account) },
		page, append(args, query.Limit, max(query.Offset, 0))...)
	return sessions, total, err
}

// scanAll reads all rows of a query.
func scanAll(
	ctx context.Context, q querier, read func(*sql.Rows) (checkout.Session, error), query string, args ...any,
) ([]checkout.Session, error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []checkout.Session
	for rows.Next() {
		s, err := read(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, rows.Err()
}
