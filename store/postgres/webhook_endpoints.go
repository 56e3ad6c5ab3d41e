package postgres

import (
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/store/internal/webhookjson"
	"github.com/caisse/checkout/webhook"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// endpointColumns are the columns of an endpoint e, in the order of endpointRow.targets.
const endpointColumns = `e.id, e.account, e.test, e.url, e.events, e.description, e.status, e.disabled_reason, e.created_at, e.version,
	e.secret, e.old_secret, e.old_until, e.failures, e.failing_since, e.not_before`

// endpointRow is an endpoint as it is read.
type endpointRow struct {
	webhook.StoredEndpoint
	events                            string
	oldUntil, failingSince, notBefore *time.Time
}

func (r *endpointRow) targets() []any {
	return []any{&r.ID, &r.Account.ID, &r.Account.Test, &r.URL, &r.events, &r.Description, &r.Status, &r.DisabledReason, &r.CreatedAt,
		&r.Version, &r.Sealed, &r.OldSealed, &r.oldUntil, &r.Health.Failures, &r.failingSince, &r.notBefore}
}

func (r *endpointRow) endpoint() (e webhook.StoredEndpoint, err error) {
	e = r.StoredEndpoint
	e.CreatedAt, e.OldUntil = e.CreatedAt.UTC(), timeOf(r.oldUntil)
	e.Health.FailingSince, e.Health.NotBefore = timeOf(r.failingSince), timeOf(r.notBefore)
	e.Events, err = webhookjson.ReadEvents(r.events)
	return e, err
}

func scanEndpoint(row pgx.CollectableRow) (webhook.StoredEndpoint, error) {
	var r endpointRow
	if err := row.Scan(r.targets()...); err != nil {
		return webhook.StoredEndpoint{}, err
	}
	return r.endpoint()
}

// CreateEndpoint implements [webhook.Store].
func (w webhooks) CreateEndpoint(ctx context.Context, e webhook.StoredEndpoint, most int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	const insert = `INSERT INTO checkout_webhooks (id, account, test, url, events, description, status, disabled_reason, created_at, version,
		secret, old_secret, old_until, url_digest, failures, slot)
	SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $15, 0, free.slot FROM (
		SELECT n AS slot FROM generate_series(1, $14::integer) AS n
		WHERE NOT EXISTS (SELECT FROM checkout_webhooks AS e WHERE e.account = $2 AND e.test = $3 AND e.slot = n) ORDER BY n LIMIT 1
	) AS free ON CONFLICT DO NOTHING RETURNING id`
	const look = `SELECT e.id, e.url FROM checkout_webhooks AS e WHERE e.account = $1 AND e.test = $2`
	for {
		created, err := rowsOf(ctx, w.write, statement{"checkout_webhook_create", "create an endpoint", insert, []any{
			e.ID, e.Account.ID, e.Account.Test, e.URL, webhookjson.Events(e.Events), e.Description, string(e.Status), e.DisabledReason, e.CreatedAt,
			e.Version, e.Sealed, e.OldSealed, orNoTime(e.OldUntil), most, digestOf(e.URL)}}, pgx.RowTo[string])
		if err != nil || len(created) == 1 {
			return err
		}
		type other struct{ ID, URL string }
		others, err := rowsOf(ctx, w.read, statement{"", "look for endpoints", look, []any{e.Account.ID, e.Account.Test}}, pgx.RowToStructByPos[other])
		switch {
		case err != nil:
			return err
		case slices.ContainsFunc(others, func(o other) bool { return o.URL == e.URL || o.ID == e.ID }):
			return webhook.ErrEndpointExists
		case len(others) >= most:
			return webhook.ErrTooManyEndpoints
		}
		// Another call took the slot meanwhile. Try the next one.
	}
}

// GetEndpoint implements [webhook.Store].
func (w webhooks) GetEndpoint(ctx context.Context, account checkout.Account, id string) (webhook.StoredEndpoint, error) {
	if err := ctx.Err(); err != nil {
		return webhook.StoredEndpoint{}, err
	}
	found, err := rowsOf(ctx, w.read, statement{"", "get an endpoint",
		`SELECT ` + endpointColumns + ` FROM checkout_webhooks AS e WHERE e.id = $1 AND e.account = $2 AND e.test = $3`,
		[]any{id, account.ID, account.Test}}, scanEndpoint)
	if err != nil {
		return webhook.StoredEndpoint{}, err
	}
	if len(found) == 0 {
		return webhook.StoredEndpoint{}, checkout.ErrNotFound
	}
	return found[0], nil
}

// ListEndpoints implements [webhook.Store].
func (w webhooks) ListEndpoints(ctx context.Context, accounts []checkout.Account) ([]webhook.StoredEndpoint, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	ids, tests := make([]string, len(accounts)), make([]bool, len(accounts))
	for i, a := range accounts {
		ids[i], tests[i] = a.ID, a.Test
	}
	return rowsOf(ctx, w.read, statement{"", "list endpoints", `SELECT ` + endpointColumns + ` FROM unnest($1::text[], $2::boolean[]) AS u (account, test)
		JOIN checkout_webhooks AS e ON e.account = u.account AND e.test = u.test ORDER BY e.created_at DESC, e.id DESC`, []any{ids, tests}}, scanEndpoint)
}

// UpdateEndpoint implements [webhook.Store].
func (w webhooks) UpdateEndpoint(ctx context.Context, e webhook.StoredEndpoint) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	// The health of an endpoint that becomes active again begins anew. The same statement looks for another endpoint with this URL. If
	// another endpoint with it is created at the same time, the unique index makes this statement fail with 23505.
	const update = `WITH other AS (
		SELECT 1 FROM checkout_webhooks AS o WHERE o.account = $2 AND o.test = $3 AND o.url = $5 AND o.id <> $1
	), changed AS (
		UPDATE checkout_webhooks AS e SET version = $4, url = $5, events = $6, description = $7, status = $8, disabled_reason = $9, secret = $10,
			old_secret = $11, old_until = $12, url_digest = $13,
			failures = CASE WHEN e.status <> 'active' AND $8 = 'active' THEN 0 ELSE e.failures END,
			failing_since = CASE WHEN e.status <> 'active' AND $8 = 'active' THEN NULL ELSE e.failing_since END,
			not_before = CASE WHEN e.status <> 'active' AND $8 = 'active' THEN NULL ELSE e.not_before END
		WHERE e.id = $1 AND e.account = $2 AND e.test = $3 AND e.version = $4 - 1 AND NOT EXISTS (SELECT FROM other) RETURNING 1
	) SELECT EXISTS (SELECT FROM changed), EXISTS (SELECT FROM other),
		(SELECT e.version FROM checkout_webhooks AS e WHERE e.id = $1 AND e.account = $2 AND e.test = $3)`
	type outcome struct {
		changed, other bool
		version        *int64 // before
	}
	rows, err := rowsOf(ctx, w.write, statement{"checkout_webhook_update", "change an endpoint", update, []any{
		e.ID, e.Account.ID, e.Account.Test, e.Version, e.URL, webhookjson.Events(e.Events), e.Description, string(e.Status), e.DisabledReason, e.Sealed,
		e.OldSealed, orNoTime(e.OldUntil), digestOf(e.URL)}}, func(row pgx.CollectableRow) (o outcome, err error) {
		err = row.Scan(&o.changed, &o.other, &o.version)
		return o, err
	})
	switch {
	case code(err) == "23505":
		return webhook.ErrEndpointExists
	case err != nil:
		return err
	case rows[0].changed:
		return nil
	case rows[0].version == nil:
		return checkout.ErrNotFound
	case *rows[0].version != e.Version-1 || !rows[0].other:
		return checkout.ErrConflict
	}
	return webhook.ErrEndpointExists
}

// DeleteEndpoint implements [webhook.Store].
func (w webhooks) DeleteEndpoint(ctx context.Context, account checkout.Account, id string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	_, err := rowsOf(ctx, w.write, statement{"checkout_webhook_delete", "delete an endpoint",
		`DELETE FROM checkout_webhooks AS e WHERE e.id = $1 AND e.account = $2 AND e.test = $3 RETURNING e.id`,
		[]any{id, account.ID, account.Test}}, pgx.RowTo[string])
	return err
}

func digestOf(url string) []byte {
	digest := sha256.Sum256([]byte(url))
	return digest[:]
}

// code returns the code of the server's error, or "".
func code(err error) string {
	if pg := (*pgconn.PgError)(nil); errors.As(err, &pg) {
		return pg.Code
	}
	return ""
}
