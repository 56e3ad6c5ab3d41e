package postgres

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/store/internal/webhookjson"
	"github.com/caisse/checkout/webhook"
	"github.com/jackc/pgx/v5"
)

// Webhooks returns the store of endpoints and deliveries in the database of s.
func (s *Store) Webhooks() webhook.Store { return webhooks{s.table} }

// webhooks is a [webhook.Store]. Each write is one statement, in a transaction of its own.
type webhooks struct{ table }

var _ webhook.Store = webhooks{}

// deliveryColumns are the columns of a delivery d, in the order of deliveryRow.targets.
const deliveryColumns = `d.id, d.endpoint, d.event_id, d.event_type, d.state, d.attempts, d.due_at, d.created_at, d.body, d.forced, d.once, d.lease`

type deliveryRow struct {
	webhook.StoredDelivery
	attempts string
	due      *time.Time
}

func (r *deliveryRow) targets() []any {
	return []any{&r.ID, &r.EndpointID, &r.EventID, &r.EventType, &r.State, &r.attempts, &r.due, &r.CreatedAt, &r.Body, &r.Forced, &r.Once, &r.Lease}
}

func (r *deliveryRow) delivery() (d webhook.StoredDelivery, err error) {
	d = r.StoredDelivery
	d.CreatedAt, d.NextAttempt = d.CreatedAt.UTC(), timeOf(r.due)
	d.Attempts, err = webhookjson.ReadAttempts(r.attempts)
	return d, err
}

func scanDelivery(row pgx.CollectableRow) (webhook.StoredDelivery, error) {
	var r deliveryRow
	if err := row.Scan(r.targets()...); err != nil {
		return webhook.StoredDelivery{}, err
	}
	return r.delivery()
}

func timeOf(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}

// orNoTime returns nil, which is null in SQL, for the zero time.
func orNoTime(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// Position implements [webhook.Store].
func (w webhooks) Position(ctx context.Context) (checkout.Cursor, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	places, err := rowsOf(ctx, w.read, statement{"", "read the position", `SELECT place FROM checkout_webhook_position`, nil}, pgx.RowTo[string])
	if err != nil || len(places) == 0 {
		return "", err
	}
	return checkout.Cursor(places[0]), nil
}

// insertDeliveries inserts deliveries, given as arrays from $1 on. It leaves out those whose endpoint does not exist.
const insertDeliveries = `INSERT INTO checkout_webhook_deliveries (id, endpoint, event_id, event_type, state, attempts, due_at, created_at, body, forced, once, lease)
	SELECT u.id, u.endpoint, u.event_id, u.event_type, u.state, u.attempts, u.due_at, u.created_at, u.body, u.forced, u.once, u.lease
	FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::timestamptz[], $8::timestamptz[], $9::bytea[],
		$10::boolean[], $11::boolean[], $12::bigint[]) AS u (id, endpoint, event_id, event_type, state, attempts, due_at, created_at, body, forced, once, lease)
	WHERE EXISTS (SELECT FROM checkout_webhooks AS e WHERE e.id = u.endpoint)`

// columnsOf returns deliveries as the arrays of insertDeliveries.
func columnsOf(deliveries []webhook.StoredDelivery) []any {
	n := len(deliveries)
	var (
		ids, endpoints, eventIDs, types, states, attempts = make([]string, n), make([]string, n), make([]string, n), make([]string, n), make([]string, n), make([]string, n)
		due, created                                      = make([]*time.Time, n), make([]time.Time, n)
		bodies                                            = make([][]byte, n)
		forced, once                                      = make([]bool, n), make([]bool, n)
		leases                                            = make([]int64, n)
	)
	for i, d := range deliveries {
		ids[i], endpoints[i], eventIDs[i], types[i], states[i], attempts[i] = d.ID, d.EndpointID, d.EventID, d.EventType, string(d.State), webhookjson.Attempts(d.Attempts)
		due[i], created[i], bodies[i], forced[i], once[i], leases[i] = orNoTime(d.NextAttempt), d.CreatedAt, d.Body, d.Forced, d.Once, d.Lease
	}
	return []any{ids, endpoints, eventIDs, types, states, attempts, due, created, bodies, forced, once, leases}
}

// Plan implements [webhook.Store]. A second instance waits for the position's row, and then finds that the position has moved.
func (w webhooks) Plan(ctx context.Context, from, to checkout.Cursor, deliveries []webhook.StoredDelivery) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	const plan = `WITH moved AS (
		UPDATE checkout_webhook_position SET place = $14 WHERE place = $13 RETURNING 1
	), added AS (` + insertDeliveries + ` AND EXISTS (SELECT FROM moved)) SELECT 1 FROM moved`
	moved, err := rowsOf(ctx, w.write, statement{"checkout_webhook_plan", "plan deliveries", plan, append(columnsOf(deliveries), string(from), string(to))}, pgx.RowTo[int])
	if err == nil && len(moved) == 0 {
		return checkout.ErrConflict
	}
	return err
}

