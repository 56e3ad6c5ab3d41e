package memory

import (
	"slices"
	"strings"

	"github.com/caisse/checkout"
)

// account has the sessions of one account in one mode.
type account struct {
	checkout.Account
	all     order
	indexes *indexes // nil until the account has more than one chunk: a single one is cheap to read
}

// indexes find the sessions of an account that pass a filter.
type indexes struct {
	byStatus    [len(statuses)]order
	byReference map[string]*order
	byPayment   map[string]*order
}

// statuses are the statuses that byStatus has an order for.
var statuses = [...]checkout.Status{
	checkout.StatusCreated, checkout.StatusPending, checkout.StatusProcessing, checkout.StatusCompleted,
	checkout.StatusFailed, checkout.StatusExpired, checkout.StatusCancelled,
}

func statusIndex(s checkout.Status) int { return max(slices.Index(statuses[:], s), 0) }

func newAccount(a checkout.Account) *account {
	a.ID = strings.Clone(a.ID)
	return &account{Account: a}
}

// insert adds r to the account's indexes.
func (a *account) insert(r *record) {
	a.all.insert(r)
	switch {
	case a.indexes != nil:
		a.indexes.insert(r)
	case len(a.all.chunks) > 1:
		a.indexes = &indexes{byReference: make(map[string]*order), byPayment: make(map[string]*order)}
		for _, chunk := range a.all.chunks {
			for _, r := range chunk {
				a.indexes.insert(r)
			}
		}
	}
}

func (a *account) remove(r *record) {
	a.all.remove(r)
	if a.indexes != nil {
		removeFrom(a.indexes.byReference, r.reference(), r)
	}
	a.removeChanging(r)
}

// insertChanging adds r to the indexes by status and by payment, which an update may change.
func (a *account) insertChanging(r *record) {
	if a.indexes != nil {
		a.indexes.insertChanging(r)
	}
}

func (a *account) removeChanging(r *record) {
	if a.indexes != nil {
		a.indexes.byStatus[statusIndex(r.status())].remove(r)
		removeFrom(a.indexes.byPayment, r.detail(paymentDetail), r)
	}
}

// order returns an order of those records that belong to the account. It reuses the slice.
func (a *account) order(records []*record) *order {
	records = slices.DeleteFunc(records, func(r *record) bool { return r.owner != a })
	if len(records) == 0 {
		return nil
	}
	slices.SortFunc(records, func(a, b *record) int { return a.placed().compare(b.placed()) })
	return &order{chunks: [][]*record{records}}
}

func (x *indexes) insert(r *record) {
	insertIn(x.byReference, r.reference(), r)
	x.insertChanging(r)
}

func (x *indexes) insertChanging(r *record) {
	x.byStatus[statusIndex(r.status())].insert(r)
	insertIn(x.byPayment, r.detail(paymentDetail), r)
}

// insertIn adds r under a name, unless the name is empty. It clones a name that becomes a key of the map. The name is a part of a
// longer text, which the key would otherwise keep in memory, even after the record has dropped that text.
func insertIn(index map[string]*order, name string, r *record) {
	if name == "" {
		return
	}
	o := index[name]
	if o == nil {
		o = new(order)
		index[strings.Clone(name)] = o
	}
	o.insert(r)
}

func removeFrom(index map[string]*order, name string, r *record) {
	if name == "" {
		return
	}
	o := index[name]
	if o.remove(r); len(o.chunks) == 0 {
		delete(index, name)
	}
}
