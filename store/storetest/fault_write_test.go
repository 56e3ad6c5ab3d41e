package storetest_test

import (
	"context"
	"time"

	"github.com/caisse/checkout"
)

var updateFaults = []fault{
	{"acknowledges an update that it did not write", "replaces a session by its next version",
		part(func(n *naive) {
			n.replaced = func(was, _ checkout.Session) checkout.Session { return was }
		})},
	{"updates every session of the account", "replaces a session by its next version",
		func(n *naive) checkout.Store { return updatesAll{n} }},
	{"ignores the version", "refuses every version but the next",
		follows(func(was, s checkout.Session) bool { return true })},
	{"takes any later version", "refuses every version but the next",
		follows(func(was, s checkout.Session) bool { return s.Version > was.Version })},
	{"takes the same version again", "refuses every version but the next",
		follows(func(was, s checkout.Session) bool { return s.Version == was.Version || s.Version == was.Version+1 })},
	{"keeps versions in 32 bits", "refuses every version but the next",
		follows(func(was, s checkout.Session) bool { return int32(s.Version) == int32(was.Version)+1 })},
	{"calls a lost update not found", "refuses every version but the next",
		part(func(n *naive) { n.conflict = checkout.ErrNotFound })},
	{"drops a lost update in silence", "refuses every version but the next",
		part(func(n *naive) { n.conflict = nil })},
}

func follows(follows func(was, s checkout.Session) bool) func(*naive) checkout.Store {
	return part(func(n *naive) { n.follows = follows })
}

// updatesAll forgets the ID where it writes.
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
	{"never expires", "expires what waits for the payer, and nothing else", waits()},
	{"forgets that a pending session waits", "expires what waits for the payer, and nothing else",
		waits(checkout.StatusCreated)},
	{"expires a processing session", "expires what waits for the payer, and nothing else",
		waits(checkout.StatusCreated, checkout.StatusPending, checkout.StatusProcessing)},
	{"expires a cancelled session", "expires what waits for the payer, and nothing else",
		waits(checkout.StatusCreated, checkout.StatusPending, checkout.StatusCancelled)},
	{"expires too late", "expires at the very instant",
		due(func(s checkout.Session, now time.Time) bool {
			return s.ExpiresAt.Before(now)
		})},
	{"expires too early", "expires at the very instant",
		due(func(s checkout.Session, now time.Time) bool { return !s.ExpiresAt.After(now.Add(time.Microsecond)) })},
	{"rounds the instant of a sweep", "expires at the very instant",
		due(func(s checkout.Session, now time.Time) bool {
			return !s.ExpiresAt.After(now.Round(10 * time.Microsecond))
		})},
	{"sweeps by the second", "expires at the very instant",
		due(func(s checkout.Session, now time.Time) bool { return s.ExpiresAt.Unix() <= now.Unix() })},
	{"returns what it expired as it was", "returns sessions as they are after expiry",
		func(n *naive) checkout.Store { return returnsBefore{n} }},
	{"leaves the version as it expires", "makes a new version of what it expires",
		part(func(n *naive) {
			n.expired = func(s checkout.Session) checkout.Session {
				s.Status, s.UpdatedAt = checkout.StatusExpired, s.ExpiresAt
				return s
			}
		})},
	{"expires more than the limit", "expires the longest due first, up to the limit",
		most(func(due, _ int) int { return due })},
	{"expires the shortest due first", "expires the longest due first, up to the limit",
		sooner(func(a, b checkout.Session) int { return b.ExpiresAt.Compare(a.ExpiresAt) })},
	{"expires the oldest first", "expires the longest due first, up to the limit",
		sooner(func(a, b checkout.Session) int { return a.CreatedAt.Compare(b.CreatedAt) })},
	{"expires equal instants as they came", "expires equal instants by id",
		sooner(func(a, b checkout.Session) int { return a.ExpiresAt.Compare(b.ExpiresAt) })},
	{"expires what had expired", "expires a session once",
		waits(checkout.StatusCreated, checkout.StatusPending, checkout.StatusExpired)},
	{"sweeps live sessions alone", "expires every account's sessions, test and live",
		part(func(n *naive) {
			right := n.waits
			n.waits = func(s checkout.Session) bool { return right(s) && !s.Account.Test }
		})},
	{"sweeps by the status that a session had first", "expires by what an update made of a session",
		part(func(n *naive) {
			n.waits = func(s checkout.Session) bool { return s.CompletedAt.IsZero() && s.Version == 1 }
		})},
	{"calls an expiry a change of the moment", "returns sessions as they are after expiry",
		part(func(n *naive) {
			right := n.expired
			n.expired = func(s checkout.Session) checkout.Session {
				s = right(s)
				s.UpdatedAt = s.ExpiresAt.Add(time.Hour)
				return s
			}
		})},
	{"hands out the sessions that it keeps", "expires into memory that is the caller's own",
		func(n *naive) checkout.Store { return handsOutAll{n} }},
	{"hands out the metadata of what it expired", "expires into memory that is the caller's own",
		func(n *naive) checkout.Store { return handsOutMetadata{n} }},
	{"leaves the time of the last change as it expires", "returns sessions as they are after expiry",
		part(func(n *naive) {
			n.expired = func(s checkout.Session) checkout.Session {
				s.Status = checkout.StatusExpired
				s.Version++
				return s
			}
		})},
}

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