// AddDelivery implements [webhook.Store].
func (w webhooks) AddDelivery(ctx context.Context, d webhook.StoredDelivery) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	added, err := rowsOf(ctx, w.write, statement{"checkout_webhook_add", "add a delivery", insertDeliveries + " RETURNING id",
		columnsOf([]webhook.StoredDelivery{d})}, pgx.RowTo[string])
	if code(err) == "23503" || err == nil && len(added) == 0 {
		return checkout.ErrNotFound
	}
	return err
}

// Claim implements [webhook.Store]. It goes from endpoint to endpoint in the index of pending deliveries. From each endpoint it takes the
// deliveries that have been due for longest. So if one active endpoint has many due deliveries, Claim does not read all of them. It
// skips deliveries that another transaction has locked.
func (w webhooks) Claim(ctx context.Context, now, until time.Time, limit, perEndpoint int, busy map[string]int) ([]webhook.Claim, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	const claim = `WITH RECURSIVE waiting AS (
		(SELECT d.endpoint FROM checkout_webhook_deliveries AS d WHERE d.due_at IS NOT NULL ORDER BY d.endpoint LIMIT 1)
		UNION ALL
		SELECT n.endpoint FROM waiting AS w CROSS JOIN LATERAL (
			SELECT d.endpoint FROM checkout_webhook_deliveries AS d WHERE d.due_at IS NOT NULL AND d.endpoint > w.endpoint ORDER BY d.endpoint LIMIT 1
		) AS n
	), due AS (
		SELECT d.id FROM waiting AS w JOIN checkout_webhooks AS e ON e.id = w.endpoint
			LEFT JOIN unnest($5::text[], $6::bigint[]) AS b (endpoint, n) ON b.endpoint = e.id
		CROSS JOIN LATERAL (
			SELECT d.id, d.due_at FROM checkout_webhook_deliveries AS d
			WHERE d.endpoint = w.endpoint AND d.due_at <= $1 AND (d.forced OR e.status = 'active' AND (e.not_before IS NULL OR e.not_before <= $1))
			ORDER BY d.due_at, d.id LIMIT greatest($4 - coalesce(b.n, 0), 0) FOR UPDATE SKIP LOCKED
		) AS d ORDER BY d.due_at, d.id LIMIT $3
	), claimed AS (
		UPDATE checkout_webhook_deliveries AS d SET due_at = $2, lease = d.lease + 1 WHERE d.id = ANY (ARRAY(SELECT id FROM due)) RETURNING ` + deliveryColumns + `
	) SELECT ` + deliveryColumns + `, ` + endpointColumns + ` FROM claimed AS d JOIN checkout_webhooks AS e ON e.id = d.endpoint`
	endpoints, counts := make([]string, 0, len(busy)), make([]int64, 0, len(busy))
	for id, n := range busy {
		endpoints, counts = append(endpoints, id), append(counts, int64(n))
	}
	return rowsOf(ctx, w.write, statement{"checkout_webhook_claim", "claim deliveries", claim,
		[]any{now, until, int64(limit), int64(perEndpoint), endpoints, counts}}, func(row pgx.CollectableRow) (c webhook.Claim, err error) {
		var (
			d deliveryRow
			e endpointRow
		)
		if err := row.Scan(append(d.targets(), e.targets()...)...); err != nil {
			return c, err
		}
		if c.Delivery, err = d.delivery(); err != nil {
			return c, err
		}
		c.Endpoint, err = e.endpoint()
		return c, err
	})
}

