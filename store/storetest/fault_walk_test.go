package storetest_test

import (
	"context"
	"strings"
	"time"

	"github.com/caisse/checkout"
)

var walkFaults = []fault{
	{"goes on after an instant", "goes on after a place, through equal instants",
		beyond(func(s checkout.Session, q checkout.Query) bool { return s.CreatedAt.Before(q.AfterCreatedAt) })},
	{"goes on with the place itself", "goes on after a place, through equal instants",
		beyond(func(s checkout.Session, q checkout.Query) bool {
			return s.CreatedAt.Before(q.AfterCreatedAt) || s.CreatedAt.Equal(q.AfterCreatedAt) && s.ID <= q.AfterID
		})},
	{"needs the session that a place was made of", "goes on after a place that no session has",
		func(n *naive) checkout.Store { return needsPlace{n} }},
	{"counts on a list by place", "goes on after a place that no session has",
		func(n *naive) checkout.Store { return countsByPlace{n} }},
	{"remembers a place as a number", "meets every session once, whatever is created and changed meanwhile",
		func(n *naive) checkout.Store { return &numbered{naive: n} }},
	{"forgets the filter at a place", "goes on within every filter",
		part(func(n *naive) {
			right := n.passes
			n.passes = func(s checkout.Session, q checkout.Query) bool { return q.AfterID != "" || right(s, q) }
		})},
	{"counts to the end", "counts to 10,001 and no further, and looks for a phone among 10,000",
		part(func(n *naive) {
			right := n.page
			n.page = func(passed []checkout.Session, q checkout.Query) ([]checkout.Session, int) {
				page, _ := right(passed, q)
				return page, len(passed)
			}
		})},
	{"looks for a phone among all", "counts to 10,001 and no further, and looks for a phone among 10,000",
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
	{"does not tell where a page by phone ends", "counts to 10,001 and no further, and looks for a phone among 10,000",
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
	{"leaves out what was created at the first instant", "filters by time of creation, from the first to before the second",
		passesToo(func(s checkout.Session, q checkout.Query) (checkout.Session, checkout.Query) {
			if !q.CreatedAfter.IsZero() {
				q.CreatedAfter = q.CreatedAfter.Add(time.Microsecond)
			}
			return s, q
		})},
	{"takes what was created at the second instant", "filters by time of creation, from the first to before the second",
		passesToo(func(s checkout.Session, q checkout.Query) (checkout.Session, checkout.Query) {
			if !q.CreatedBefore.IsZero() {
				q.CreatedBefore = q.CreatedBefore.Add(time.Microsecond)
			}
			return s, q
		})},
	{"filters by the end of a phone", "filters by the whole phone, and does not count",
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

func beyond(beyond func(s checkout.Session, q checkout.Query) bool) func(*naive) checkout.Store {
	return part(func(n *naive) { n.beyond = beyond })
}

// passesToo makes a fault of a filter that is misread.
func passesToo(misread func(s checkout.Session, q checkout.Query) (checkout.Session, checkout.Query)) func(*naive) checkout.Store {
	return part(func(n *naive) {
		right := n.passes
		n.passes = func(s checkout.Session, q checkout.Query) bool { return right(misread(s, q)) }
	})
}

// needsPlace looks the place up.
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

// countsByPlace counts whatever it is asked.
type countsByPlace struct{ *naive }

func (c countsByPlace) List(ctx context.Context, a checkout.Account, q checkout.Query) ([]checkout.Session, int, error) {
	sessions, total, err := c.naive.List(ctx, a, q)
	if q.AfterID != "" {
		q.AfterID, q.Limit = "", 1
		_, total, err = c.naive.List(ctx, a, q)
	}
	return sessions, total, err
}

// numbered goes on after as many sessions as it has shown.
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
