package checkout

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// maxRetries bounds how often a transition reads again after it lost a race. Every loss is another caller's success,
// and the table has no cycle, so only payments that begin without end can get there, or a store that is at fault.
const maxRetries = 100

// Begin tells that a payment was asked of the payer: the session becomes pending and gets the payment's identifier. On
// a pending session another paymentID is a new attempt and replaces it; a card session, which starts pending, gets its
// payment this way. "" keeps what is there.
//
// Like every transition it is safe to repeat: what the session already is changes nothing and is no error. The error
// is a [*ValidationError], also where the session has had [MaxChanges] changes, a [*TransitionError] where the table of
// transitions forbids it, or wraps [ErrNotFound], [ErrConflict] (changed by others without end), [ErrUnavailable],
// [ErrOutcomeUnknown] or the context's own error.
func (c *Checkouts) Begin(ctx context.Context, account Account, id, paymentID string) (Session, error) {
	return c.transition(ctx, account, id, StatusPending, change{
		check:   func(f *faults) { f.text("payment_id", paymentID, MaxIDLength) },
		apply:   func(s *Session, _ time.Time) { s.pay(paymentID) },
		again:   func(s *Session) (bool, error) { return s.pay(paymentID), nil },
		bounded: true,
	})
}

// Process tells that the payer agreed to the payment and the operator holds the money. From then on the session never
// expires by the clock.
//
// A paymentID binds the call to that attempt. Where the session has another payment the call is a
// [*PaymentConflictError] and changes nothing; where it has none yet, the call records this one. "" binds it to no
// attempt. Other errors are those of [Checkouts.Begin].
func (c *Checkouts) Process(ctx context.Context, account Account, id, paymentID string) (Session, error) {
	return c.transition(ctx, account, id, StatusProcessing, change{
		check:   func(f *faults) { f.text("payment_id", paymentID, MaxIDLength) },
		attempt: paymentID,
		apply:   func(s *Session, _ time.Time) { s.pay(paymentID) },
		again:   func(s *Session) (bool, error) { return s.pay(paymentID), nil },
	})
}

// Complete tells that the payment went through, and records the payment that paid; "" keeps what is there. It is taken from
// any attempt, since the money has moved: a session that had expired, failed or been cancelled becomes completed too,
// marked Late, and keeps its FailureReason.
//
// Completing once more by another payment is a [*PaymentConflictError], also where the first call named none, since nothing
// then shows that the two are one; other errors are those of [Checkouts.Begin]. A repeated call answers as
// the first did, so what the host does once for a payment, such as to deliver, it must itself do once per session.
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

// Fail tells that the payment was refused, and why: at most 1000 code points, "" where nobody said.
//
// A paymentID binds the call to that attempt, as with [Checkouts.Process]: the late refusal of one attempt cannot fail a
// session on which another has begun. Errors are those of Process.
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

// Cancel calls the session off. Errors are those of [Checkouts.Begin].
func (c *Checkouts) Cancel(ctx context.Context, account Account, id string) (Session, error) {
	return c.transition(ctx, account, id, StatusCancelled, change{})
}

// conflict is the error of a payment that is not the session's.
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

// change is what a transition does beside moving the status. Each part may be nil.
type change struct {
	check   func(*faults)                   // refuses what was given
	attempt string                          // the payment that a session with a payment must have; "": any
	apply   func(s *Session, now time.Time) // on the way to the new status
	again   func(*Session) (bool, error)    // on a session that has the status already; reports whether it changed
	bounded bool                            // refused once the session has had MaxChanges changes
}

// transition moves a session along one edge of the table by compare-and-swap on its version.
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
	Field: "payment_id", Code: CodeOutOfRange, Detail: fmt.Sprintf("comes after %d changes of the session, and no attempt may", MaxChanges),
}}}

func (c *Checkouts) logMove(ctx context.Context, from Status, s Session) {
	level, message := slog.LevelInfo, "checkout session moved"
	if s.Late {
		level, message = slog.LevelWarn, "payment came late"
	}
	if c.log.Enabled(ctx, level) {
		c.log.LogAttrs(ctx, level, message, slog.String("from", string(from)), slog.Any("session", s))
	}
}

// logConflict tells of a payment that is not the session's: an error where both may have taken money, else only that an
// attempt that was replaced has been heard of again.
func (c *Checkouts) logConflict(ctx context.Context, s Session, to Status, err error) {
	conflict, ok := errors.AsType[*PaymentConflictError](err)
	if !ok {
		return
	}
	level, message := slog.LevelInfo, "news of another payment than the checkout session's"
	if to == StatusCompleted {
		level, message = slog.LevelError, "two payments claim one checkout session"
	}
	c.log.LogAttrs(ctx, level, message,
		slog.String("have", conflict.Have), slog.String("got", conflict.Got), slog.Any("session", s))
}

// ExpireDue makes permanent what the clock has decided: it moves up to limit sessions of any account that are due to
// expired and returns them, the longest due first, so that the host can tell whoever waits. Nothing depends on it being
// called: a session answers expired from its instant on. Any number of instances may sweep at once; each session is
// returned to one of them. limit is 1 or more; once a minute with a few hundred is plenty.
//
// The error is a [*ValidationError] for the limit, or is the store's. After [ErrOutcomeUnknown] sessions may have been
// moved that no sweep will return again.
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
