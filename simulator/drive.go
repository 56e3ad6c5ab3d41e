package simulator

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/caisse/checkout"
)

// apply brings what the operator told of a payment into its session. It is how a host handles a callback: nil says that the
// news is kept, or changes nothing, and the operator need not tell it again. After an error it tells it again, and that
// harms nothing, since every transition may be repeated.
//
// The payment's ID goes along with every call. So news of an attempt that another has replaced cannot move the session, save
// that it was paid: the money has moved, whatever else happened.
func (s *Simulator) apply(ctx context.Context, n News) error {
	var err error
	switch n.Outcome {
	case Held:
		// From now on the session does not expire: the operator has the money.
		_, err = s.checkouts.Process(ctx, n.Account, n.SessionID, n.PaymentID)
	case Paid:
		err = s.complete(ctx, n)
	case Refused:
		_, err = s.checkouts.Fail(ctx, n.Account, n.SessionID, n.PaymentID, n.Reason)
	}
	return s.settle(ctx, n, err)
}

func (s *Simulator) complete(ctx context.Context, n News) error {
	// Amount and currency of a session never change, so they can be looked at before.
	session, err := s.checkouts.Get(ctx, n.Account, n.SessionID)
	if err != nil {
		return err
	}
	if n.Amount != session.Amount || n.Currency != session.Currency {
		s.refund(ctx, n, fmt.Sprintf("paid %d %s, not %d %s", n.Amount, n.Currency, session.Amount, session.Currency))
		return nil
	}
	// This is where a host delivers, once for each session: Complete answers a repeated call as it did the first.
	_, err = s.checkouts.Complete(ctx, n.Account, n.SessionID, n.PaymentID)
	return err
}

// settle decides what an error of a transition means: whether the operator is to tell it again, and whether somebody has to
// look.
func (s *Simulator) settle(ctx context.Context, n News, err error) error {
	conflict, conflicts := errors.AsType[*checkout.PaymentConflictError](err)
	refusal, forbidden := errors.AsType[*checkout.TransitionError](err)
	switch {
	case err == nil:
		return nil
	case conflicts && n.Outcome == Paid:
		// Two attempts have taken money. The session keeps the first.
		s.refund(ctx, n, conflict.Have+" has paid already")
		return nil
	case conflicts:
		return nil // late news of an attempt that another has replaced
	case forbidden && n.Outcome == Refused && refusal.From == checkout.StatusCompleted:
		// The operator takes its confirmation back. Nothing is to be undone here: a person has to ask.
		s.log.WarnContext(ctx, "simulated payment was refused after it had paid", "session", n.SessionID, "payment", n.PaymentID)
		return nil
	case forbidden:
		return nil // told out of order, or after the session's end: what matters is what comes of the money
	case errors.Is(err, checkout.ErrNotFound):
		// Pruned. Telling it again finds no session either, and money that came is nobody's.
		if n.Outcome == Paid {
			s.refund(ctx, n, "there is no such session any more")
		}
		return nil
	}
	return fmt.Errorf("simulator: payment %s %s: %w", n.PaymentID, n.Outcome, err)
}

// askWhatBecame asks the operator about a payment until it has ended, since a callback may be lost for good. What the operator
// answers goes the way of every callback. It asks less and less often, until the session is over.
func (s *Simulator) askWhatBecame(p *payment, pause time.Duration) func(context.Context) error {
	return func(ctx context.Context) error {
		n, became := s.Lookup(p.id)
		if became {
			if err := s.apply(ctx, n); err != nil {
				return err
			}
			if n.Outcome != Held {
				return nil
			}
		}
		now := s.clock.Now()
		if !became && p.session.StatusAt(now) == checkout.StatusExpired {
			return nil // money that comes all the same is told by the operator
		}
		pause = min(2*pause, maxAskAfter)
		s.plan(now.Add(pause), s.askWhatBecame(p, pause))
		return nil
	}
}

// secondSuffix marks the second attempt of 07 and 08.
const secondSuffix = "-2"

// beginSecond is the host that asks the payer once more, under another payment ID, without waiting for what becomes of the
// first. The session has the payment before the operator does: the other way round, a crash in between would leave a payment
// that no session knows of.
func (s *Simulator) beginSecond(first *payment) func(context.Context) error {
	return func(ctx context.Context) error {
		session, err := s.checkouts.Begin(ctx, first.session.Account, first.session.ID, first.id+secondSuffix)
		if _, over := errors.AsType[*checkout.TransitionError](err); over || errors.Is(err, checkout.ErrNotFound) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("simulator: begin a second attempt: %w", err)
		}
		_, err = s.ask(session)
		return err
	}
}

// driveAll begins payments of an account's sessions that nobody has begun, and takes up those that an earlier run of the program
// has begun.
func (s *Simulator) driveAll(ctx context.Context, account checkout.Account, status checkout.Status) error {
	query := checkout.Query{Status: status, Limit: checkout.MaxListLimit}
	for {
		page, err := s.checkouts.List(ctx, account, query)
		if err != nil {
			return err
		}
		var errs []error
		for _, session := range page.Sessions {
			errs = append(errs, s.drive(ctx, session))
		}
		if err := errors.Join(errs...); err != nil || !page.HasMore {
			return err
		}
		query.Cursor = page.NextCursor
	}
}

func (s *Simulator) drive(ctx context.Context, session checkout.Session) error {
	if session.PaymentMethod != checkout.MobileMoney {
		return nil
	}
	id := drivenID(session)
	if session.Status == checkout.StatusPending {
		if session.PaymentID != id && session.PaymentID != id+secondSuffix {
			return nil // a payer's page has begun it
		}
		_, err := s.ask(session)
		return err
	}
	session, err := s.checkouts.Begin(ctx, session.Account, session.ID, id)
	if _, over := errors.AsType[*checkout.TransitionError](err); over || errors.Is(err, checkout.ErrNotFound) {
		return nil // somebody was quicker
	}
	if err != nil {
		return err
	}
	_, err = s.ask(session)
	return err
}

// drivenID is computed from the session, so that two processes that drive it begin one payment.
func drivenID(session checkout.Session) string {
	return "sim_" + session.ID[strings.LastIndexByte(session.ID, '_')+1:]
}