// Settle implements [webhook.Store].
func (w webhooks) Settle(ctx context.Context, results []webhook.Settlement) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	const settle = `WITH settled AS (
		UPDATE checkout_webhook_deliveries AS d SET state = u.state, attempts = u.attempts, due_at = u.due_at, forced = u.forced
		FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::timestamptz[], $6::boolean[], $7::boolean[], $8::timestamptz[], $9::timestamptz[],
			$10::integer[]) AS u (id, lease, state, attempts, due_at, forced, failed, at, not_before, place)
		WHERE d.id = u.id AND d.lease = u.lease RETURNING d.endpoint, d.state = 'delivered' AND NOT u.failed AS well, u.failed, u.at, u.not_before, u.place
	), placed AS (
		SELECT *, max(place) FILTER (WHERE well) OVER (PARTITION BY endpoint) AS last_well FROM settled
	), health AS (
		SELECT endpoint, bool_or(well) AS well, count(*) FILTER (WHERE fails) AS failures,
			(array_agg(at ORDER BY place) FILTER (WHERE fails))[1] AS since, max(not_before) FILTER (WHERE fails) AS not_before
		FROM (SELECT *, failed AND place > coalesce(last_well, -1) AS fails FROM placed) AS s GROUP BY endpoint
	), locked AS (
		SELECT e.id FROM checkout_webhooks AS e JOIN health AS h ON h.endpoint = e.id WHERE h.failures > 0 OR h.well AND e.failures > 0
		ORDER BY e.id FOR UPDATE OF e
	) UPDATE checkout_webhooks AS e SET
		failures = CASE WHEN h.well THEN 0 ELSE e.failures END + h.failures,
		failing_since = coalesce(CASE WHEN NOT h.well THEN e.failing_since END, h.since),
		not_before = greatest(CASE WHEN NOT h.well THEN e.not_before END, h.not_before)
	FROM health AS h, locked AS l WHERE h.endpoint = e.id AND l.id = e.id RETURNING e.id`
	n := len(results)
	// All batches lock in the same order, so that no two of them deadlock.
	order := make([]int, n) // places in results
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return strings.Compare(results[a].Delivery.ID, results[b].Delivery.ID) })
	var (
		ids, states, attempts = make([]string, n), make([]string, n), make([]string, n)
		leases                = make([]int64, n)
		due, at, notBefore    = make([]*time.Time, n), make([]*time.Time, n), make([]*time.Time, n)
		forced, failed        = make([]bool, n), make([]bool, n)
	)
	for i, place := range order {
		r := results[place]
		d := r.Delivery
		ids[i], leases[i], states[i], attempts[i], due[i], forced[i] = d.ID, d.Lease, string(d.State), webhookjson.Attempts(d.Attempts), orNoTime(d.NextAttempt), d.Forced
		failed[i], at[i], notBefore[i] = r.Failed, orNoTime(r.At), orNoTime(r.NotBefore)
	}
	_, err := rowsOf(ctx, w.write, statement{"checkout_webhook_settle", "settle deliveries", settle,
		[]any{ids, leases, states, attempts, due, forced, failed, at, notBefore, order}}, pgx.RowTo[string])
	return err
}

// GetDelivery implements [webhook.Store].
func (w webhooks) GetDelivery(ctx context.Context, account checkout.Account, endpoint, id string) (webhook.StoredDelivery, error) {
	if err := ctx.Err(); err != nil {
		return webhook.StoredDelivery{}, err
	}
	found, err := rowsOf(ctx, w.read, statement{"", "get a delivery", `SELECT ` + deliveryColumns + ` FROM checkout_webhook_deliveries AS d
		JOIN checkout_webhooks AS e ON e.id = d.endpoint WHERE d.id = $1 AND e.id = $2 AND e.account = $3 AND e.test = $4`,
		[]any{id, endpoint, account.ID, account.Test}}, scanDelivery)
	if err != nil {
		return webhook.StoredDelivery{}, err
	}
	if len(found) == 0 {
		return webhook.StoredDelivery{}, checkout.ErrNotFound
	}
	return found[0], nil
}

// ListDeliveries implements [webhook.Store].
func (w webhooks) ListDeliveries(ctx context.Context, account checkout.Account, endpoint, before string, limit int) ([]webhook.StoredDelivery, error) {
	if _, err := w.GetEndpoint(ctx, account, endpoint); err != nil {
		return nil, err
	}
	return rowsOf(ctx, w.read, statement{"", "list deliveries", `SELECT ` + deliveryColumns + ` FROM checkout_webhook_deliveries AS d
		WHERE d.endpoint = $1 AND ($2 = '' OR d.id < $2) ORDER BY d.id DESC LIMIT $3`, []any{endpoint, before, int64(limit)}}, scanDelivery)
}

// Requeue implements [webhook.Store].
func (w webhooks) Requeue(ctx context.Context, account checkout.Account, endpoint, id string, at time.Time) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	done, err := rowsOf(ctx, w.write, statement{"checkout_webhook_requeue", "retry a delivery", `UPDATE checkout_webhook_deliveries AS d
		SET state = 'pending', due_at = $5, forced = true, lease = d.lease + 1 FROM checkout_webhooks AS e
		WHERE d.id = $1 AND d.endpoint = $2 AND e.id = d.endpoint AND e.account = $3 AND e.test = $4 RETURNING d.id`,
		[]any{id, endpoint, account.ID, account.Test, at}}, pgx.RowTo[string])
	if err == nil && len(done) == 0 {
		return checkout.ErrNotFound
	}
	return err
}

// PruneDeliveries implements [webhook.Store].
func (w webhooks) PruneDeliveries(ctx context.Context, before time.Time, limit int) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	gone, err := rowsOf(ctx, w.write, statement{"checkout_webhook_prune", "prune deliveries", `DELETE FROM checkout_webhook_deliveries AS d WHERE d.id = ANY (ARRAY(
		SELECT o.id FROM checkout_webhook_deliveries AS o WHERE o.due_at IS NULL AND o.created_at < $1 ORDER BY o.created_at LIMIT $2 FOR UPDATE SKIP LOCKED
	)) RETURNING d.id`, []any{clampTime(before), int64(limit)}}, pgx.RowTo[string])
	return len(gone), err
}
