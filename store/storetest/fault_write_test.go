package storetest_test

import (
	"context"
	"time"

	"github.com/caisse/checkout"
)

var updateFaults = []fault{
	{"acknowledges an update that it did not write", "replaces a session with its next version",
		part(func(n *naive) {
			n.replaced = func(was, _ checkout.Session) checkout.Session { return was }
		})},
	{"updates every session of the account", "replaces a session with its next version",
		func(n *naive) checkout.Store { return updatesAll{n} }},
	{"ignores the version", "refuses every version except the next",
		follows(func(was, s checkout.Session) bool { return true })},
	{"accepts any later version", "refuses every version except the next",
		follows(func(was, s checkout.Session) bool { return s.Version > was.Version })},
	{"accepts the same version again", "refuses every version except the next",
		follows(func(was, s checkout.Session) bool { return s.Version == was.Version || s.Version == was.Version+1 })},
	{"keeps versions in 32 bits", "refuses every version except the next",
		follows(func(was, s checkout.Session) bool { return int32(s.Version) == int32(was.Version)+1 })},
	{"returns ErrNotFound instead of ErrConflict", "refuses every version except the next",
		part(func(n *naive) { n.conflict = checkout.ErrNotFound })},
	{"drops an update with a wrong version without an error", "refuses every version except the next",
		part(func(n *naive) { n.conflict = nil })},
}

// follows makes a fault: follows decides which version may replace another.
func follows(follows func(was, s checkout.Session) bool) func(*naive) checkout.Store {
	return part(func(n *naive) { n.follows = follows })
}

// updatesAll writes the status and the version to every session of the account.
type updatesAll struct{ *naive }

func (u updatesAll) Update(ctx context.Context, s checkout.Session) error {
	err := u.naive.Update(ctx, s)
	for i, held := range u.sessions {
		if err == nil && held.ID != s.ID && held.Account == s.Account {
			u.sessions[i].Status, u.sessions[i].Version = s.Status, s.Version
		}
	}
	return err
}

var expireFaults = []fault{
	{"never expires", "expires only sessions that wait for the payer", waits()},
	{"does not expire a pending session", "expires only sessions that wait for the payer",
		waits(checkout.StatusCreated)},
	{"expires a processing session", "expires only sessions that wait for the payer",
		waits(checkout.StatusCreated, checkout.StatusPending, checkout.StatusProcessing)},
	{"expires a cancelled session", "expires only sessions that wait for the payer",
		waits(checkout.StatusCreated, checkout.StatusPending, checkout.StatusCancelled)},
	{"expires too late", "expires a session exactly at ExpiresAt",
		due(func(s checkout.Session, now time.Time) bool {
			return s.ExpiresAt.Before(now)
		})},
	{"expires too early", "expires a session exactly at ExpiresAt",
		due(func(s checkout.Session, now time.Time) bool { return !s.ExpiresAt.After(now.Add(time.Microsecond)) })},
	{"rounds the instant of a sweep", "expires a session exactly at ExpiresAt",
		due(func(s checkout.Session, now time.Time) bool {
			return !s.ExpiresAt.After(now.Round(10 * time.Microsecond))
		})},
	{"sweeps by whole seconds", "expires a session exactly at ExpiresAt",
		due(func(s checkout.Session, now time.Time) bool { return s.ExpiresAt.Unix() <= now.Unix() })},
	{"returns expired sessions as they were before", "returns sessions as they are after expiry",
		func(n *naive) checkout.Store { return returnsBefore{n} }},
	{"expires a session without a new version", "gives an expired session a new version",
		part(func(n *naive) {
			n.expired = func(s checkout.Session) checkout.Session {
				s.Status, s.UpdatedAt = checkout.StatusExpired, s.ExpiresAt
				return s
			}
		})},
	{"expires more than the limit", "expires the sessions that have been due longest first, up to the limit",
		most(func(due, _ int) int { return due })},
	{"expires the sessions that became due last first", "expires the sessions that have been due longest first, up to the limit",
		sooner(func(a, b checkout.Session) int { return b.ExpiresAt.Compare(a.ExpiresAt) })},
	{"expires the oldest first", "expires the sessions that have been due longest first, up to the limit",
		sooner(func(a, b checkout.Session) int { return a.CreatedAt.Compare(b.CreatedAt) })},
	{"expires equal instants in the order of creation", "expires sessions of one instant by id",
		sooner(func(a, b checkout.Session) int { return a.ExpiresAt.Compare(b.ExpiresAt) })},
	{"expires a session that has already expired", "expires a session once",
		waits(checkout.StatusCreated, checkout.StatusPending, checkout.StatusExpired)},
	{"sweeps only live sessions", "expires every account's sessions, test and live",
		part(func(n *naive) {
			right := n.waits
			n.waits = func(s checkout.Session) bool { return right(s) && !s.Account.Test }
		})},
	{"sweeps by the first status of a session", "expires by the values after an update",
		part(func(n *naive) {
			n.waits = func(s checkout.Session) bool { return s.CompletedAt.IsZero() && s.Version == 1 }
		})},
	{"dates an expiry by the sweep, not by expires_at", "returns sessions as they are after expiry",
		part(func(n *naive) {
			right := n.expired
			n.expired = func(s checkout.Session) checkout.Session {
				s = right(s)
				s.UpdatedAt = s.ExpiresAt.Add(time.Hour)
				return s
			}
		})},
	{"returns the slice of sessions that it keeps", "shares no memory of expired sessions with its callers",
		func(n *naive) checkout.Store { return handsOutAll{n} }},
	{"returns the metadata map that it keeps of an expired session", "shares no memory of expired sessions with its callers",
		func(n *naive) checkout.Store { return handsOutMetadata{n} }},
	{"expires a session without a new time of change", "returns sessions as they are after expiry",
		part(func(n *naive) {
			n.expired = func(s checkout.Session) checkout.Session {
				s.Status = checkout.StatusExpired
				s.Version++
				return s
			}
		})},
}

