package postgres

import (
	"context"

	"github.com/caisse/checkout"
	"github.com/jackc/pgx/v5"
)

// List implements [checkout.Store]. It costs the same however many sessions the account has. With 10,000,000 sessions on two
// cores, a page takes up to 3.5 ms, of which counting to 10,000 takes 2 ms. A page by cursor is not counted, and takes less than
// 1 ms. A page by phone takes 10 ms, and a page at the greatest offset 8 ms.
//
// PostgreSQL can count within an index only where the pages of the table were vacuumed. Autovacuum does that.
//
// Sweep with Expire. A page of created or pending sessions passes one by one over the sessions that are due but not yet swept, which
// takes 0.3 s for each million. If more than 1000 sessions of all accounts are due, created and pending sessions are counted row by
// row. A page of expired sessions then looks at the account's created and pending sessions, back to 24 hours before the session that
// has been due for longest.
func (t table) List(ctx context.Context, account checkout.Account, q checkout.Query) ([]checkout.Session, int, error) {
	if err := ctx.Err(); err != nil {
		return nil, 0, err
	}
	if !validTexts(account.ID, string(q.Status), q.PaymentID, q.ClientReference, q.UserPhone, q.AfterID) {
		return nil, 0, nil
	}
	var sessions []checkout.Session
	total := 0
	err := t.read(ctx, list(account, q), func(rows pgx.Rows) error {
		defer rows.Close()
		sessions, total = nil, 0
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
