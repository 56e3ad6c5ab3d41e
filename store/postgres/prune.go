package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// prune goes from account to account and from status to status in the index of settled sessions, and takes the oldest sessions of each.
// So it does not read the entries of sessions that are too young. It skips sessions that another transaction has locked.
//
// If a session is changed while the statement runs, the statement does not see the event of that change, and would leave it behind. But
// such a session is not pruned: a session that has ended can only change to another status, and PostgreSQL checks the conditions
// again on the locked row.
//
// The ids are arrays, so that PostgreSQL uses an index for them. A join might be planned as a scan of the whole table, since the planner
// does not know how many ids there are.
const prune = `WITH RECURSIVE kinds AS (
	(SELECT account, test, settled FROM checkout_sessions WHERE settled IS NOT NULL ORDER BY account, test, settled LIMIT 1)
	UNION ALL
	SELECT n.account, n.test, n.settled FROM kinds AS k CROSS JOIN LATERAL (
		SELECT s.account, s.test, s.settled FROM checkout_sessions AS s
		WHERE s.settled IS NOT NULL AND (s.account, s.test, s.settled) > (k.account, k.test, k.settled)
		ORDER BY s.account, s.test, s.settled LIMIT 1
	) AS n
), ended AS (
	SELECT s.id, s.account FROM kinds AS k CROSS JOIN LATERAL (
		SELECT s.id, s.account FROM checkout_sessions AS s
		WHERE s.account = k.account AND s.test = k.test AND s.settled = k.settled AND s.created_at < $1
		ORDER BY s.created_at LIMIT $2 FOR UPDATE SKIP LOCKED
	) AS s WHERE k.settled <> 'processing' LIMIT $2
), gone AS (
	DELETE FROM checkout_sessions AS s
	WHERE s.id = ANY (ARRAY(SELECT id FROM ended)) AND s.account = ANY (ARRAY(SELECT DISTINCT account FROM ended)) RETURNING s.id
), forgotten AS (
	DELETE FROM checkout_events AS e WHERE e.session = ANY (ARRAY(SELECT id FROM gone))
) SELECT id FROM gone`

// Prune implements [checkout.Store]. One call is one transaction of at most ten seconds: keep the limit at a few thousand.
func (t table) Prune(ctx context.Context, before time.Time, limit int) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	gone, err := rowsOf(ctx, t.write, statement{"checkout_prune", "prune", prune, []any{clampTime(before), int64(limit)}}, pgx.RowTo[string])
	return len(gone), err
}

// clampTime limits an instant to the years 1 to 9999, which are those that storable accepts.
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