// waits makes a fault: only sessions with these statuses wait for the payer.
func waits(statuses ...checkout.Status) func(*naive) checkout.Store {
	return part(func(n *naive) {
		n.waits = func(s checkout.Session) bool {
			for _, status := range statuses {
				if s.Status == status {
					return true
				}
			}
			return false
		}
	})
}

// due makes a fault: due decides which sessions are due.
func due(due func(s checkout.Session, now time.Time) bool) func(*naive) checkout.Store {
	return part(func(n *naive) { n.due = due })
}

// most makes a fault: most decides how many sessions a sweep expires.
func most(most func(due, limit int) int) func(*naive) checkout.Store {
	return part(func(n *naive) { n.most = most })
}

// sooner makes a fault: sweeps are in this order.
func sooner(order func(a, b checkout.Session) int) func(*naive) checkout.Store {
	return part(func(n *naive) { n.sooner = order })
}

// returnsBefore returns the sessions that it read, not those that it wrote.
type returnsBefore struct{ *naive }

func (r returnsBefore) Expire(ctx context.Context, now time.Time, limit int) ([]checkout.Session, error) {
	before := r.dueAt(now)
	moved, err := r.naive.Expire(ctx, now, limit)
	return before[:len(moved)], err
}

// handsOutAll returns its own slice if a sweep has expired every session.
type handsOutAll struct{ *naive }

func (h handsOutAll) Expire(ctx context.Context, now time.Time, limit int) ([]checkout.Session, error) {
	moved, err := h.naive.Expire(ctx, now, limit)
	if len(moved) == len(h.sessions) {
		return h.sessions, err
	}
	return moved, err
}

// handsOutMetadata returns copies of sessions, but with its own metadata maps.
type handsOutMetadata struct{ *naive }

func (h handsOutMetadata) Expire(ctx context.Context, now time.Time, limit int) ([]checkout.Session, error) {
	moved, err := h.naive.Expire(ctx, now, limit)
	for i := range moved {
		for _, s := range h.sessions {
			if s.ID == moved[i].ID {
				moved[i].Metadata = s.Metadata
			}
		}
	}
	return moved, err
}

