package controls

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/faults/history"
	"github.com/caisse/checkout/faults/lossy"
	"github.com/caisse/checkout/idempotency"
)

func outcomeBugs() []Bug {
	failing := func(nth int, fail func(func() error) error) func(testing.TB) checkout.Store {
		return func(testing.TB) checkout.Store { return &wrong{shelf: newShelf(), nth: nth, fail: fail} }
	}
	return []Bug{
		{Name: "acknowledges before it commits", By: []Detector{Rules, Order},
			Store: func(testing.TB) checkout.Store { return &early{shelf: newShelf(), disk: newShelf()} },
			Crash: func(s checkout.Store) checkout.Store { return s.(*early).disk }},
		{Name: "writes a row and its key in two steps", By: []Detector{Rules, Order},
			Store: func(testing.TB) checkout.Store { return &inTwo{shelf: newShelf()} },
			Crash: func(s checkout.Store) checkout.Store { return s.(*inTwo).crash() }},
		{Name: "a definite error for a write that happened", By: []Detector{Rules, Order, Model, StoreTest}, Faulty: true,
			Store: failing(9, says(checkout.ErrUnavailable))},
		{Name: "a write that was not made is reported as a success", By: []Detector{Rules, Order, Model, StoreTest},
			Store: failing(9, func(func() error) error { return nil })},
		{Name: "a conflict is reported for a write that happened", By: []Detector{Rules, Order, Model, StoreTest}, Faulty: true,
			Store: failing(9, says(checkout.ErrConflict))},
		{Name: "a panic of the store reaches the caller", By: []Detector{Rules, Model}, Panics: true,
			Store: failing(9, func(func() error) error { panic("a nil map") })},
	}
}

func serviceBugs() []Bug {
	sound := func(testing.TB) checkout.Store { return newShelf() }
	return []Bug{
		{Name: "a caller retries with a fresh key", By: []Detector{Rules}, Store: sound,
			Caller: func(s history.Service) history.Service { return freshKeys{s} },
			Odds:   lossy.Odds{Lost: 10, Dropped: 5}},
		{Name: "the host's limits are asked before the key", By: []Detector{Model}, Store: sound,
			Service: func(s history.Service) history.Service { return &limitsFirst{Service: s} }},
		{Name: "a replay is answered with another fee", By: []Detector{Rules, Model}, Store: sound,
			Service: func(s history.Service) history.Service { return otherFee{s} }},
		{Name: "a replay is answered as it was created", By: []Detector{Rules, Order, Model}, Store: sound,
			Service: func(s history.Service) history.Service { return asCreated{s} }},
		{Name: "the case of a UUID makes another key", By: []Detector{Model}, Store: sound,
			Service: func(s history.Service) history.Service { return caseOfKeys{s} }},
		{Name: "a cancelled session that is paid stays cancelled", By: []Detector{Rules, Order, Model}, Store: sound,
			Service: func(s history.Service) history.Service { return unpaid{s} }},
	}
}

// freshKeys is a client that retries under a new key, and so asks for a second session.
type freshKeys struct{ history.Service }

func (f freshKeys) Create(ctx context.Context, p checkout.CreateParams) (checkout.Session, bool, error) {
	session, replayed, err := f.Service.Create(ctx, p)
	if errors.Is(err, checkout.ErrOutcomeUnknown) {
		p.IdempotencyKey = idempotency.Key(uuid.NewString())
		return f.Service.Create(ctx, p)
	}
	return session, replayed, err
}

// limitsFirst checks the host's limits before the key, and so refuses to replay what was accepted under other limits.
type limitsFirst struct{ history.Service }

func (l *limitsFirst) Create(ctx context.Context, p checkout.CreateParams) (checkout.Session, bool, error) {
	session, replayed, err := l.Service.Create(ctx, p)
	if err == nil && replayed && p.Amount > 5000 {
		return checkout.Session{}, false, &checkout.ValidationError{Fields: []checkout.FieldError{
			{Field: "amount", Code: checkout.CodeOutOfRange, Detail: "must be at most 5000"},
		}}
	}
	return session, replayed, err
}

// otherFee computes the fee again for each answer.
type otherFee struct{ history.Service }

func (o otherFee) Create(ctx context.Context, p checkout.CreateParams) (checkout.Session, bool, error) {
	session, replayed, err := o.Service.Create(ctx, p)
	if replayed {
		session.TransactionFee++
	}
	return session, replayed, err
}

// asCreated answers a replay with the status and version of the first answer, as a cache of answers does.
type asCreated struct{ history.Service }

func (a asCreated) Create(ctx context.Context, p checkout.CreateParams) (checkout.Session, bool, error) {
	session, replayed, err := a.Service.Create(ctx, p)
	if replayed {
		session.Status, session.Version, session.Late = checkout.StatusCreated, 1, false
	}
	return session, replayed, err
}

// caseOfKeys treats UUIDs that differ only in case as different keys.
type caseOfKeys struct{ history.Service }

func (c caseOfKeys) Create(ctx context.Context, p checkout.CreateParams) (checkout.Session, bool, error) {
	if key := string(p.IdempotencyKey); len(key) == 36 && strings.ToLower(key) != key {
		p.IdempotencyKey = idempotency.Key(fmt.Sprintf("spelled-%s", key))
	}
	return c.Service.Create(ctx, p)
}

// unpaid keeps a cancelled session cancelled although it was paid.
type unpaid struct{ history.Service }

func (u unpaid) Complete(ctx context.Context, account checkout.Account, id, paymentID string) (checkout.Session, error) {
	if s, err := u.Get(ctx, account, id); err == nil && s.Status == checkout.StatusCancelled {
		return checkout.Session{}, &checkout.TransitionError{From: checkout.StatusCancelled, To: checkout.StatusCompleted}
	}
	return u.Service.Complete(ctx, account, id, paymentID)
}
