package postgres

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/caisse/checkout"
)

// expire skips the rows that another transaction has locked. PostgreSQL evaluates the common table expression once, however it plans
// the update. A subquery in its place might be evaluated for every row, and find other sessions each time. The account is compared
// because the table may be partitioned by it.
var expire = `WITH due AS (
	SELECT s.id, s.account FROM checkout_sessions AS s WHERE s.due_at <= $1
	ORDER BY s.due_at, s.id LIMIT $2 FOR UPDATE SKIP LOCKED
), changed AS (
	UPDATE checkout_sessions AS s SET status = 'expired', version = s.version + 1, updated_at = s.expires_at,
		logged_version = s.version + 1, ` + keepBefore + `
	FROM due WHERE s.id = due.id AND s.account = due.account
	RETURNING s.*
), logged AS (` + appendEvents + `) SELECT ` + selected + ` FROM changed AS s`

// Expire implements [checkout.Store]. Any number of instances may sweep at once: each skips the sessions that another transaction
// has locked. One call is one transaction of at most ten seconds, so keep the limit at a few thousand.
//
// After [checkout.ErrOutcomeUnknown], some sessions may be stored as expired although no sweep ever returns them.
func (t table) Expire(ctx context.Context, now time.Time, limit int) ([]checkout.Session, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if limit <= 0 {
		return nil, nil
	}
	expired, err := rowsOf(ctx, t.write, statement{"checkout_expire", "expire", expire, []any{now, int64(limit)}}, scan)
	slices.SortFunc(expired, func(a, b checkout.Session) int {
		return cmp.Or(a.ExpiresAt.Compare(b.ExpiresAt), cmp.Compare(a.ID, b.ID))
	})
	return expired, err
}
