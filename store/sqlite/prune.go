package sqlite

import (
	"context"
	"database/sql"
	"time"
)

// endedBefore finds sessions that have ended and were created before an instant. It reads an index account by account and status by
// status, the oldest session of each status first, and stops when it has found enough.
const endedBefore = `SELECT s.num FROM checkout_accounts AS a CROSS JOIN checkout_sessions AS s
	ON s.owner = a.num AND s.status IN (3, 4, 5, 6) AND s.created_at < ? LIMIT ?`

// pruned are the statements that remove a session: its other rows first, and the session last.
var pruned = []string{
	`DELETE FROM checkout_events WHERE session = ?`,
	`DELETE FROM checkout_origins WHERE session = ?`,
	`DELETE FROM checkout_labels WHERE session = ?`,
	`DELETE FROM checkout_sessions WHERE num = ?`,
}

// prune is Prune of [checkout.Store], within a transaction. If it fails, its statements are undone.
func prune(ctx context.Context, q querier, before time.Time, limit int) (n int, err error) {
	err = undoably(ctx, q, "checkout_prune", func() error {
		found, err := scanAll(ctx, q, func(rows *sql.Rows) (num int64, err error) {
			return num, rows.Scan(&num)
		}, endedBefore, microsAt(before), max(limit, 0))
		if err != nil {
			return err
		}
		for _, num := range found {
			for _, statement := range pruned {
				if _, err := q.ExecContext(ctx, statement, num); err != nil {
					return err
				}
			}
		}
		n = len(found)
		return nil
	})
	return n, err
}
