package main

import (
	"context"
	"errors"

	"github.com/caisse/checkout"
)

// Host takes payments for one account through one operator.
type Host struct {
	Checkouts *checkout.Checkouts
	Account   checkout.Account
	Operator  Gateway
	Books     Books
}

// Gateway is what the host asks of the operator.
type Gateway interface {
	// Ask has the operator ask the payer. The host chooses the payment's ID, so asking twice is asking once.
	Ask(ctx context.Context, p Payment) error
	// Lookup is what the operator last had to tell of a payment; ok is false where it has nothing to tell.
	Lookup(ctx context.Context, paymentID string) (e Event, ok bool, err error)
}

// Payment is what the operator is asked for.
type Payment struct {
	ID        string
	Reference string // comes back in every callback: the session's ID
	Phone     string // E.164, as it is dialled today
	Amount    int64  // in the smallest unit
	Currency  string
}

// Pay asks the payer for the money of a session, by a payment whose ID nobody used before. Called again with another ID
// it is another attempt, for a payer whom the first never reached.
//
// The session has the payment before the operator does. The other way round, a crash in between would leave a payment
// that no session knows of, and a callback could be there before Begin. After an error the same call may be made again.
func (h *Host) Pay(ctx context.Context, sessionID, paymentID string) error {
	s, err := h.Checkouts.Begin(ctx, h.Account, sessionID, paymentID)
	if err != nil {
		return err
	}
	return h.Operator.Ask(ctx, Payment{
		ID:        paymentID,
		Reference: s.ID,
		Phone:     s.Phone().Dialable,
		Amount:    s.Amount,
		Currency:  s.Currency,
	})
}

// Sweep makes expiry permanent and tells who waits. A session answers expired without it, so it may run rarely, and on
// several machines at once. ExpireDue returns each session once: what must be told for sure, come a crash, is found by
// List. Sweep returns how many sessions it moved: as many as limit means that there may be more.
func (h *Host) Sweep(ctx context.Context, limit int) (int, error) {
	expired, err := h.Checkouts.ExpireDue(ctx, limit)
	if err != nil {
		return 0, err
	}
	var errs []error
	for _, s := range expired {
		errs = append(errs, h.Books.GiveUp(ctx, s))
	}
	return len(expired), errors.Join(errs...)
}

// Reconcile asks the operator about the sessions that are processing. They never expire, since the operator holds the
// payer's money, so a callback that is lost for good would leave them waiting for ever. What the operator answers goes
// the way of every callback, and so should each line of the statement that operators send: it also tells of money that
// came for a session after it had expired.
func (h *Host) Reconcile(ctx context.Context) error {
	sessions, err := h.processing(ctx)
	errs := []error{err}
	for _, s := range sessions {
		event, ok, err := h.Operator.Lookup(ctx, s.PaymentID)
		if err == nil && ok {
			err = h.Apply(ctx, event)
		}
		errs = append(errs, err) // and on to the next: one payment that cannot be asked about holds up no other
	}
	return errors.Join(errs...)
}

// processing lists what is processing, page by page. A page begins where the one before ended, so a callback that comes meanwhile
// hides no session from it.
func (h *Host) processing(ctx context.Context) ([]checkout.Session, error) {
	var sessions []checkout.Session
	query := checkout.Query{Status: checkout.StatusProcessing, Limit: checkout.MaxListLimit}
	for {
		page, err := h.Checkouts.List(ctx, h.Account, query)
		if err != nil {
			return sessions, err
		}
		sessions = append(sessions, page.Sessions...)
		if !page.HasMore {
			return sessions, nil
		}
		query.Cursor = page.NextCursor
	}
}
