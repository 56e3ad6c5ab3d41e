package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/caisse/checkout"
)

// Apply brings what the operator told into the session, and into the books what a session cannot hold. nil says that it
// is kept, or that it changes nothing; after an error the operator has to tell it again.
//
// Operators tell things twice, late and out of order. The lifecycle takes all of that: a state that the session has
// already is no error, and the table of transitions refuses what came too late. What is left to decide here is what
// each refusal means, and whether somebody has to look.
func (h *Host) Apply(ctx context.Context, e Event) error {
	s, err := h.Checkouts.Get(ctx, h.Account, e.Reference)
	if errors.Is(err, checkout.ErrNotFound) {
		// Pay tells the operator only of sessions that are there, so telling it again finds none either.
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

// paid completes the session, whichever of its payments it was that paid and whatever had become of the session.
func (h *Host) paid(ctx context.Context, s checkout.Session, e Event) error {
	if e.Amount != s.Amount || e.Currency != s.Currency {
		// Amount and currency of a session never change, so this can be asked before Complete.
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
		// The payer was told that the session had ended, and may have paid elsewhere.
		return h.Books.Note(ctx, note(e, "came late: deliver or refund"))
	}
	// From here the session says completed, and a crash may come before the goods have left. So the operator's second
	// call must get here too: Complete does not tell it from the first, and it is Deliver that happens once.
	return h.Books.Deliver(ctx, s)
}

// held keeps the session from expiring.
func (h *Host) held(ctx context.Context, s checkout.Session, e Event) error {
	_, err := h.Checkouts.Process(ctx, h.Account, s.ID, e.PaymentID)
	return unlessOver(err)
}

// refused fails the session, unless the payer is being asked once more already: Fail speaks of the payment that it names.
func (h *Host) refused(ctx context.Context, s checkout.Session, e Event) error {
	_, err := h.Checkouts.Fail(ctx, h.Account, s.ID, e.PaymentID, cut(e.Reason, checkout.MaxReasonLength))
	refused, ok := errors.AsType[*checkout.TransitionError](err)
	if ok && refused.From == checkout.StatusCompleted {
		return h.Books.Note(ctx, note(e, "refused after it had paid: ask the operator"))
	}
	return unlessOver(err)
}

// unlessOver drops the error of news that no longer matters: of an attempt that another has replaced, or told out of
// order, or after the session's end. What matters is what comes of the money.
func unlessOver(err error) error {
	if _, ok := errors.AsType[*checkout.PaymentConflictError](err); ok {
		return nil
	}
	if _, ok := errors.AsType[*checkout.TransitionError](err); ok {
		return nil
	}
	return err
}

// cut keeps an operator's text within what Fail accepts, so that a long one is no reason to lose a callback.
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
