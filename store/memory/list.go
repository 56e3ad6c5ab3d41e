package memory

import (
	"context"
	"time"

	"github.com/caisse/checkout"
)

// counted is how far a list counts.
const counted = checkout.MaxListTotal + 1

// List implements [checkout.Store]. It costs what it returns, passes over and counts, however much the account holds:
// indexes by status, reference and payment see to that, in an account of more than 512 sessions.
//
// Two filters cost more. One by created, pending or expired passes over sessions that are due and were not swept yet. One by
// reference or payment looks at all sessions that share it, whatever their status.
func (m *Store) List(ctx context.Context, account checkout.Account, q checkout.Query) ([]checkout.Session, int, error) {
	if err := ctx.Err(); err != nil {
		return nil, 0, err
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	owner := m.accounts[account]
	if owner == nil {
		return nil, 0, nil
	}
	if q.UserPhone != "" {
		return owner.byPhone(q), 0, nil
	}
	var page []checkout.Session
	total := 0
	for r := range owner.passing(q) {
		total++
		if total > q.Offset && len(page) < q.Limit {
			page = append(page, r.session())
		}
		if len(page) == q.Limit && (q.AfterID != "" || total >= counted) {
			break
		}
	}
	if q.AfterID != "" {
		total = 0
	}
	return page, min(total, counted), nil
}

// byPhone looks at a bounded number of sessions.
func (a *account) byPhone(q checkout.Query) []checkout.Session {
	var page []checkout.Session
	looked := -q.Offset
	for r := range a.passing(q) {
		if looked++; looked <= 0 {
			continue
		}
		mine := r.detail(phoneDetail) == q.UserPhone
		if mine || looked == checkout.MaxPhoneScan {
			page = append(page, r.session())
		}
		if len(page) == q.Limit || looked == checkout.MaxPhoneScan {
			break
		}
	}
	return page
}

// passing reads the sessions that pass q, its phone apart, from where it begins.
func (a *account) passing(q checkout.Query) func(yield func(*record) bool) {
	return func(yield func(*record) bool) {
		records := a.candidates(q)
		oldest := q.CreatedAfter.UnixMicro()
		for r := records.next(); r != nil; r = records.next() {
			if !q.CreatedAfter.IsZero() && r.created < oldest {
				return
			}
			if r.passes(q) && !yield(r) {
				return
			}
		}
	}
}

// candidates reads what the narrowest index has, from where q begins.
func (a *account) candidates(q checkout.Query) merge {
	var orders []*order
	switch x := a.indexes; {
	case x == nil:
		orders = append(orders, &a.all)
	case q.ClientReference != "":
		orders = append(orders, x.byReference[q.ClientReference])
	case q.PaymentID != "":
		orders = append(orders, x.byPayment[q.PaymentID])
	case q.Status == checkout.StatusExpired:
		for _, s := range []checkout.Status{checkout.StatusExpired, checkout.StatusCreated, checkout.StatusPending} {
			orders = append(orders, &x.byStatus[statusIndex(s)])
		}
	case q.Status != "":
		orders = append(orders, &x.byStatus[statusIndex(q.Status)])
	default:
		orders = append(orders, &a.all)
	}
	from, bounded := begin(q)
	var m merge
	for _, o := range orders {
		switch {
		case o == nil:
		case bounded:
			m = append(m, o.below(from))
		default:
			m = append(m, o.newest())
		}
	}
	return m
}

// begin is the place that all of a list stands below.
func begin(q checkout.Query) (from place, bounded bool) {
	if q.AfterID != "" {
		from, bounded = place{q.AfterCreatedAt.UnixMicro(), q.AfterID}, true
	}
	if before := (place{q.CreatedBefore.UnixMicro(), ""}); !q.CreatedBefore.IsZero() && (!bounded || before.compare(from) < 0) {
		from, bounded = before, true
	}
	return from, bounded
}

// passes reports whether q's filter lets the session through, its phone and times apart.
func (r *record) passes(q checkout.Query) bool {
	return (q.PaymentID == "" || q.PaymentID == r.detail(paymentDetail)) &&
		(q.ClientReference == "" || q.ClientReference == r.reference()) &&
		(q.Status == "" || q.Status == r.statusAt(q.At))
}

func (r *record) statusAt(now time.Time) checkout.Status {
	return checkout.Session{Status: r.status(), ExpiresAt: timeOf(r.expires)}.StatusAt(now)
}
