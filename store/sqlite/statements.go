package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
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
	sessionExists = `SELECT 1 FROM checkout_sessions WHERE id = ? AND owner = (` + ownerOf + `)`

	// expireSessions makes the sessions that the query due chooses expired.
	expireSessions = `UPDATE checkout_sessions SET status = 5, version = version + 1 WHERE num IN (` + due + `)`
)

var (
	selectByID  = `SELECT ` + selected + ` FROM checkout_sessions AS s WHERE s.id = ? AND s.owner = (` + ownerOf + `)`
	selectByKey = `SELECT ` + selected + ` FROM checkout_sessions AS s WHERE s.idempotency_key = ? AND s.owner = (` + ownerOf + `)`
	selectDue   = `SELECT ` + ownerName + `, ` + selected + ` FROM checkout_sessions AS s WHERE s.num IN (` + due + `)`
)

// errIDTaken says that another session, with another key or none, has the id.
var errIDTaken = errors.New("the session id is taken")

// owners looks up the numbers of accounts, and caches them for one transaction.
type owners struct {
	found map[checkout.Account]int64
	// locked says that the transaction already has the write lock. If it is false, the first statement of the transaction must be a
	// write, because SQLite waits for the lock only then.
	locked bool
}

// of returns the number of the account. It assigns one to a new account.
func (o *owners) of(ctx context.Context, q querier, account checkout.Account) (owner int64, err error) {
	err = sql.ErrNoRows
	if o.locked || o.found[account] != 0 {
		owner, err = o.find(ctx, q, account)
	}
	if errors.Is(err, sql.ErrNoRows) {
		if _, err := q.ExecContext(ctx, insertAccount, account.ID, account.Test); err != nil {
			return 0, err
		}
		owner, err = o.find(ctx, q, account)
	}
	return owner, err
}

// known returns the number of the account, or 0 if it has none.
func (o *owners) known(ctx context.Context, q querier, account checkout.Account) (owner int64, err error) {
	owner, err = o.find(ctx, q, account)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return owner, err
}

func (o *owners) find(ctx context.Context, q querier, account checkout.Account) (owner int64, err error) {
	if owner, ok := o.found[account]; ok {
		return owner, nil
	}
	if err := q.QueryRowContext(ctx, ownerOf, account.ID, account.Test).Scan(&owner); err != nil {
		return 0, err
	}
	if o.found == nil {
		o.found = make(map[checkout.Account]int64)
	}
	o.found[account] = owner
	return owner, nil
}

// create is Create of [checkout.Store], within a transaction. If the key names a session already, it reads that session into r and
// returns false.
func create(ctx context.Context, q querier, o *owners, r *row, ins insertion) (created bool, err error) {
	account := r.session.Account
	owner, err := o.of(ctx, q, account)
	if err != nil {
		return false, err
	}
	ins.values[0] = owner
	if n, err := insert(ctx, q, ins); err != nil || n == 1 {
		if labels := r.labels(); err == nil && labels != nil {
			err = label(ctx, q, r, labels)
		}
		return err == nil, err
	}
	r.session, err = getByKey(ctx, q, account, r.session.IdempotencyKey)
	if errors.Is(err, checkout.ErrNotFound) {
		return false, errIDTaken
	}
	return false, err
}

// label inserts the labels of a session that was just inserted. If it fails, it removes the session again.
func label(ctx context.Context, q querier, r *row, labels []any) error {
	_, err := q.ExecContext(ctx, insertLabels, labels...)
	return undo(ctx, q, err, `DELETE FROM checkout_sessions WHERE id = ?`, encodeID(r.session.ID))
}

// update is Update of [checkout.Store], within a transaction.
func update(ctx context.Context, q querier, o *owners, c *change) error {
	event, err := appendChange(ctx, q, o, c)
	if err != nil {
		return err
	}
	if event != 0 {
		err = applyChange(ctx, q, c, event)
		return undo(ctx, q, err, `DELETE FROM checkout_events WHERE num = ?`, event)
	}
	var found int
	s := c.session
	err = q.QueryRowContext(ctx, sessionExists, encodeID(s.ID), s.Account.ID, s.Account.Test).Scan(&found)
	if errors.Is(err, sql.ErrNoRows) {
		return checkout.ErrNotFound
	}
	return cmp.Or(err, checkout.ErrConflict)
}

// undo takes back the first of two statements after the second one has failed, so that the transaction can go on. If that fails too,
// its error is a [*halfDoneError], and the transaction must end.
func undo(ctx context.Context, q querier, failed error, statement string, args ...any) error {
	if failed == nil {
		return nil
	}
	if _, err := q.ExecContext(context.WithoutCancel(ctx), statement, args...); err != nil {
		return &halfDoneError{errors.Join(failed, err)}
	}
	return failed
}

// halfDoneError says that the first of two statements could not be undone.
type halfDoneError struct{ error }

func (e *halfDoneError) Unwrap() error { return e.error }

// undoably runs f within a savepoint: if f fails, its statements are undone.
func undoably(ctx context.Context, q querier, savepoint string, f func() error) (err error) {
	if _, err := q.ExecContext(ctx, "SAVEPOINT "+savepoint); err != nil {
		return err
	}
	defer func() {
		ctx := context.WithoutCancel(ctx)
		if err != nil {
			if _, undone := q.ExecContext(ctx, "ROLLBACK TO "+savepoint); undone != nil {
				err = errors.Join(undone, err)
			}
		}
		if _, released := q.ExecContext(ctx, "RELEASE "+savepoint); err == nil {
			err = released
		}
	}()
	return f()
}

// expire is Expire of [checkout.Store], within a transaction. If it fails, its statements are undone.
func expire(ctx context.Context, q querier, now time.Time, limit int) (expired []checkout.Session, err error) {
	at, limit := microsAt(now), max(limit, 0)
	err = undoably(ctx, q, "checkout_expire", func() error {
		for _, statement := range []string{keepOrigins, appendExpiries} {
			if _, err := q.ExecContext(ctx, statement, at, limit); err != nil {
				return err
			}
		}
		var account checkout.Account
		expired, err = scanAll(ctx, q, func(rows *sql.Rows) (checkout.Session, error) {
			s, err := scan(rows, account, &account.ID, &account.Test)
			s.Account, s.Status, s.UpdatedAt = account, checkout.StatusExpired, s.ExpiresAt
			s.Version++
			return s, err
		}, selectDue, at, limit)
		if err != nil {
			return err // perhaps a row that cannot be read: then the sweep must change no session at all
		}
		_, err = q.ExecContext(ctx, expireSessions, at, limit)
		return err
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(expired, func(a, b checkout.Session) int {
		return cmp.Or(a.ExpiresAt.Compare(b.ExpiresAt), strings.Compare(a.ID, b.ID))
	})
	return expired, nil
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

// scanAll reads all rows of a query.
func scanAll[T any](
	ctx context.Context, q querier, read func(*sql.Rows) (T, error), query string, args ...any,
) ([]T, error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []T
	for rows.Next() {
		s, err := read(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, rows.Err()
}
