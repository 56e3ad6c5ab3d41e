package memory

import (
	"context"
	"math"
	"time"

	"github.com/caisse/checkout"
)

const (
	// longestExpiry is the longest time from a session's creation to its expiry.
	longestExpiry = checkout.MaxExpiresIn
	// mostDue is the greatest number of due sessions that a list by expired sorts itself. If more are due, it looks at the
	// created and pending sessions of the account instead.
	mostDue = 4096
)

// counted is the number at which a list stops counting.
const counted = checkout.MaxListTotal + 1

// List implements [checkout.Store]. Its time depends on what it returns, skips and counts, not on the size of the account: an account of
// more than 512 sessions has indexes by status, reference and payment.
//
// Some filters cost more. A list by created or pending must skip the sessions of the last day that are due and were not swept. If more
// than 4,096 sessions of all accounts are due, a list by expired must skip the created and pending sessions that are not due. So sweep
// often. A list by reference or payment looks at all sessions that have it, whatever their status.
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
		return m.byPhone(owner, q), 0, nil
	}
	var page []checkout.Session
	total := 0
	for r := range m.passing(owner, q) {
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

// byPhone lists by phone, and looks at up to checkout.MaxPhoneScan sessions.
func (m *Store) byPhone(a *account, q checkout.Query) []checkout.Session {
	var page []checkout.Session
	looked := -q.Offset
	for r := range m.passing(a, q) {
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

// passing reads the sessions that pass the filter of q without its phone, from the place where begin says. It does not apply the offset.
func (m *Store) passing(a *account, q checkout.Query) func(yield func(*record) bool) {
	return func(yield func(*record) bool) {
		records := m.candidates(a, q)
		oldest := int64(math.MinInt64)
		if !q.CreatedAfter.IsZero() {
			oldest = q.CreatedAfter.UnixMicro()
		}
		if q.Status == checkout.StatusCreated || q.Status == checkout.StatusPending { // all older sessions are due
			oldest = max(oldest, q.At.Add(-longestExpiry).UnixMicro())
		}
		for r := records.next(); r != nil; r = records.next() {
			if r.created < oldest {
				return
			}
			if r.passes(q) && !yield(r) {
				return
			}
		}
	}
}

// candidates reads the index that fits the filter best, from the place where begin says.
func (m *Store) candidates(a *account, q checkout.Query) merge {
	var orders []*order
	switch x := a.indexes; {
	case x == nil:
		orders = append(orders, &a.all)
	case q.ClientReference != "":
		orders = append(orders, x.byReference[q.ClientReference])
	case q.PaymentID != "":
		orders = append(orders, x.byPayment[q.PaymentID])
	case q.Status == checkout.StatusExpired:
		orders = append(orders, &x.byStatus[statusIndex(checkout.StatusExpired)])
		if due, all := m.due.until(q.At, mostDue); all {
			orders = append(orders, a.order(due))
		} else {
			orders = append(orders, &x.byStatus[statusIndex(checkout.StatusCreated)], &x.byStatus[statusIndex(checkout.StatusPending)])
		}
	case q.Status != "":
		orders = append(orders, &x.byStatus[statusIndex(q.Status)])
	default:
		orders = append(orders, &a.all)
	}
	from, bounded := begin(q)
	var records merge
	for _, o := range orders {
		switch {
		case o == nil:
		case bounded:
			records = append(records, o.below(from))
		default:
			records = append(records, o.newest())
		}
	}
	return records
}

// begin returns the place after which the list begins, before its offset. If bounded is false, the list begins with the newest session.
func begin(q checkout.Query) (from place, bounded bool) {
	if q.AfterID != "" {
		from, bounded = place{q.AfterCreatedAt.UnixMicro(), q.AfterID}, true
	}
	if before := (place{q.CreatedBefore.UnixMicro(), ""}); !q.CreatedBefore.IsZero() && (!bounded || before.compare(from) < 0) {
		from, bounded = before, true
	}
	return from, bounded
}

// passes reports whether a session passes the filter of q, without its phone and times.
func (r *record) passes(q checkout.Query) bool {
	return (q.PaymentID == "" || q.PaymentID == r.detail(paymentDetail)) &&
		(q.ClientReference == "" || q.ClientReference == r.reference()) &&
		(q.Status == "" || q.Status == r.statusAt(q.At))
}

func (r *record) statusAt(now time.Time) checkout.Status {
	return checkout.Session{Status: r.status(), ExpiresAt: timeOf(r.expires)}.StatusAt(now)
}
