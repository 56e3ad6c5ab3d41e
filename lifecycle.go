package checkout

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// maxRetries bounds how often a transition reads the session again after another caller has changed it. The table of transitions has no
// cycle, so the bound is reached only if other callers begin a hundred payments meanwhile, or if a store has a bug.
const maxRetries = 100

// Begin records that the payer is being asked for a payment: the session becomes pending and gets the payment's identifier, at most 255
// code points. Call it before you ask the operator. If your program then crashes, you know under which identifier to ask the
// operator what became of the payment.
//
// On a pending session, another paymentID is a new attempt and replaces the earlier one. A card session starts pending and gets
// its payment this way. "" keeps the identifier that is there.
//
// Like every transition, Begin may be repeated: a call for the state that the session already has changes nothing and is no error. The
// error is
//   - a [*ValidationError] for a bad account or identifier, or if the session has had [MaxChanges] changes, its creation included,
//   - a [*TransitionError] if the table of transitions forbids it, as for a session that has ended,
//   - or it wraps [ErrNotFound], [ErrConflict] (other callers changed the session again and again), [ErrUnavailable],
//     [ErrOutcomeUnknown] or the context's error. After ErrUnavailable and ErrOutcomeUnknown, call again.
func (c *Checkouts) Begin(ctx context.Context, account Account, id, paymentID string) (Session, error) {
	return c.transition(ctx, account, id, StatusPending, change{
		check:   func(f *faults) { f.text("payment_id", paymentID, MaxIDLength) },
		apply:   func(s *Session, _ time.Time) { s.pay(paymentID) },
		again:   func(s *Session) (bool, error) { return s.pay(paymentID), nil },
		bounded: true,
	})
}

// Process records that the payer has agreed and the operator holds the money. From then on the clock does not expire the session, and
// nobody can cancel it.
//
// The paymentID says which attempt the operator's report is about. If the session has another payment, the error is a
// [*PaymentConflictError] and nothing changes: the report is about an attempt that was replaced. If the session has no payment
// yet, the call records this one. "" means the attempt that the session has; use it only if your operator names no payment. The
// other errors are those of [Checkouts.Begin].
func (c *Checkouts) Process(ctx context.Context, account Account, id, paymentID string) (Session, error) {
	return c.transition(ctx, account, id, StatusProcessing, change{
		check:   func(f *faults) { f.text("payment_id", paymentID, MaxIDLength) },
		attempt: paymentID,
		apply:   func(s *Session, _ time.Time) { s.pay(paymentID) },
		again:   func(s *Session) (bool, error) { return s.pay(paymentID), nil },
	})
}

// Complete records that the payment went through, and which payment it was; "" keeps the identifier that is there. It is accepted for any
// attempt, because the money has moved. A session that had expired, failed or been cancelled becomes completed too. It is then marked
// Late and keeps its FailureReason: deliver, or pay the money back.
//
// If the session was already completed by another payment, the error is a [*PaymentConflictError] and one of the two payments
// must be paid back. The error is the same if the session was completed without any identifier, because then nothing shows that the
// two calls are about one payment. The other errors are those of [Checkouts.Begin].
//
// A repeated call returns the session like the first one, since operators repeat their callbacks. So a host that delivers must itself
// remember, by the session's ID, that it has delivered. A unique index is enough for that:
//
//	session, err := checkouts.Complete(ctx, account, id, callback.PaymentID)
//	if err != nil {
//		return err // so that the operator repeats its callback
//	}
//	// INSERT INTO deliveries (session_id) VALUES ($1) ON CONFLICT DO NOTHING, and deliver if that wrote a row
//
// Before you call it, check that the callback is your operator's, and that its amount and currency are the session's.
func (c *Checkouts) Complete(ctx context.Context, account Account, id, paymentID string) (Session, error) {
	return c.transition(ctx, account, id, StatusCompleted, change{
		check: func(f *faults) { f.text("payment_id", paymentID, MaxIDLength) },
		apply: func(s *Session, now time.Time) {
			s.pay(paymentID)
			s.CompletedAt = now
		},
		again: func(s *Session) (bool, error) { return false, s.conflict(paymentID) },
	})
}

// Fail records that the payment was refused, and why: at most 1000 code points, or "" if the operator gave no reason. Merchants and payers
// see the reason, so do not put an operator's internals into it.
//
// The paymentID says which attempt was refused, as with [Checkouts.Process]. So the late refusal of one attempt cannot fail a
// session on which another attempt has begun. The errors are those of Process.
func (c *Checkouts) Fail(ctx context.Context, account Account, id, paymentID, reason string) (Session, error) {
	return c.transition(ctx, account, id, StatusFailed, change{
		check: func(f *faults) {
			f.text("payment_id", paymentID, MaxIDLength)
			f.text("failure_reason", reason, MaxReasonLength)
		},
		attempt: paymentID,
		apply: func(s *Session, _ time.Time) {
			s.pay(paymentID)
			s.FailureReason = reason
		},
	})
}

// Cancel ends a session that nobody has paid, for the merchant or the payer. A session that is processing cannot be cancelled, because
// the operator holds the money: the error is then a [*TransitionError]. A payer who was already asked may still confirm on the
// phone; the session then becomes completed, marked Late. The other errors are those of [Checkouts.Begin].
func (c *Checkouts) Cancel(ctx context.Context, account Account, id string) (Session, error) {
	return c.transition(ctx, account, id, StatusCancelled, change{})
}

// conflict returns a *PaymentConflictError if paymentID is not the session's payment.
func (s *Session) conflict(paymentID string) error {
	if paymentID == "" || paymentID == s.PaymentID {
		return nil
	}
	return &PaymentConflictError{SessionID: s.ID, Have: s.PaymentID, Got: paymentID}
}

