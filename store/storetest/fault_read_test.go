package storetest_test

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/caisse/checkout"
)

var errNoRows = errors.New("no rows in result set")

var scopeFaults = []fault{
	{"shows every account all sessions", "hides the sessions of other accounts",
		owns(func(asked, owner checkout.Account) bool { return asked.Test == owner.Test })},
	{"shows test sessions in live mode", "hides test sessions from live mode",
		owns(func(asked, owner checkout.Account) bool { return asked.ID == owner.ID && (!asked.Test || owner.Test) })},
	{"shows live sessions in test mode", "hides live sessions from test mode",
		owns(func(asked, owner checkout.Account) bool { return asked.ID == owner.ID && (asked.Test || !owner.Test) })},
	{"ignores the case of accounts", "distinguishes accounts with similar ids",
		owns(func(asked, owner checkout.Account) bool {
			return asked.Test == owner.Test && strings.EqualFold(asked.ID, owner.ID)
		})},
	{"trims accounts", "distinguishes accounts with similar ids",
		owns(func(asked, owner checkout.Account) bool {
			return asked.Test == owner.Test && strings.TrimSpace(asked.ID) == strings.TrimSpace(owner.ID)
		})},
	{"returns the driver's own error", "finds no session that was not created",
		part(func(n *naive) { n.notFound = errNoRows })},
	{"returns an empty session without an error", "finds no session that was not created",
		part(func(n *naive) { n.notFound = nil })},
	{"returns ErrUnavailable together with ErrNotFound", "finds no session that was not created",
		part(func(n *naive) {
			n.notFound = errors.Join(checkout.ErrNotFound, checkout.ErrUnavailable)
		})},
}

// owns makes a fault: owns decides whether an account sees the sessions of another.
func owns(owns func(asked, owner checkout.Account) bool) func(*naive) checkout.Store {
	return part(func(n *naive) { n.owns = owns })
}

var listFaults = []fault{
	{"lists in the order of creation", "lists the newest session first",
		newer(func(a, b checkout.Session) int { return 0 })},
	{"lists the oldest first", "lists the newest session first",
		newer(func(a, b checkout.Session) int { return a.CreatedAt.Compare(b.CreatedAt) })},
	{"orders by whole seconds", "lists the newest session first",
		newer(func(a, b checkout.Session) int {
			return b.CreatedAt.Truncate(time.Second).Compare(a.CreatedAt.Truncate(time.Second))
		})},
	{"lists equal instants in the order of the calls", "lists sessions of one instant by id, descending",
		newer(func(a, b checkout.Session) int { return b.CreatedAt.Compare(a.CreatedAt) })},
	{"lists equal instants by id, ascending", "lists sessions of one instant by id, descending",
		newer(func(a, b checkout.Session) int {
			if c := b.CreatedAt.Compare(a.CreatedAt); c != 0 {
				return c
			}
			return strings.Compare(a.ID, b.ID)
		})},
	{"lists equal instants in another order each time", "lists pages without a gap or a duplicate",
		func(n *naive) checkout.Store {
			calls := 0
			n.newer = func(a, b checkout.Session) int {
				if c := b.CreatedAt.Compare(a.CreatedAt); c != 0 || calls%2 == 0 {
					return c
				}
				return strings.Compare(b.ID, a.ID)
			}
			n.over = func(ctx context.Context) error { calls++; return ctx.Err() }
			return n
		}},
	{"treats an offset as the number of a page", "lists pages without a gap or a duplicate",
		page(func(q *checkout.Query) { q.Offset *= q.Limit })},
	{"ignores the limit", "applies the limit and the offset",
		page(func(q *checkout.Query) { q.Limit = 1000 })},
	{"never lists more than 50", "applies the limit and the offset",
		page(func(q *checkout.Query) { q.Limit = min(q.Limit, 50) })},
	{"returns the status at the instant of the query, not the stored one", "lists sessions as they are stored, even if they are due",
		part(func(n *naive) {
			right := n.page
			n.page = func(passed []checkout.Session, q checkout.Query) ([]checkout.Session, int) {
				for i := range passed {
					passed[i].Status = passed[i].StatusAt(q.At)
				}
				return right(passed, q)
			}
		})},
	{"keeps a page that it has returned, and returns it again", "shares no memory of a list with its callers",
		func(n *naive) checkout.Store {
			return &sharedPages{naive: n, pages: make(map[checkout.Query][]checkout.Session)}
		}},
	{"updates a page that it has returned", "does not change a session that it has returned",
		func(n *naive) checkout.Store {
			return &sharedPages{naive: n, pages: make(map[checkout.Query][]checkout.Session)}
		}},
}

// newer makes a fault: lists are in this order.
func newer(order func(a, b checkout.Session) int) func(*naive) checkout.Store {
	return part(func(n *naive) { n.newer = order })
}

// page makes a fault: the query is misread when the page is cut from the list.
func page(misread func(q *checkout.Query)) func(*naive) checkout.Store {
	return part(func(n *naive) {
		right := n.page
		n.page = func(passed []checkout.Session, q checkout.Query) ([]checkout.Session, int) {
			misread(&q)
			return right(passed, q)
		}
	})
}

