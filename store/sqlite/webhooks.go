package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/store/internal/webhookjson"
	"github.com/caisse/checkout/webhook"
)

// Webhooks returns the store of endpoints and deliveries in the database of s. Its writes share transactions with those of sessions.
func (s *Store) Webhooks() webhook.Store { return webhooks{s} }

// webhooks is a [webhook.Store].
type webhooks struct{ store *Store }

var _ webhook.Store = webhooks{}

const (
	endpointColumns = `e.id, e.account, e.test, e.url, e.events, e.description, e.status, e.disabled_reason, e.created_at, e.version,
		e.secret, e.old_secret, e.old_until, e.failures, e.failing_since, e.not_before`
	endpointsOf = `SELECT ` + endpointColumns + ` FROM checkout_webhooks AS e WHERE e.account = ? AND e.test = ?`
	endpointOf  = endpointsOf + ` AND e.id = ?`

	deliveryColumns = `d.id, d.endpoint, d.event_id, d.event_type, d.state, d.attempts, d.due_at, d.created_at, d.body, d.forced, d.once, d.lease`

	// insertDelivery inserts a delivery if its endpoint exists.
	insertDelivery = `INSERT INTO checkout_webhook_deliveries
			(id, endpoint, event_id, event_type, state, attempts, due_at, created_at, body, forced, once, lease)
		SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12 WHERE EXISTS (SELECT 1 FROM checkout_webhooks WHERE id = ?2)`

	// waiting lists the endpoints that have pending deliveries. In the index of these, it jumps from one endpoint to the next.
	waiting = `WITH RECURSIVE waiting (endpoint) AS (
			SELECT min(endpoint) FROM checkout_webhook_deliveries WHERE due_at IS NOT NULL
			UNION ALL
			SELECT (SELECT min(n.endpoint) FROM checkout_webhook_deliveries AS n WHERE n.due_at IS NOT NULL AND n.endpoint > waiting.endpoint)
			FROM waiting WHERE waiting.endpoint IS NOT NULL
		) `

	// dueOfEach selects, for each endpoint, the deliveries that have been due for longest. Claim then chooses among them and reads
	// the contents of those that it has chosen.
	dueOfEach = waiting + `SELECT d.num, d.endpoint
		FROM waiting AS w CROSS JOIN checkout_webhooks AS e ON e.id = w.endpoint
		CROSS JOIN checkout_webhook_deliveries AS d ON d.num IN (
			SELECT x.num FROM checkout_webhook_deliveries AS x WHERE x.endpoint = w.endpoint AND x.due_at <= ?1
				AND (x.forced OR e.status = 'active' AND coalesce(e.not_before, 0) <= ?1)
			ORDER BY x.due_at, x.id LIMIT ?2
		)`
	dueDeliveries = dueOfEach + ` ORDER BY d.due_at, d.id`
	anyDue        = dueOfEach + ` LIMIT 1`

	chosenDelivery = `SELECT ` + deliveryColumns + `, ` + endpointColumns + `
		FROM checkout_webhook_deliveries AS d JOIN checkout_webhooks AS e ON e.id = d.endpoint WHERE d.num = ?`

	claimDelivery = `UPDATE checkout_webhook_deliveries SET due_at = ?, lease = lease + 1 WHERE num = ?`

	settleDelivery = `UPDATE checkout_webhook_deliveries SET state = ?, attempts = ?, due_at = ?, forced = ? WHERE id = ? AND lease = ?`
	settleWell     = `UPDATE checkout_webhooks SET failures = 0, failing_since = NULL, not_before = NULL WHERE failures > 0 AND id = ?`
	settleFailed   = `UPDATE checkout_webhooks SET failures = failures + 1, failing_since = coalesce(failing_since, ?1),
		not_before = CASE WHEN not_before IS NULL OR not_before < ?2 THEN ?2 ELSE not_before END WHERE id = ?3`
)

type deliveryRow struct {
	webhook.StoredDelivery
	attempts string
	due      sql.Null[int64]
	created  int64
}

func (r *deliveryRow) targets() []any {
	return []any{&r.ID, &r.EndpointID, &r.EventID, &r.EventType, &r.State, &r.attempts, &r.due, &r.created, &r.Body, &r.Forced, &r.Once, &r.Lease}
}

func (r *deliveryRow) delivery() (d webhook.StoredDelivery, err error) {
	d = r.StoredDelivery
	d.CreatedAt, d.NextAttempt = decodeTime(r.created), timeOrZero(r.due)
	d.Attempts, err = webhookjson.ReadAttempts(r.attempts)
	return d, err
}