// pay records a payment and reports whether that changed anything.
func (s *Session) pay(paymentID string) bool {
	if paymentID == "" || paymentID == s.PaymentID {
		return false
	}
	s.PaymentID = paymentID
	return true
}

// change is what a transition does besides setting the status. Each part may be left out.
type change struct {
	check   func(*faults)                   // adds the faults of the arguments
	attempt string                          // if the session has a payment, it must be this one; "": any
	apply   func(s *Session, now time.Time) // sets the fields that go with the new status
	again   func(*Session) (bool, error)    // called instead of apply if the status is the same already; reports whether it changed the session
	bounded bool                            // the transition is refused once the session has had MaxChanges changes
}

// transition moves a session along one edge of the table, by compare-and-swap on its version:
//
//	read the session -> decide -> write it, if its version is still the one that was read
//
// If another caller was faster, the decision may be wrong by now. So the session is read again and the decision made anew. No lock
// is held meanwhile, and a caller that crashes in between blocks nobody.
func (c *Checkouts) transition(ctx context.Context, account Account, id string, to Status, ch change) (Session, error) {
	var f faults
	f.account(account)
	if ch.check != nil {
		ch.check(&f)
	}
	if err := f.err(); err != nil {
		return Session{}, err
	}
	for range maxRetries {
		s, err := c.get(ctx, account, id)
		if err != nil {
			return Session{}, err
		}
		now := c.now()
		from := s.StatusAt(now)
		changed, err := s.move(from, to, now, ch)
		if err != nil {
			c.logConflict(ctx, s, to, err)
			return Session{}, err
		}
		if !changed {
			return s.at(now), nil
		}
		s.Version++
		s.UpdatedAt = now
		err = c.store.Update(ctx, s)
		if errors.Is(err, ErrConflict) {
			continue
		}
		if err != nil {
			return Session{}, fmt.Errorf("move session to %s: %w", to, err)
		}
		c.waits.wake(account, id)
		c.logMove(ctx, from, s)
		return s, nil
	}
	return Session{}, fmt.Errorf("move session to %s: %d attempts: %w", to, maxRetries, ErrConflict)
}

// move decides and applies one transition to a session in memory. from is its status now, which the clock may have changed since
// it was stored. The order of the checks matters: a call about another attempt is refused first, because it says nothing about the
// attempt that the session has now.
func (s *Session) move(from, to Status, now time.Time, ch change) (changed bool, err error) {
	if s.PaymentID != "" {
		if err := s.conflict(ch.attempt); err != nil {
			return false, err
		}
	}
	if from != to && !from.CanBecome(to) {
		return false, &TransitionError{From: from, To: to}
	}
	version := s.Version
	switch {
	case from != to:
		changed, s.Status = true, to
		s.Late = s.Late || from == StatusExpired || from == StatusCancelled || from == StatusFailed
		if ch.apply != nil {
			ch.apply(s, now)
		}
	case ch.again != nil:
		changed, err = ch.again(s)
	}
	if changed && ch.bounded && version >= MaxChanges {
		return false, errTooManyChanges
	}
	return changed, err
}

var errTooManyChanges = &ValidationError{Fields: []FieldError{{
	Field: "payment_id", Code: CodeOutOfRange, Detail: fmt.Sprintf("is refused: the session has had %d changes, its creation included", MaxChanges),
}}}

// logMove logs a transition. A late payment is a warning: somebody has to deliver it or pay it back.
func (c *Checkouts) logMove(ctx context.Context, from Status, s Session) {
	level, message := slog.LevelInfo, "checkout session moved"
	if s.Late {
		level, message = slog.LevelWarn, "payment came late"
	}
	if c.log.Enabled(ctx, level) {
		c.log.LogAttrs(ctx, level, message, slog.String("from", string(from)), slog.Any("session", s))
	}
}

// logConflict logs a call about a payment that is not the session's: as an error if both payments may have taken money, and
// otherwise as information about an attempt that was replaced.
func (c *Checkouts) logConflict(ctx context.Context, s Session, to Status, err error) {
	conflict, ok := errors.AsType[*PaymentConflictError](err)
	if !ok {
		return
	}
	level, message := slog.LevelInfo, "report about a payment that is not the checkout session's"
	if to == StatusCompleted {
		level, message = slog.LevelError, "two payments claim one checkout session"
	}
	c.log.LogAttrs(ctx, level, message,
		slog.String("have", conflict.Have), slog.String("got", conflict.Got), slog.Any("session", s))
}

// ExpireDue stores the expiry of up to limit sessions of any account, those that have been due for longest first, and returns
// them, so that the host can release what it had reserved. Call it once a minute with a limit of some hundreds, and repeat it at
// once as long as it returns that many. Any number of instances may call it at once: each session is returned to one of them.
//
// No payment depends on it, because every answer shows a session as expired from its ExpiresAt on. But events and webhooks report an
// expiry only after a sweep, and lists become slower while many sessions are due.
//
// The error is a [*ValidationError] for a limit below 1, or the store's. After [ErrOutcomeUnknown], some sessions may be stored as
// expired although no call ever returns them.
func (c *Checkouts) ExpireDue(ctx context.Context, limit int) ([]Session, error) {
	if err := atLeastOne(limit); err != nil {
		return nil, err
	}
	sessions, err := c.store.Expire(ctx, c.now(), limit)
	if err != nil {
		return nil, fmt.Errorf("expire sessions: %w", err)
	}
	for _, s := range sessions {
		c.waits.wake(s.Account, s.ID)
	}
	if len(sessions) > 0 {
		c.log.LogAttrs(ctx, slog.LevelInfo, "checkout sessions expired", slog.Int("count", len(sessions)))
	}
	return sessions, nil
}
