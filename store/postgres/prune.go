package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// prune goes from account to account by the index of lists, and in each to the four ranges of those that have ended. It
// passes over what another one holds.
var prune = `WITH RECURSIVE accounts AS (
	(SELECT account FROM checkout_sessions ORDER BY account LIMIT 1)
	UNION ALL
	SELECT (SELECT s.account FROM checkout_sessions AS s WHERE s.account > a.account ORDER BY s.account LIMIT 1)
	FROM accounts AS a WHERE a.account IS NOT NULL
), ended AS (
	SELECT s.id, s.account
	FROM accounts AS a CROSS JOIN unnest(ARRAY[3, 4, 5, 6, 11, 12, 13, 14]) AS c (code) CROSS JOIN LATERAL (
		SELECT s.id, s.account FROM checkout_sessions AS s
		WHERE s.account = a.account AND ` + statusCode + ` = c.code::"char" AND s.created_at < $1
		ORDER BY s.created_at LIMIT $2 FOR UPDATE SKIP LOCKED
	) AS s LIMIT $2
), gone AS (
	DELETE FROM checkout_sessions AS s USING ended WHERE s.id = ended.id AND s.account = ended.account RETURNING s.id, s.account
), forgotten AS (
	DELETE FROM checkout_events AS e USING gone WHERE e.session = gone.id AND e.account = gone.account
) SELECT id FROM gone`

// Prune implements [checkout.Store]. One call is one transaction of at most ten seconds: keep the limit at a few thousand.
func (t table) Prune(ctx context.Context, before time.Time, limit int) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	gone, err := rowsOf(ctx, t.write, statement{"checkout_prune", "prune", prune, []any{clampTime(before), int64(limit)}}, pgx.RowTo[string])
	return len(gone), err
}

// clampTime keeps an instant within what PostgreSQL can be asked for.
func clampTime(t time.Time) time.Time {
	first, last := time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)
	switch {
	case t.Before(first):
		return first
	case t.After(last):
		return last
	}
	return t
}