func scanDelivery(rows *sql.Rows) (webhook.StoredDelivery, error) {
	var r deliveryRow
	if err := rows.Scan(r.targets()...); err != nil {
		return webhook.StoredDelivery{}, err
	}
	return r.delivery()
}

func timeOrZero(micros sql.Null[int64]) time.Time {
	if !micros.Valid {
		return time.Time{}
	}
	return decodeTime(micros.V)
}

// instant returns NULL for the zero time.
func instant(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return microsAt(t)
}

// blob returns NULL for nil.
func blob(b []byte) any {
	if b == nil {
		return nil
	}
	return b
}

// write runs f in the transaction of a batch. If f fails, its statements are undone.
func (w webhooks) write(ctx context.Context, f func(ctx context.Context, q querier) error) error {
	return w.store.do(ctx, func(ctx context.Context, q querier, o *owners) error {
		if !o.locked { // a transaction that reads first might not get the write lock later
			if _, err := q.ExecContext(ctx, `UPDATE checkout_webhook_position SET id = id WHERE 0`); err != nil {
				return err
			}
		}
		return undoably(ctx, q, "checkout_webhook", func() error { return f(ctx, q) })
	})
}

// read runs f on the pool for reads.
func (w webhooks) read(ctx context.Context, doing string, f func(q querier) error) error {
	if err := w.store.enter(); err != nil {
		return err
	}
	defer w.store.gate.RUnlock()
	return failed(ctx, doing, f(w.store.read))
}

// Position implements [webhook.Store].
func (w webhooks) Position(ctx context.Context) (place checkout.Cursor, err error) {
	err = w.read(ctx, "read the position", func(q querier) error {
		return q.QueryRowContext(ctx, `SELECT place FROM checkout_webhook_position`).Scan(&place)
	})
	return place, err
}

// Plan implements [webhook.Store].
func (w webhooks) Plan(ctx context.Context, from, to checkout.Cursor, deliveries []webhook.StoredDelivery) error {
	return w.write(ctx, func(ctx context.Context, q querier) error {
		result, err := q.ExecContext(ctx, `UPDATE checkout_webhook_position SET place = ? WHERE place = ?`, string(to), string(from))
		if err != nil {
			return err
		}
		if n, err := result.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, checkout.ErrConflict)
		}
		for _, d := range deliveries {
			if _, err := addDelivery(ctx, q, d); err != nil {
				return err
			}
		}
		return nil
	})
}

func addDelivery(ctx context.Context, q querier, d webhook.StoredDelivery) (added bool, err error) {
	result, err := q.ExecContext(ctx, insertDelivery, d.ID, d.EndpointID, d.EventID, d.EventType, string(d.State), webhookjson.Attempts(d.Attempts), instant(d.NextAttempt),
		microsAt(d.CreatedAt), d.Body, d.Forced, d.Once, d.Lease)
	if err != nil {
		return false, err
	}
	n, err := result.RowsAffected()
	return n == 1, err
}

// AddDelivery implements [webhook.Store].
func (w webhooks) AddDelivery(ctx context.Context, d webhook.StoredDelivery) error {
	return w.write(ctx, func(ctx context.Context, q querier) error {
		added, err := addDelivery(ctx, q, d)
		if err == nil && !added {
			err = checkout.ErrNotFound
		}
		return err
	})
}

