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
	// Ask makes the operator ask the payer. The host chooses the payment's ID, so asking twice is the same as asking once.
	Ask(ctx context.Context, p Payment) error
	// Lookup returns the operator's last news about a payment. ok is false if there is none.
	Lookup(ctx context.Context, paymentID string) (e Event, ok bool, err error)
}

// Payment is a request to the operator.
type Payment struct {
	ID        string
	Reference string // comes back in every callback: the session's ID
	Phone     string // E.164, as it is dialled today
	Amount    int64  // in the smallest unit
	Currency  string
}

// Pay asks the payer for the money of a session, with a payment ID that was not used before. A call with another ID
// begins another attempt, for a payer whom the first attempt did not reach.
//
// It records the payment in the session before it asks the operator. Otherwise a crash in between would leave a payment that no
// session has, and a callback could come before Begin. After an error the same call may be repeated.
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

// Sweep stores expiries and tells the payers. A session is shown as expired without it, so it may run rarely, and on several machines at
// once. ExpireDue returns each session only once. So after a crash, list the expired sessions to find payers who were not told. Sweep
// returns how many sessions it expired. If that is limit, there may be more.
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

// Reconcile asks the operator about the sessions that are processing. They never expire, because the operator holds the payer's
// money. So if a callback is lost for good, they would wait for ever. The answer is handled like a callback. Operators also send
// statements. Handle each line of a statement in the same way: it also has money that came for a session after it had expired.
func (h *Host) Reconcile(ctx context.Context) error {
	sessions, err := h.processing(ctx)
	errs := []error{err}
	for _, s := range sessions {
		event, ok, err := h.Operator.Lookup(ctx, s.PaymentID)
		if err == nil && ok {
			err = h.Apply(ctx, event)
		}
		errs = append(errs, err) // go on: an error about one payment must not delay the others
	}
	return errors.Join(errs...)
}

// processing lists the sessions that are processing, by cursor. So it misses none if a callback changes another session meanwhile.
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
