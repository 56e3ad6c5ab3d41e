package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"slices"
	"strings"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/store/internal/webhookjson"
	"github.com/caisse/checkout/webhook"
)

// endpointRow is an endpoint as it is read from its row.
type endpointRow struct {
	webhook.StoredEndpoint
	events                            string
	created                           int64
	oldUntil, failingSince, notBefore sql.Null[int64]
}

func (r *endpointRow) targets() []any {
	return []any{&r.ID, &r.Account.ID, &r.Account.Test, &r.URL, &r.events, &r.Description, &r.Status, &r.DisabledReason, &r.created,
		&r.Version, &r.Sealed, &r.OldSealed, &r.oldUntil, &r.Health.Failures, &r.failingSince, &r.notBefore}
}

func (r *endpointRow) endpoint() (e webhook.StoredEndpoint, err error) {
	e = r.StoredEndpoint
	e.CreatedAt, e.OldUntil = decodeTime(r.created), timeOrZero(r.oldUntil)
	e.Health.FailingSince, e.Health.NotBefore = timeOrZero(r.failingSince), timeOrZero(r.notBefore)
	e.Events, err = webhookjson.ReadEvents(r.events)
	return e, err
}

func scanEndpoint(rows *sql.Rows) (webhook.StoredEndpoint, error) {
	var r endpointRow
	if err := rows.Scan(r.targets()...); err != nil {
		return webhook.StoredEndpoint{}, err
	}
	return r.endpoint()
}

// CreateEndpoint implements [webhook.Store].
func (w webhooks) CreateEndpoint(ctx context.Context, e webhook.StoredEndpoint, most int) error {
	return w.write(ctx, func(ctx context.Context, q querier) error {
		others, err := scanAll(ctx, q, scanEndpoint, endpointsOf, e.Account.ID, e.Account.Test)
		if err != nil {
			return err
		}
		for _, other := range others {
			if other.URL == e.URL {
				return webhook.ErrEndpointExists
			}
		}
		if len(others) >= most {
			return webhook.ErrTooManyEndpoints
		}
		_, err = q.ExecContext(ctx, `INSERT INTO checkout_webhooks (id, account, test, url, events, description, status, disabled_reason,
			created_at, version, secret, old_secret, old_until, failures) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)`,
			e.ID, e.Account.ID, e.Account.Test, e.URL, webhookjson.Events(e.Events), e.Description, string(e.Status), e.DisabledReason,
			microsAt(e.CreatedAt), e.Version, e.Sealed, blob(e.OldSealed), instant(e.OldUntil))
		return err
	})
}

// GetEndpoint implements [webhook.Store].
func (w webhooks) GetEndpoint(ctx context.Context, account checkout.Account, id string) (e webhook.StoredEndpoint, err error) {
	err = w.read(ctx, "get an endpoint", func(q querier) (err error) {
		e, err = endpointIn(ctx, q, account, id)
		return err
	})
	return e, err
}

func endpointIn(ctx context.Context, q querier, account checkout.Account, id string) (webhook.StoredEndpoint, error) {
	found, err := scanAll(ctx, q, scanEndpoint, endpointOf, account.ID, account.Test, id)
	if err != nil {
		return webhook.StoredEndpoint{}, err
	}
	if len(found) == 0 {
		return webhook.StoredEndpoint{}, checkout.ErrNotFound
	}
	return found[0], nil
}

// ListEndpoints implements [webhook.Store].
func (w webhooks) ListEndpoints(ctx context.Context, accounts []checkout.Account) (all []webhook.StoredEndpoint, err error) {
	err = w.read(ctx, "list endpoints", func(q querier) error {
		for _, a := range accounts {
			some, err := scanAll(ctx, q, scanEndpoint, endpointsOf+` ORDER BY e.created_at DESC, e.id DESC`, a.ID, a.Test)
			if err != nil {
				return err
			}
			all = append(all, some...)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(accounts) > 1 {
		slices.SortFunc(all, func(a, b webhook.StoredEndpoint) int {
			return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), strings.Compare(b.ID, a.ID))
		})
	}
	return all, nil
}

// UpdateEndpoint implements [webhook.Store].
func (w webhooks) UpdateEndpoint(ctx context.Context, e webhook.StoredEndpoint) error {
	return w.write(ctx, func(ctx context.Context, q querier) error {
		all, err := scanAll(ctx, q, scanEndpoint, endpointsOf, e.Account.ID, e.Account.Test)
		if err != nil {
			return err
		}
		err = checkout.ErrNotFound
		for _, other := range all {
			switch {
			case other.ID == e.ID && other.Version != e.Version-1:
				return checkout.ErrConflict
			case other.ID == e.ID:
				err = nil
				if e.Health = other.Health; other.Status != webhook.Active && e.Status == webhook.Active {
					e.Health = webhook.Health{}
				}
			}
		}
		if err != nil {
			return err
		}
		for _, other := range all {
			if other.ID != e.ID && other.URL == e.URL {
				return webhook.ErrEndpointExists
			}
		}
		_, err = q.ExecContext(ctx, `UPDATE checkout_webhooks SET version = ?, url = ?, events = ?, description = ?, status = ?, disabled_reason = ?,
			secret = ?, old_secret = ?, old_until = ?, failures = ?, failing_since = ?, not_before = ? WHERE id = ?`,
			e.Version, e.URL, webhookjson.Events(e.Events), e.Description, string(e.Status), e.DisabledReason, e.Sealed, blob(e.OldSealed), instant(e.OldUntil),
			e.Health.Failures, instant(e.Health.FailingSince), instant(e.Health.NotBefore), e.ID)
		return err
	})
}

// DeleteEndpoint implements [webhook.Store].
func (w webhooks) DeleteEndpoint(ctx context.Context, account checkout.Account, id string) error {
	return w.write(ctx, func(ctx context.Context, q querier) error {
		result, err := q.ExecContext(ctx, `DELETE FROM checkout_webhooks WHERE id = ? AND account = ? AND test = ?`, id, account.ID, account.Test)
		if err != nil {
			return err
		}
		if n, err := result.RowsAffected(); err != nil || n == 0 {
			return err
		}
		_, err = q.ExecContext(ctx, `DELETE FROM checkout_webhook_deliveries WHERE endpoint = ?`, id)
		return err
	})
}