// sharedPages keeps the pages that it has returned. It returns the same slices again, and updates the sessions in them.
type sharedPages struct {
	*naive
	pages map[checkout.Query][]checkout.Session
}

func (p *sharedPages) List(ctx context.Context, a checkout.Account, q checkout.Query) ([]checkout.Session, int, error) {
	if page, ok := p.pages[q]; ok {
		return page, len(page), nil
	}
	page, total, err := p.naive.List(ctx, a, q)
	p.pages[q] = page
	return page, total, err
}

func (p *sharedPages) Update(ctx context.Context, s checkout.Session) error {
	if err := p.naive.Update(ctx, s); err != nil {
		return err
	}
	for _, page := range p.pages {
		for i := range page {
			if page[i].ID == s.ID {
				page[i] = s
			}
		}
	}
	return nil
}

var filterFaults = []fault{
	{"ignores the status of the query", "filters by each status",
		passes(func(s checkout.Session, q checkout.Query) bool {
			return q.PaymentID == "" || q.PaymentID == s.PaymentID
		})},
	{"filters by the stored status", "filters by the status at the instant of the query",
		passes(func(s checkout.Session, q checkout.Query) bool { return q.Status == "" || q.Status == s.Status })},
	{"treats a processing session as expired", "filters by the status at the instant of the query",
		passes(func(s checkout.Session, q checkout.Query) bool {
			if s.Status == checkout.StatusProcessing && !q.At.Before(s.ExpiresAt) {
				return q.Status == checkout.StatusExpired
			}
			return q.Status == "" || q.Status == s.StatusAt(q.At)
		})},
	{"treats a session as payable at the instant when it is due", "lists a session as expired exactly from ExpiresAt on",
		at(func(at time.Time) time.Time { return at.Add(-time.Microsecond) })},
	{"rounds the instant of the query", "lists a session as expired exactly from ExpiresAt on",
		at(func(at time.Time) time.Time { return at.Round(10 * time.Microsecond) })},
	{"compares instants as text", "lists a session as expired exactly from ExpiresAt on",
		passes(func(s checkout.Session, q checkout.Query) bool {
			if q.Status == "" {
				return true
			}
			due := s.ExpiresAt.Format(time.RFC3339Nano) <= q.At.Format(time.RFC3339Nano)
			return due == (q.Status == checkout.StatusExpired)
		})},
	{"filters by a part of a payment id", "filters by the whole payment id",
		passes(func(s checkout.Session, q checkout.Query) bool { return strings.HasPrefix(s.PaymentID, q.PaymentID) })},
	{"ignores the case of payment ids", "filters by the whole payment id",
		passes(func(s checkout.Session, q checkout.Query) bool {
			return q.PaymentID == "" || strings.EqualFold(s.PaymentID, q.PaymentID)
		})},
	{"filters by status or payment", "filters by status and payment together",
		passes(func(s checkout.Session, q checkout.Query) bool {
			all := q.Status == "" && q.PaymentID == ""
			return all || q.Status == s.StatusAt(q.At) || q.PaymentID != "" && q.PaymentID == s.PaymentID
		})},
	{"finds a session by the payment that it had first", "filters by the values after an update",
		func(n *naive) checkout.Store {
			first := make(map[string]string)
			right := n.passes
			n.passes = func(s checkout.Session, q checkout.Query) bool {
				s.PaymentID = first[s.ID]
				return right(s, q)
			}
			written := n.written
			n.written = func(s checkout.Session) checkout.Session {
				first[s.ID] = s.PaymentID
				return written(s)
			}
			return n
		}},
	{"counts only the page", "counts all sessions that pass a filter, not only the page",
		part(func(n *naive) {
			right := n.page
			n.page = func(passed []checkout.Session, q checkout.Query) ([]checkout.Session, int) {
				page, _ := right(passed, q)
				return page, len(page)
			}
		})},
	{"counts nothing for a page beyond the end", "counts all sessions that pass a filter, not only the page",
		part(func(n *naive) {
			right := n.page
			n.page = func(passed []checkout.Session, q checkout.Query) ([]checkout.Session, int) {
				page, total := right(passed, q)
				if len(page) == 0 {
					return nil, 0 // as count(*) over () does
				}
				return page, total
			}
		})},
	{"counts all sessions of the account", "filters by each status",
		func(n *naive) checkout.Store { return countsAll{n} }},
}

// passes makes a fault: passes decides which sessions a filter lets through.
func passes(passes func(s checkout.Session, q checkout.Query) bool) func(*naive) checkout.Store {
	return part(func(n *naive) { n.passes = passes })
}

// at makes a fault: the filter asks for the status at another instant.
func at(misread func(time.Time) time.Time) func(*naive) checkout.Store {
	return part(func(n *naive) {
		right := n.passes
		n.passes = func(s checkout.Session, q checkout.Query) bool {
			q.At = misread(q.At)
			return right(s, q)
		}
	})
}

// countsAll counts with a second query that has no filter.
type countsAll struct{ *naive }

func (c countsAll) List(ctx context.Context, a checkout.Account, q checkout.Query) ([]checkout.Session, int, error) {
	sessions, _, err := c.naive.List(ctx, a, q)
	_, total, _ := c.naive.List(ctx, a, checkout.Query{Limit: 1})
	return sessions, total, err
}
