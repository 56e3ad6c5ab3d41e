package memory

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/webhook"
)

// Webhooks returns the store of endpoints and deliveries that belongs to s. Every call returns the same one.
func (s *Store) Webhooks() webhook.Store {
	s.webhooksOnce.Do(func() {
		s.webhooks = &webhooks{endpoints: make(map[string]*webhook.StoredEndpoint), deliveries: make(map[string]*webhook.StoredDelivery), pending: make(map[string]*webhook.StoredDelivery)}
	})
	return s.webhooks
}

// webhooks is a [webhook.Store]: maps behind a mutex.
type webhooks struct {
	mu         sync.Mutex
	endpoints  map[string]*webhook.StoredEndpoint
	deliveries map[string]*webhook.StoredDelivery
	pending    map[string]*webhook.StoredDelivery // the pending ones of deliveries
	position   checkout.Cursor
}

var _ webhook.Store = (*webhooks)(nil)

// enter begins a call: it checks ctx and locks mu. If it returns no error, the caller must unlock mu at the end of the call.
func (w *webhooks) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	w.mu.Lock()
	return nil
}

// CreateEndpoint implements [webhook.Store].
func (w *webhooks) CreateEndpoint(ctx context.Context, e webhook.StoredEndpoint, most int) error {
	if err := w.enter(ctx); err != nil {
		return err
	}
	defer w.mu.Unlock()
	others := 0
	for _, other := range w.endpoints {
		if other.Account == e.Account {
			if others++; other.URL == e.URL {
				return webhook.ErrEndpointExists
			}
		}
	}
	if others >= most {
		return webhook.ErrTooManyEndpoints
	}
	e = ownEndpoint(e)
	w.endpoints[e.ID] = &e
	return nil
}

// GetEndpoint implements [webhook.Store].
func (w *webhooks) GetEndpoint(ctx context.Context, account checkout.Account, id string) (webhook.StoredEndpoint, error) {
	if err := w.enter(ctx); err != nil {
		return webhook.StoredEndpoint{}, err
	}
	defer w.mu.Unlock()
	if e := w.endpoints[id]; e != nil && e.Account == account {
		return ownEndpoint(*e), nil
	}
	return webhook.StoredEndpoint{}, checkout.ErrNotFound
}

// ListEndpoints implements [webhook.Store].
func (w *webhooks) ListEndpoints(ctx context.Context, accounts []checkout.Account) ([]webhook.StoredEndpoint, error) {
	if err := w.enter(ctx); err != nil {
		return nil, err
	}
	defer w.mu.Unlock()
	wanted := make(map[checkout.Account]bool, len(accounts))
	for _, a := range accounts {
		wanted[a] = true
	}
	var all []webhook.StoredEndpoint
	for _, e := range w.endpoints {
		if wanted[e.Account] {
			all = append(all, ownEndpoint(*e))
		}
	}
	slices.SortFunc(all, func(a, b webhook.StoredEndpoint) int {
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), strings.Compare(b.ID, a.ID))
	})
	return all, nil
}

// UpdateEndpoint implements [webhook.Store].
func (w *webhooks) UpdateEndpoint(ctx context.Context, e webhook.StoredEndpoint) error {
	if err := w.enter(ctx); err != nil {
		return err
	}
	defer w.mu.Unlock()
	was := w.endpoints[e.ID]
	switch {
	case was == nil || was.Account != e.Account:
		return checkout.ErrNotFound
	case was.Version != e.Version-1:
		return checkout.ErrConflict
	}
	for _, other := range w.endpoints {
		if other.Account == e.Account && other.ID != e.ID && other.URL == e.URL {
			return webhook.ErrEndpointExists
		}
	}
	e = ownEndpoint(e)
	e.CreatedAt, e.Health = was.CreatedAt, was.Health
	if was.Status != webhook.Active && e.Status == webhook.Active {
		e.Health = webhook.Health{}
	}
	*was = e
	return nil
}

// DeleteEndpoint implements [webhook.Store].
func (w *webhooks) DeleteEndpoint(ctx context.Context, account checkout.Account, id string) error {
	if err := w.enter(ctx); err != nil {
		return err
	}
	defer w.mu.Unlock()
	if e := w.endpoints[id]; e == nil || e.Account != account {
		return nil
	}
	delete(w.endpoints, id)
	for _, d := range w.deliveries {
		if d.EndpointID == id {
			delete(w.deliveries, d.ID)
			delete(w.pending, d.ID)
		}
	}
	return nil
}

// Position implements [webhook.Store].
func (w *webhooks) Position(ctx context.Context) (checkout.Cursor, error) {
	if err := w.enter(ctx); err != nil {
		return "", err
	}
	defer w.mu.Unlock()
	return w.position, nil
}

// Plan implements [webhook.Store].
func (w *webhooks) Plan(ctx context.Context, from, to checkout.Cursor, deliveries []webhook.StoredDelivery) error {
	if err := w.enter(ctx); err != nil {
		return err
	}
	defer w.mu.Unlock()
	if w.position != from {
		return checkout.ErrConflict
	}
	w.position = to
	for _, d := range deliveries {
		w.add(d)
	}
	return nil
}

// AddDelivery implements [webhook.Store].
func (w *webhooks) AddDelivery(ctx context.Context, d webhook.StoredDelivery) error {
	if err := w.enter(ctx); err != nil {
		return err
	}
	defer w.mu.Unlock()
	if !w.add(d) {
		return checkout.ErrNotFound
	}
	return nil
}

func (w *webhooks) add(d webhook.StoredDelivery) bool {
	if w.endpoints[d.EndpointID] == nil {
		return false
	}
	d = ownDelivery(d)
	w.deliveries[d.ID], w.pending[d.ID] = &d, &d
	return true
}