var contextFaults = []fault{
	{"ignores the context", "refuses a context that has ended, and writes nothing",
		part(func(n *naive) { n.over = func(context.Context) error { return nil } })},
	{"returns ErrUnavailable for a context that has ended", "refuses a context that has ended, and writes nothing",
		part(func(n *naive) {
			n.over = func(ctx context.Context) error {
				if ctx.Err() != nil {
					return checkout.ErrUnavailable
				}
				return nil
			}
		})},
	{"returns Canceled for every context that has ended", "refuses a context that has ended, and writes nothing",
		part(func(n *naive) {
			n.over = func(ctx context.Context) error {
				if ctx.Err() != nil {
					return context.Canceled
				}
				return nil
			}
		})},
	{"returns the context's error after it has created", "creates nothing if it returns an error, unless the outcome is unknown",
		looksAfterwards},
	{"returns the context's error after it has updated", "updates nothing if it returns an error, unless the outcome is unknown",
		looksAfterwards},
	{"returns the context's error after it has expired", "expires nothing if it returns an error, unless the outcome is unknown",
		looksAfterwards},
	{"returns the context's error after it has pruned", "prunes nothing if it returns an error, unless the outcome is unknown",
		looksAfterwards},
	{"gives up a prune without an error", "prunes nothing if it returns an error, unless the outcome is unknown",
		func(n *naive) checkout.Store { return silentStop{n} }},
	{"logs an update that it gives up", "updates nothing if it returns an error, unless the outcome is unknown",
		func(n *naive) checkout.Store { return logsGivenUp{n} }},
	{"logs an expiry that it gives up", "expires nothing if it returns an error, unless the outcome is unknown",
		func(n *naive) checkout.Store { return logsGivenUp{n} }},
	{"prunes the events when it gives up a prune", "prunes nothing if it returns an error, unless the outcome is unknown",
		func(n *naive) checkout.Store { return prunesEvents{n} }},
	{"gives up a create without an error", "creates nothing if it returns an error, unless the outcome is unknown",
		func(n *naive) checkout.Store { return silentStop{n} }},
	{"gives up a sweep without an error", "expires nothing if it returns an error, unless the outcome is unknown",
		func(n *naive) checkout.Store { return silentStop{n} }},
	{"gives up an update without an error", "updates nothing if it returns an error, unless the outcome is unknown",
		func(n *naive) checkout.Store { return silentStop{n} }},
}

// looksAfterwards returns a definite error for a change that it has written: the context's error, looked up after the write.
var looksAfterwards = part(func(n *naive) { n.afterwards = context.Context.Err })

// silentStop gives up a call when the context has ended, and reports success.
type silentStop struct{ *naive }

func (s silentStop) Create(ctx context.Context, session checkout.Session) (checkout.Session, bool, error) {
	if ctx.Err() != nil {
		return session, true, nil
	}
	return s.naive.Create(ctx, session)
}

func (s silentStop) Update(ctx context.Context, session checkout.Session) error {
	if ctx.Err() != nil {
		return nil
	}
	return s.naive.Update(ctx, session)
}

func (s silentStop) Expire(ctx context.Context, now time.Time, limit int) ([]checkout.Session, error) {
	if ctx.Err() != nil {
		return nil, nil
	}
	return s.naive.Expire(ctx, now, limit)
}

func (s silentStop) Prune(ctx context.Context, before time.Time, limit int) (int, error) {
	if ctx.Err() != nil {
		return 0, nil
	}
	return s.naive.Prune(ctx, before, limit)
}

// logsGivenUp leaves the event of a change in the log although the context ended before the change was made. A store does so if it
// appends the event first, and does not undo that.
type logsGivenUp struct{ *naive }

func (l logsGivenUp) Update(ctx context.Context, s checkout.Session) error {
	err := l.naive.Update(ctx, s)
	if ctx.Err() != nil && err != nil {
		l.naive.append(s)
	}
	return err
}

func (l logsGivenUp) Expire(ctx context.Context, now time.Time, limit int) ([]checkout.Session, error) {
	moved, err := l.naive.Expire(ctx, now, limit)
	if ctx.Err() != nil && err != nil {
		for _, s := range l.dueAt(now) {
			l.naive.append(l.expired(s))
		}
	}
	return moved, err
}

// prunesEvents removes the events first. If the context has ended, the sessions stay without their events.
type prunesEvents struct{ *naive }

func (p prunesEvents) Prune(ctx context.Context, before time.Time, limit int) (int, error) {
	n, err := p.naive.Prune(ctx, before, limit)
	if err != nil {
		p.log = nil
	}
	return n, err
}
