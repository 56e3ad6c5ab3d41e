package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/caisse/checkout"
)

// Apply applies the operator's news to the session, and writes to the books what a session cannot store. nil means that the news is
// stored or changes nothing. After an error the operator has to repeat it.
//
// Operators repeat their news, are late, and report things out of order. The lifecycle can handle all of that: it is no error to report
// the status that a session has already, and the table of transitions refuses a change that is no longer possible. So Apply only has to
// decide what each refusal means, and whether a person has to look at it.
func (h *Host) Apply(ctx context.Context, e Event) error {
	s, err := h.Checkouts.Get(ctx, h.Account, e.Reference)
	if errors.Is(err, checkout.ErrNotFound) {
		// Pay names only existing sessions to the operator. So the session was pruned, and it would not help if the operator repeated the news.
		return h.Books.Note(ctx, note(e, "there is no such session"))
	}
	if err != nil {
		return err
	}
	switch e.Outcome {
	case Held:
		return h.held(ctx, s, e)
	case Paid:
		return h.paid(ctx, s, e)
	default:
		return h.refused(ctx, s, e)
	}
}

// paid completes the session. It does so for any of its payments, and from any status.
func (h *Host) paid(ctx context.Context, s checkout.Session, e Event) error {
	if e.Amount != s.Amount || e.Currency != s.Currency {
		// The amount and currency of a session never change, so they can be checked before Complete.
		return h.Books.Note(ctx, note(e, fmt.Sprintf("paid %d %s instead of %d %s", e.Amount, e.Currency, s.Amount, s.Currency)))
	}
	s, err := h.Checkouts.Complete(ctx, h.Account, s.ID, e.PaymentID)
	if conflict, ok := errors.AsType[*checkout.PaymentConflictError](err); ok {
		return h.Books.Note(ctx, note(e, "refund: "+conflict.Have+" has paid already"))
	}
	if err != nil {
		return err
	}
	if s.Late {
		// The payer was told that the session had ended, and may have paid in another way.
		return h.Books.Note(ctx, note(e, "came late: deliver or refund"))
	}
	// The session is completed now, and a crash may come before the goods are delivered. So the operator's second call must come here too:
	// Complete returns the same session again, and Deliver delivers only once.
	return h.Books.Deliver(ctx, s)
}

// held keeps the session from expiring.
func (h *Host) held(ctx context.Context, s checkout.Session, e Event) error {
	_, err := h.Checkouts.Process(ctx, h.Account, s.ID, e.PaymentID)
	return unlessOver(err)
}

// refused fails the session, unless another payment has begun meanwhile: Fail applies only to the payment that it names.
func (h *Host) refused(ctx context.Context, s checkout.Session, e Event) error {
	_, err := h.Checkouts.Fail(ctx, h.Account, s.ID, e.PaymentID, cut(e.Reason, checkout.MaxReasonLength))
	refused, ok := errors.AsType[*checkout.TransitionError](err)
	if ok && refused.From == checkout.StatusCompleted {
		return h.Books.Note(ctx, note(e, "refused after it had paid: ask the operator"))
	}
	return unlessOver(err)
}

// unlessOver drops the error of news that no longer matters: about an attempt that was replaced, out of order, or after the session
// has ended. Only news about money matters then.
func unlessOver(err error) error {
	if _, ok := errors.AsType[*checkout.PaymentConflictError](err); ok {
		return nil
	}
	if _, ok := errors.AsType[*checkout.TransitionError](err); ok {
		return nil
	}
	return err
}

// cut shortens an operator's text to what Fail accepts, so that no callback is lost because of a long text.
func cut(s string, limit int) string {
	var kept []rune
	for _, r := range s {
		if r == 0 {
			continue
		}
		if len(kept) == limit {
			break
		}
		kept = append(kept, r)
	}
	return string(kept)
}

func note(e Event, text string) Note {
	return Note{SessionID: e.Reference, PaymentID: e.PaymentID, Text: text}
}
