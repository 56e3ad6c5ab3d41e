package storetest_test

import (
	"context"
	"strings"
	"time"

	"github.com/caisse/checkout"
)

var walkFaults = []fault{
	{"compares only the instant of a place, not the id", "continues after a place, also among sessions of one instant",
		beyond(func(s checkout.Session, q checkout.Query) bool { return s.CreatedAt.Before(q.AfterCreatedAt) })},
	{"returns the session at the place once more", "continues after a place, also among sessions of one instant",
		beyond(func(s checkout.Session, q checkout.Query) bool {
			return s.CreatedAt.Before(q.AfterCreatedAt) || s.CreatedAt.Equal(q.AfterCreatedAt) && s.ID <= q.AfterID
		})},
	{"returns nothing after a place whose session is gone", "continues after a place that no session has",
		func(n *naive) checkout.Store { return needsPlace{n} }},
	{"counts the sessions of a list that continues after a place", "continues after a place that no session has",
		func(n *naive) checkout.Store { return countsByPlace{n} }},
	{"remembers a place as a number of sessions", "lists every session once while sessions are created and changed",
		func(n *naive) checkout.Store { return &numbered{naive: n} }},
	{"ignores the filter after a place", "continues after a place with every filter",
		part(func(n *naive) {
			right := n.passes
			n.passes = func(s checkout.Session, q checkout.Query) bool { return q.AfterID != "" || right(s, q) }
		})},
	{"counts without a limit", "counts up to 10,001 sessions, and searches 10,000 for a phone number",
		part(func(n *naive) {
			right := n.page
			n.page = func(passed []checkout.Session, q checkout.Query) ([]checkout.Session, int) {
				page, _ := right(passed, q)
				return page, len(passed)
			}
		})},
	{"looks for a phone among all sessions", "counts up to 10,001 sessions, and searches 10,000 for a phone number",
		part(func(n *naive) {
			n.scanned = func(passed []checkout.Session, q checkout.Query) (found []checkout.Session) {
				for _, s := range passed {
					if s.UserPhone == q.UserPhone {
						found = append(found, s)
					}
				}
				return found
			}
		})},
	{"does not return the last session that it read for a phone", "counts up to 10,001 sessions, and searches 10,000 for a phone number",
		part(func(n *naive) {
			n.scanned = func(passed []checkout.Session, q checkout.Query) (found []checkout.Session) {
				for _, s := range passed[:min(len(passed), checkout.MaxPhoneScan)] {
					if s.UserPhone == q.UserPhone {
						found = append(found, s)
					}
				}
				return found
			}
		})},
	{"filters by a part of a reference", "filters by the whole reference",
		passesToo(func(s checkout.Session, q checkout.Query) (checkout.Session, checkout.Query) {
			if strings.HasPrefix(s.ClientReference, q.ClientReference) {
				q.ClientReference = ""
			}
			return s, q
		})},
	{"leaves out a session created at the first instant", "filters by time of creation, from the first instant (inclusive) to the second (exclusive)",
		passesToo(func(s checkout.Session, q checkout.Query) (checkout.Session, checkout.Query) {
			if !q.CreatedAfter.IsZero() {
				q.CreatedAfter = q.CreatedAfter.Add(time.Microsecond)
			}
			return s, q
		})},
	{"includes a session created at the second instant", "filters by time of creation, from the first instant (inclusive) to the second (exclusive)",
		passesToo(func(s checkout.Session, q checkout.Query) (checkout.Session, checkout.Query) {
			if !q.CreatedBefore.IsZero() {
				q.CreatedBefore = q.CreatedBefore.Add(time.Microsecond)
			}
			return s, q
		})},
	{"compares only the last digits of a phone", "filters by the whole phone number, and does not count",
		part(func(n *naive) {
			n.scanned = func(passed []checkout.Session, q checkout.Query) (found []checkout.Session) {
				for _, s := range passed {
					if strings.HasSuffix(s.UserPhone, q.UserPhone[len(q.UserPhone)-8:]) {
						found = append(found, s)
					}
				}
				return found
			}
		})},
}

// beyond makes a fault: beyond decides which sessions come after a place.
func beyond(beyond func(s checkout.Session, q checkout.Query) bool) func(*naive) checkout.Store {
	return part(func(n *naive) { n.beyond = beyond })
}

// passesToo makes a fault: the filter compares another session with another query.
func passesToo(misread func(s checkout.Session, q checkout.Query) (checkout.Session, checkout.Query)) func(*naive) checkout.Store {
	return part(func(n *naive) {
		right := n.passes
		n.passes = func(s checkout.Session, q checkout.Query) bool { return right(misread(s, q)) }
	})
}

// needsPlace looks up the session at the place. If there is none, it returns an empty page.
type needsPlace struct{ *naive }

func (p needsPlace) List(ctx context.Context, a checkout.Account, q checkout.Query) ([]checkout.Session, int, error) {
	if q.AfterID != "" {
		s, err := p.naive.Get(ctx, a, q.AfterID)
		if err != nil {
			return nil, 0, nil
		}
		q.AfterCreatedAt = s.CreatedAt
	}
	return p.naive.List(ctx, a, q)
}

// countsByPlace returns a total after a place too, where it must be 0.
type countsByPlace struct{ *naive }

func (c countsByPlace) List(ctx context.Context, a checkout.Account, q checkout.Query) ([]checkout.Session, int, error) {
	sessions, total, err := c.naive.List(ctx, a, q)
	if q.AfterID != "" {
		q.AfterID, q.Limit = "", 1
		_, total, err = c.naive.List(ctx, a, q)
	}
	return sessions, total, err
}

// numbered skips as many sessions as it has returned so far. A session that was created meanwhile moves all others.
type numbered struct {
	*naive
	shown int
}

func (p *numbered) List(ctx context.Context, a checkout.Account, q checkout.Query) ([]checkout.Session, int, error) {
	if q.AfterID == "" {
		p.shown = 0
	}
	q.AfterID, q.Offset = "", p.shown
	sessions, total, err := p.naive.List(ctx, a, q)
	p.shown += len(sessions)
	return sessions, total, err
}
