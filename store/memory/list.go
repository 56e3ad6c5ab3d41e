package memory

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/caisse/checkout"
)

// counted is how far a list counts.
const counted = checkout.MaxListTotal + 1

// List implements [checkout.Store]. It costs what it returns and passes over, however much the account holds: indexes by
// status, reference and payment see to that. Of a filter by the statuses that the clock decides (created, pending, expired)
// it passes over the sessions that were not swept and have the other status by the clock.
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
	looked := 0
	for r := range a.passing(q) {
		looked++
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
		for r := records.next(); r != nil; r = records.next() {
			if !q.CreatedAfter.IsZero() && r.created.Before(q.CreatedAfter) {
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
	switch {
	case q.ClientReference != "":
		orders = append(orders, a.byReference[q.ClientReference])
	case q.PaymentID != "":
		orders = append(orders, a.byPayment[q.PaymentID])
	case q.Status == checkout.StatusExpired:
		for _, s := range []checkout.Status{checkout.StatusExpired, checkout.StatusCreated, checkout.StatusPending} {
			orders = append(orders, &a.byStatus[statusIndex(s)])
		}
	case q.Status != "":
		orders = append(orders, &a.byStatus[statusIndex(q.Status)])
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
		from, bounded = place{q.AfterCreatedAt, q.AfterID}, true
	}
	if before := (place{q.CreatedBefore, ""}); !q.CreatedBefore.IsZero() && (!bounded || before.compare(from) < 0) {
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
	return checkout.Session{Status: r.status(), ExpiresAt: r.expires}.StatusAt(now)
}

// account is what one account has in one mode.
type account struct {
	checkout.Account
	all         order
	byStatus    [len(statuses)]order
	byReference map[string]*order
	byPayment   map[string]*order
}

func newAccount(a checkout.Account) *account {
	a.ID = strings.Clone(a.ID)
	return &account{Account: a}
}

// statuses are what byStatus has an order for.
var statuses = [...]checkout.Status{
	checkout.StatusCreated, checkout.StatusPending, checkout.StatusProcessing, checkout.StatusCompleted,
	checkout.StatusFailed, checkout.StatusExpired, checkout.StatusCancelled,
}

func statusIndex(s checkout.Status) int { return max(slices.Index(statuses[:], s), 0) }

// insert adds r to the account's indexes.
func (a *account) insert(r *record) {
	a.all.insert(r)
	if reference := r.reference(); reference != "" {
		if a.byReference == nil {
			a.byReference = make(map[string]*order)
		}
		insertIn(a.byReference, reference, r)
	}
	a.insertChanging(r)
}

// insertChanging adds r to the indexes by what a change may change.
func (a *account) insertChanging(r *record) {
	a.byStatus[statusIndex(r.status())].insert(r)
	if payment := r.detail(paymentDetail); payment != "" {
		if a.byPayment == nil {
			a.byPayment = make(map[string]*order)
		}
		insertIn(a.byPayment, payment, r)
	}
}

func (a *account) remove(r *record) {
	a.all.remove(r)
	if reference := r.reference(); reference != "" {
		removeFrom(a.byReference, reference, r)
	}
	a.removeChanging(r)
}

func (a *account) removeChanging(r *record) {
	a.byStatus[statusIndex(r.status())].remove(r)
	if payment := r.detail(paymentDetail); payment != "" {
		removeFrom(a.byPayment, payment, r)
	}
}

// insertIn clones a name that becomes a key: it is part of a text that the record may drop.
func insertIn(index map[string]*order, name string, r *record) {
	o := index[name]
	if o == nil {
		o = new(order)
		index[strings.Clone(name)] = o
	}
	o.insert(r)
}

func removeFrom(index map[string]*order, name string, r *record) {
	o := index[name]
	if o.remove(r); len(o.chunks) == 0 {
		delete(index, name)
	}
}