// Claim implements [webhook.Store].
func (w *webhooks) Claim(ctx context.Context, now, until time.Time, limit, perEndpoint int, busy map[string]int) ([]webhook.Claim, error) {
	if err := w.enter(ctx); err != nil {
		return nil, err
	}
	defer w.mu.Unlock()
	var due []*webhook.StoredDelivery
	for _, d := range w.pending {
		e := w.endpoints[d.EndpointID]
		open := e.Status == webhook.Active && !e.Health.NotBefore.After(now)
		if !d.NextAttempt.After(now) && (open || d.Forced) {
			due = append(due, d)
		}
	}
	slices.SortFunc(due, func(a, b *webhook.StoredDelivery) int {
		return cmp.Or(a.NextAttempt.Compare(b.NextAttempt), strings.Compare(a.ID, b.ID))
	})
	taken := make(map[string]int)
	var claims []webhook.Claim
	for _, d := range due {
		if len(claims) == limit {
			break
		}
		if taken[d.EndpointID]+busy[d.EndpointID] >= perEndpoint {
			continue
		}
		taken[d.EndpointID]++
		d.NextAttempt = until
		d.Lease++
		claims = append(claims, webhook.Claim{Delivery: ownDelivery(*d), Endpoint: ownEndpoint(*w.endpoints[d.EndpointID])})
	}
	return claims, nil
}

// Settle implements [webhook.Store].
func (w *webhooks) Settle(ctx context.Context, results []webhook.Settlement) error {
	if err := w.enter(ctx); err != nil {
		return err
	}
	defer w.mu.Unlock()
	for _, r := range results {
		d := w.deliveries[r.Delivery.ID]
		if d == nil || d.Lease != r.Delivery.Lease {
			continue
		}
		settled := ownDelivery(r.Delivery)
		d.State, d.Attempts, d.NextAttempt, d.Forced = settled.State, settled.Attempts, settled.NextAttempt, settled.Forced
		if d.State != webhook.Pending {
			delete(w.pending, d.ID)
		}
		health := &w.endpoints[d.EndpointID].Health
		switch {
		case r.Failed:
			health.Failures++
			if health.FailingSince.IsZero() {
				health.FailingSince = r.At
			}
			if r.NotBefore.After(health.NotBefore) {
				health.NotBefore = r.NotBefore
			}
		case settled.State == webhook.Delivered:
			*health = webhook.Health{}
		}
	}
	return nil
}

// GetDelivery implements [webhook.Store].
func (w *webhooks) GetDelivery(ctx context.Context, account checkout.Account, endpoint, id string) (webhook.StoredDelivery, error) {
	if err := w.enter(ctx); err != nil {
		return webhook.StoredDelivery{}, err
	}
	defer w.mu.Unlock()
	if d := w.find(account, endpoint, id); d != nil {
		return ownDelivery(*d), nil
	}
	return webhook.StoredDelivery{}, checkout.ErrNotFound
}

func (w *webhooks) find(account checkout.Account, endpoint, id string) *webhook.StoredDelivery {
	e, d := w.endpoints[endpoint], w.deliveries[id]
	if e == nil || e.Account != account || d == nil || d.EndpointID != endpoint {
		return nil
	}
	return d
}

// ListDeliveries implements [webhook.Store].
func (w *webhooks) ListDeliveries(ctx context.Context, account checkout.Account, endpoint, before string, limit int) ([]webhook.StoredDelivery, error) {
	if err := w.enter(ctx); err != nil {
		return nil, err
	}
	defer w.mu.Unlock()
	if e := w.endpoints[endpoint]; e == nil || e.Account != account {
		return nil, checkout.ErrNotFound
	}
	var all []webhook.StoredDelivery
	for _, d := range w.deliveries {
		if d.EndpointID == endpoint && (before == "" || d.ID < before) {
			all = append(all, ownDelivery(*d))
		}
	}
	slices.SortFunc(all, func(a, b webhook.StoredDelivery) int { return strings.Compare(b.ID, a.ID) })
	return all[:min(limit, len(all))], nil
}

// Requeue implements [webhook.Store].
func (w *webhooks) Requeue(ctx context.Context, account checkout.Account, endpoint, id string, at time.Time) error {
	if err := w.enter(ctx); err != nil {
		return err
	}
	defer w.mu.Unlock()
	d := w.find(account, endpoint, id)
	if d == nil {
		return checkout.ErrNotFound
	}
	d.State, d.NextAttempt, d.Forced = webhook.Pending, at, true
	d.Lease++
	w.pending[id] = d
	return nil
}

// PruneDeliveries implements [webhook.Store].
func (w *webhooks) PruneDeliveries(ctx context.Context, before time.Time, limit int) (n int, err error) {
	if err := w.enter(ctx); err != nil {
		return 0, err
	}
	defer w.mu.Unlock()
	for _, d := range w.deliveries {
		if n == limit {
			break
		}
		if d.State != webhook.Pending && d.CreatedAt.Before(before) {
			delete(w.deliveries, d.ID)
			n++
		}
	}
	return n, nil
}

// ownEndpoint returns e with copies of its slices.
func ownEndpoint(e webhook.StoredEndpoint) webhook.StoredEndpoint {
	e.Events, e.Sealed, e.OldSealed = slices.Clone(e.Events), slices.Clone(e.Sealed), slices.Clone(e.OldSealed)
	return e
}

func ownDelivery(d webhook.StoredDelivery) webhook.StoredDelivery {
	d.Attempts, d.Body = slices.Clone(d.Attempts), slices.Clone(d.Body)
	return d
}
