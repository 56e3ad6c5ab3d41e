package simulator

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/caisse/checkout"
)

// apply applies the operator's news about a payment to its session. It is what a host does in a callback. nil means that the news
// was stored or changes nothing, so the operator need not repeat it. After an error the operator repeats it. That does no harm,
// since every transition may be repeated.
//
// Every call names the payment. So news about an attempt that was replaced cannot change the session, unless that attempt was paid: then
// money has moved.
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
	// The amount and currency of a session never change, so they can be checked first.
	session, err := s.checkouts.Get(ctx, n.Account, n.SessionID)
	if err != nil {
		return err
	}
	if n.Amount != session.Amount || n.Currency != session.Currency {
		s.refund(ctx, n, fmt.Sprintf("paid %d %s, not %d %s", n.Amount, n.Currency, session.Amount, session.Currency))
		return nil
	}
	// After Complete a host delivers, but only once for each session: Complete answers a repeated call like the first one.
	_, err = s.checkouts.Complete(ctx, n.Account, n.SessionID, n.PaymentID)
	return err
}

// settle decides what an error of a transition means: whether the operator should repeat its news, and whether a person has to look at it.
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
		return nil // the news is about an attempt that was replaced
	case forbidden && n.Outcome == Refused && refusal.From == checkout.StatusCompleted:
		// The operator withdraws a confirmation. Nothing can be undone here; a person has to ask.
		s.log.WarnContext(ctx, "simulated payment was refused after it had paid", "session", n.SessionID, "payment", n.PaymentID)
		return nil
	case forbidden:
		return nil // Held or Refused came out of order, or after the session had ended; only Paid would need an action
	case errors.Is(err, checkout.ErrNotFound):
		// The session was pruned. It does not help to repeat the news, and a person has to find out whose money it is.
		if n.Outcome == Paid {
			s.refund(ctx, n, "there is no such session any more")
		}
		return nil
	}
	return fmt.Errorf("simulator: payment %s %s: %w", n.PaymentID, n.Outcome, err)
}

// askWhatBecame asks the operator for the outcome of a payment, because a callback may be lost for good. The operator's answer is
// handled like a callback. askWhatBecame asks at growing intervals, until the payment has ended, or the session has expired without
// an answer of the payer.
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
			return nil // if money comes later, the operator reports it
		}
		pause = min(2*pause, maxAskAfter)
		s.plan(now.Add(pause), s.askWhatBecame(p, pause))
		return nil
	}
}

// secondSuffix marks the second attempt of 07 and 08.
const secondSuffix = "-2"

// beginSecond asks the payer again with another payment ID, without waiting for the outcome of the first. It records the payment in the
// session before it asks the operator. Otherwise a crash in between would leave a payment that no session has.
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

// driveAll begins payments for an account's sessions of a status that have none, and continues payments of an earlier run of the program.
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
			return nil // a payer's page has begun a payment
		}
		_, err := s.ask(session)
		return err
	}
	session, err := s.checkouts.Begin(ctx, session.Account, session.ID, id)
	if _, over := errors.AsType[*checkout.TransitionError](err); over || errors.Is(err, checkout.ErrNotFound) {
		return nil // another process was faster
	}
	if err != nil {
		return err
	}
	_, err = s.ask(session)
	return err
}

// drivenID returns a payment ID that is computed from the session. So two processes that drive it begin the same payment.
func drivenID(session checkout.Session) string {
	return "sim_" + session.ID[strings.LastIndexByte(session.ID, '_')+1:]
}