func due(due func(s checkout.Session, now time.Time) bool) func(*naive) checkout.Store {
	return part(func(n *naive) { n.due = due })
}

func most(most func(due, limit int) int) func(*naive) checkout.Store {
	return part(func(n *naive) { n.most = most })
}

func sooner(order func(a, b checkout.Session) int) func(*naive) checkout.Store {
	return part(func(n *naive) { n.sooner = order })
}

// returnsBefore answers what it read, not what it wrote.
type returnsBefore struct{ *naive }

func (r returnsBefore) Expire(ctx context.Context, now time.Time, limit int) ([]checkout.Session, error) {
	before := r.dueAt(now)
	moved, err := r.naive.Expire(ctx, now, limit)
	return before[:len(moved)], err
}

// handsOutAll answers with its own memory where a sweep moved all that it has.
type handsOutAll struct{ *naive }

func (h handsOutAll) Expire(ctx context.Context, now time.Time, limit int) ([]checkout.Session, error) {
	moved, err := h.naive.Expire(ctx, now, limit)
	if len(moved) == len(h.sessions) {
		return h.sessions, err
	}
	return moved, err
}

// handsOutMetadata copies a session and not what it refers to.
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
	{"does not look at the context", "refuses a context that is over, and writes nothing",
		part(func(n *naive) { n.over = func(context.Context) error { return nil } })},
	{"calls a context that is over unavailable", "refuses a context that is over, and writes nothing",
		part(func(n *naive) {
			n.over = func(ctx context.Context) error {
				if ctx.Err() != nil {
					return checkout.ErrUnavailable
				}
				return nil
			}
		})},
	{"calls every end of a context a cancellation", "refuses a context that is over, and writes nothing",
		part(func(n *naive) {
			n.over = func(ctx context.Context) error {
				if ctx.Err() != nil {
					return context.Canceled
				}
				return nil
			}
		})},
	{"looks at the context when all is created", "creates in spite of an error only where the outcome is unknown",
		looksAfterwards},
	{"looks at the context when all is updated", "updates in spite of an error only where the outcome is unknown",
		looksAfterwards},
	{"looks at the context when all is expired", "expires in spite of an error only where the outcome is unknown",
		looksAfterwards},
	{"looks at the context when all is pruned", "prunes in spite of an error only where the outcome is unknown",
		looksAfterwards},
	{"stops a prune in silence", "prunes in spite of an error only where the outcome is unknown",
		func(n *naive) checkout.Store { return silentStop{n} }},
	{"logs an update that it gave up", "updates in spite of an error only where the outcome is unknown",
		func(n *naive) checkout.Store { return logsGivenUp{n} }},
	{"logs an expiry that it gave up", "expires in spite of an error only where the outcome is unknown",
		func(n *naive) checkout.Store { return logsGivenUp{n} }},
	{"prunes the events of what it gave up", "prunes in spite of an error only where the outcome is unknown",
		func(n *naive) checkout.Store { return prunesEvents{n} }},
	{"stops in silence when the context is over", "creates in spite of an error only where the outcome is unknown",
		func(n *naive) checkout.Store { return silentStop{n} }},
	{"stops a sweep in silence", "expires in spite of an error only where the outcome is unknown",
		func(n *naive) checkout.Store { return silentStop{n} }},
	{"stops an update in silence", "updates in spite of an error only where the outcome is unknown",
		func(n *naive) checkout.Store { return silentStop{n} }},
}

// looksAfterwards answers a definite error for what it wrote.
var looksAfterwards = part(func(n *naive) { n.afterwards = context.Context.Err })

// silentStop acknowledges what it gave up.
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

// logsGivenUp writes an event first, and does not take it back when the context is over before the change is made.
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

// prunesEvents removes events, and then sessions where the context is not over.
type prunesEvents struct{ *naive }

func (p prunesEvents) Prune(ctx context.Context, before time.Time, limit int) (int, error) {
	n, err := p.naive.Prune(ctx, before, limit)
	if err != nil {
		p.log = nil
	}
	return n, err
}