// Claim implements [webhook.Store]. It first checks, without a lock, whether anything is due.
func (w webhooks) Claim(ctx context.Context, now, until time.Time, limit, perEndpoint int, busy map[string]int) ([]webhook.Claim, error) {
	some := false
	err := w.read(ctx, "look for deliveries", func(q querier) error {
		found, err := scanAll(ctx, q, scanDue, anyDue, microsAt(now), 1)
		some = len(found) > 0
		return err
	})
	if err != nil || !some {
		return nil, err
	}
	var claims []webhook.Claim
	err = w.write(ctx, func(ctx context.Context, q querier) error {
		claims = nil
		due, err := scanAll(ctx, q, scanDue, dueDeliveries, microsAt(now), perEndpoint)
		if err != nil {
			return err
		}
		taken := make(map[string]int)
		for _, d := range due {
			if len(claims) == limit {
				break
			}
			if taken[d.endpoint]+busy[d.endpoint] >= perEndpoint {
				continue
			}
			taken[d.endpoint]++
			if _, err := q.ExecContext(ctx, claimDelivery, microsAt(until), d.num); err != nil {
				return err
			}
			chosen, err := scanAll(ctx, q, scanClaim, chosenDelivery, d.num)
			if err != nil {
				return err
			}
			claims = append(claims, chosen...)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return claims, nil
}

// dueRow is a delivery that is due.
type dueRow struct {
	num      int64
	endpoint string
}

func scanDue(rows *sql.Rows) (d dueRow, err error) {
	err = rows.Scan(&d.num, &d.endpoint)
	return d, err
}

func scanClaim(rows *sql.Rows) (c webhook.Claim, err error) {
	var (
		d deliveryRow
		e endpointRow
	)
	if err := rows.Scan(append(d.targets(), e.targets()...)...); err != nil {
		return c, err
	}
	if c.Delivery, err = d.delivery(); err != nil {
		return c, err
	}
	c.Endpoint, err = e.endpoint()
	return c, err
}

// Settle implements [webhook.Store].
func (w webhooks) Settle(ctx context.Context, results []webhook.Settlement) error {
	return w.write(ctx, func(ctx context.Context, q querier) error {
		for _, r := range results {
			d := r.Delivery
			result, err := q.ExecContext(ctx, settleDelivery, string(d.State), webhookjson.Attempts(d.Attempts), instant(d.NextAttempt), d.Forced, d.ID, d.Lease)
			if err != nil {
				return err
			}
			if n, err := result.RowsAffected(); err != nil {
				return err
			} else if n == 0 {
				continue
			}
			switch {
			case r.Failed:
				_, err = q.ExecContext(ctx, settleFailed, instant(r.At), instant(r.NotBefore), d.EndpointID)
			case d.State == webhook.Delivered:
				_, err = q.ExecContext(ctx, settleWell, d.EndpointID)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

const deliveryOf = `SELECT ` + deliveryColumns + ` FROM checkout_webhook_deliveries AS d WHERE d.endpoint = ?`

// GetDelivery implements [webhook.Store].
func (w webhooks) GetDelivery(ctx context.Context, account checkout.Account, endpoint, id string) (d webhook.StoredDelivery, err error) {
	err = w.read(ctx, "get a delivery", func(q querier) error {
		if _, err := endpointIn(ctx, q, account, endpoint); err != nil {
			return err
		}
		found, err := scanAll(ctx, q, scanDelivery, deliveryOf+` AND d.id = ?`, endpoint, id)
		if err != nil {
			return err
		}
		if len(found) == 0 {
			return checkout.ErrNotFound
		}
		d = found[0]
		return nil
	})
	return d, err
}

// ListDeliveries implements [webhook.Store].
func (w webhooks) ListDeliveries(ctx context.Context, account checkout.Account, endpoint, before string, limit int) (all []webhook.StoredDelivery, err error) {
	err = w.read(ctx, "list deliveries", func(q querier) (err error) {
		if _, err := endpointIn(ctx, q, account, endpoint); err != nil {
			return err
		}
		if before == "" {
			before = "x" // greater than any ID
		}
		all, err = scanAll(ctx, q, scanDelivery, deliveryOf+` AND d.id < ? ORDER BY d.id DESC LIMIT ?`, endpoint, before, limit)
		return err
	})
	return all, err
}

// Requeue implements [webhook.Store].
func (w webhooks) Requeue(ctx context.Context, account checkout.Account, endpoint, id string, at time.Time) error {
	return w.write(ctx, func(ctx context.Context, q querier) error {
		if _, err := endpointIn(ctx, q, account, endpoint); err != nil {
			return err
		}
		result, err := q.ExecContext(ctx, `UPDATE checkout_webhook_deliveries SET state = 'pending', due_at = ?, forced = 1, lease = lease + 1
			WHERE id = ? AND endpoint = ?`, microsAt(at), id, endpoint)
		if err != nil {
			return err
		}
		if n, err := result.RowsAffected(); err != nil || n == 1 {
			return err
		}
		return checkout.ErrNotFound
	})
}

// PruneDeliveries implements [webhook.Store].
func (w webhooks) PruneDeliveries(ctx context.Context, before time.Time, limit int) (n int, err error) {
	err = w.write(ctx, func(ctx context.Context, q querier) error {
		result, err := q.ExecContext(ctx, `DELETE FROM checkout_webhook_deliveries WHERE num IN (
			SELECT num FROM checkout_webhook_deliveries WHERE due_at IS NULL AND created_at < ? ORDER BY created_at LIMIT ?)`, microsAt(before), limit)
		if err != nil {
			return err
		}
		gone, err := result.RowsAffected()
		n = int(gone)
		return err
	})
	return n, err
}
