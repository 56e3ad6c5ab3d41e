package pgfault

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/faults/stores"
	"github.com/caisse/checkout/idempotency"
)

// instances are several stores on one database that take calls in turn, as behind a load balancer.
type instances struct {
	all   []stores.Store
	calls atomic.Uint64
}

func (i *instances) next() checkout.Store {
	return i.all[i.calls.Add(1)%uint64(len(i.all))]
}

func (i *instances) close() {
	for _, store := range i.all {
		store.Close()
	}
}

// Create and the methods below implement [checkout.Store].
func (i *instances) Create(ctx context.Context, s checkout.Session) (checkout.Session, bool, error) {
	return i.next().Create(ctx, s)
}

func (i *instances) Get(ctx context.Context, account checkout.Account, id string) (checkout.Session, error) {
	return i.next().Get(ctx, account, id)
}

func (i *instances) GetByKey(ctx context.Context, account checkout.Account, key idempotency.Key) (checkout.Session, error) {
	return i.next().GetByKey(ctx, account, key)
}

func (i *instances) Update(ctx context.Context, s checkout.Session) error {
	return i.next().Update(ctx, s)
}

func (i *instances) List(ctx context.Context, account checkout.Account, q checkout.Query) ([]checkout.Session, int, error) {
	return i.next().List(ctx, account, q)
}

func (i *instances) Expire(ctx context.Context, now time.Time, limit int) ([]checkout.Session, error) {
	return i.next().Expire(ctx, now, limit)
}

func (i *instances) Events(ctx context.Context, after checkout.Cursor, limit int) ([]checkout.Event, error) {
	return i.next().Events(ctx, after, limit)
}

func (i *instances) History(ctx context.Context, account checkout.Account, id string) ([]checkout.Event, error) {
	return i.next().History(ctx, account, id)
}

func (i *instances) Prune(ctx context.Context, before time.Time, limit int) (int, error) {
	return i.next().Prune(ctx, before, limit)
}
