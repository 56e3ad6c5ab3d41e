package pgfault

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/faults/history"
)

// impatient is a caller that gives up every third create, begin, complete or sweep after some milliseconds, sometimes at once.
type impatient struct {
	history.Service
	calls atomic.Int64
}

func (s *impatient) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	n := s.calls.Add(1)
	if n%3 > 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, time.Duration(n%7)*2*time.Millisecond)
}

func (s *impatient) Create(ctx context.Context, p checkout.CreateParams) (checkout.Session, bool, error) {
	ctx, cancel := s.bound(ctx)
	defer cancel()
	return s.Service.Create(ctx, p)
}

func (s *impatient) Begin(ctx context.Context, account checkout.Account, id, paymentID string) (checkout.Session, error) {
	ctx, cancel := s.bound(ctx)
	defer cancel()
	return s.Service.Begin(ctx, account, id, paymentID)
}

func (s *impatient) Complete(ctx context.Context, account checkout.Account, id, paymentID string) (checkout.Session, error) {
	ctx, cancel := s.bound(ctx)
	defer cancel()
	return s.Service.Complete(ctx, account, id, paymentID)
}

func (s *impatient) ExpireDue(ctx context.Context, limit int) ([]checkout.Session, error) {
	ctx, cancel := s.bound(ctx)
	defer cancel()
	return s.Service.ExpireDue(ctx, limit)
}
