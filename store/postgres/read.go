package postgres

import (
	"context"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/idempotency"
	"github.com/jackc/pgx/v5"
)

// Get implements [checkout.Store].
func (t table) Get(ctx context.Context, account checkout.Account, id string) (checkout.Session, error) {
	byID := `SELECT ` + selected + ` FROM checkout_sessions AS s WHERE s.id = $1 AND s.account = $2 AND s.test = $3`
	return t.one(ctx, "get", byID, id, account)
}

// GetByKey implements [checkout.Store].
func (t table) GetByKey(ctx context.Context, account checkout.Account, key idempotency.Key) (checkout.Session, error) {
	byKey := `SELECT ` + selected + ` FROM checkout_sessions AS s
		WHERE s.idempotency_key = $1 AND s.account = $2 AND s.test = $3`
	return t.one(ctx, "get by key", byKey, string(key), account)
}

func (t table) one(ctx context.Context, doing, sql, name string, account checkout.Account) (checkout.Session, error) {
	if err := ctx.Err(); err != nil {
		return checkout.Session{}, err
	}
	if !askable(name, account.ID) {
		return checkout.Session{}, checkout.ErrNotFound
	}
	found, err := rowsOf(ctx, t.read, statement{"", doing, sql, []any{name, account.ID, account.Test}}, scan)
	if err != nil {
		return checkout.Session{}, err
	}
	if len(found) == 0 {
		return checkout.Session{}, checkout.ErrNotFound
	}
	return found[0], nil
}

// List implements [checkout.Store].
//
// The page costs what it holds and what it passes over. The total is counted anew each time: about 60 ms for a
// million sessions of one account, more with a filter by status, which no index serves. A filter by payment is served
// by one.
func (t table) List(ctx context.Context, account checkout.Account, q checkout.Query) ([]checkout.Session, int, error) {
	if err := ctx.Err(); err != nil {
		return nil, 0, err
	}
	if !askable(account.ID, string(q.Status), q.PaymentID) {
		return nil, 0, nil
	}
	var sessions []checkout.Session
	total := 0
	err := t.read(ctx, list(account, q), func(rows pgx.Rows) error {
		defer rows.Close()
		sessions = nil
		for rows.Next() {
			if rows.RawValues()[0] == nil {
				return scanTotal(rows, &total)
			}
			s, err := scanMore(rows, &total)
			if err != nil {
				return err
			}
			sessions = append(sessions, s)
		}
		rows.Close()
		return rows.Err()
	})
	if err != nil {
		return nil, 0, err
	}
	return sessions, total, nil
}

// list asks for one page and for the total, in one statement so that both are of one snapshot whatever transaction it
// runs in. Each row ends in the total; where the page is empty there is one row that has nothing else.
func list(account checkout.Account, q checkout.Query) statement {
	args := []any{account.ID, account.Test}
	arg := func(value any) string {
		args = append(args, value)
		return "$" + strconv.Itoa(len(args))
	}
	where := "s.account = $1 AND s.test = $2"
	if q.PaymentID != "" {
		where += " AND s.payment_id = " + arg(q.PaymentID)
	}
	if q.Status != "" {
		// The status that a session has at an instant, as [checkout.Session.StatusAt] tells it.
		where += " AND CASE WHEN s.due_at <= " + arg(q.At) + " THEN 'expired' ELSE s.status END = " + arg(string(q.Status))
	}
	limit := q.Limit
	if limit <= 0 {
		limit = 50
	}
	sql := `SELECT ` + selected + `, t.total
FROM (SELECT count(*) AS total FROM checkout_sessions AS s WHERE ` + where + `) AS t
LEFT JOIN (
	SELECT * FROM checkout_sessions AS s WHERE ` + where + `
	ORDER BY s.created_at DESC, s.id DESC LIMIT ` + arg(int64(limit)) + ` OFFSET ` + arg(int64(max(q.Offset, 0))) + `
) AS s ON true
ORDER BY s.created_at DESC, s.id DESC`
	return statement{"", "list", sql, args}
}

// askable reports whether PostgreSQL can be asked for such texts. For others there is nothing to be found.
func askable(texts ...string) bool {
	for _, text := range texts {
		if !utf8.ValidString(text) || strings.IndexByte(text, 0) >= 0 {
			return false
		}
	}
	return true
}
