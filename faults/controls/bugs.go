package controls

import (
	"cmp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/faults/history"
	"github.com/caisse/checkout/faults/lossy"
	"github.com/caisse/checkout/idempotency"
)

// Detector is a kind of test that may catch a bug.
type Detector string

// The detectors.
const (
	Rules     Detector = "rules"
	Order     Detector = "order"
	Model     Detector = "model"
	StoreTest Detector = "storetest"
)

// Detectors lists the detectors.
func Detectors() []Detector { return []Detector{Rules, Order, Model, StoreTest} }

// Bug is one planted mistake.
type Bug struct {
	Name string
	By   []Detector // the detectors that must catch it

	// Store makes a store, broken if the bug is in it.
	Store func(tb testing.TB) checkout.Store
	// Service, if it is set, wraps the service. Caller wraps the recorded client, in the workload only.
	Service, Caller func(history.Service) history.Service
	// Odds say how often the store fails, with honest errors, in the workload.
	Odds lossy.Odds
	// Faulty says that the workload expects errors, so that an error alone does not reveal the bug.
	Faulty bool
	// Crash, if it is set, returns the store as it is found after a crash in the middle of the workload.
	Crash func(checkout.Store) checkout.Store
	// Panics says that the store panics. It cannot be run under storetest, whose goroutines would end the process.
	Panics bool
	// Slow says that the store takes long to make. storetest, which makes many, is then for long runs only.
	Slow bool
}

// ForStoreTest reports whether package storetest can be run on the bug at all.
func (b Bug) ForStoreTest() bool { return !b.Panics && b.Service == nil && b.Caller == nil }

// Bugs lists all planted bugs.
func Bugs() []Bug {
	return slices.Concat(keyBugs(), scopeBugs(), updateBugs(), expiryBugs(), listBugs(), eventBugs(), outcomeBugs(), serviceBugs())
}

// onShelf makes a bug that replaces one field of a shelf.
func onShelf(name string, plant func(*shelf), by ...Detector) Bug {
	return Bug{Name: name, By: by, Store: func(testing.TB) checkout.Store {
		h := newShelf()
		plant(h)
		return h
	}}
}

func keyBugs() []Bug {
	return []Bug{
		{Name: "looks a key up, then inserts", By: []Detector{Rules, Order, StoreTest}, Store: func(testing.TB) checkout.Store {
			return checkThenInsert{newShelf()}
		}},
		{Name: "SQLite without its unique index", By: Detectors(), Store: unindexedSQLite, Slow: true},
		{Name: "PostgreSQL without its unique constraint", By: Detectors(), Store: unindexedPostgres, Slow: true},
		onShelf("a key forgets its account", func(h *shelf) {
			h.named = func(held *checkout.Session, account checkout.Account, key idempotency.Key, _ time.Time) bool {
				return held.Account.Test == account.Test && held.IdempotencyKey == key
			}
		}, Rules, Order, Model, StoreTest),
		onShelf("a key forgets its mode", func(h *shelf) {
			h.named = func(held *checkout.Session, account checkout.Account, key idempotency.Key, _ time.Time) bool {
				return held.Account.ID == account.ID && held.IdempotencyKey == key
			}
		}, Rules, Order, Model, StoreTest),
		onShelf("a key is forgotten after an hour", func(h *shelf) {
			h.named = func(held *checkout.Session, account checkout.Account, key idempotency.Key, now time.Time) bool {
				return held.Account == account && held.IdempotencyKey == key && now.Sub(held.CreatedAt) < time.Hour
			}
		}, Rules, Order, Model),
		onShelf("a replay overwrites the first request", func(h *shelf) {
			h.replayed = func(held, s checkout.Session) checkout.Session {
				s.ID, s.CreatedAt, s.ExpiresAt, s.Status, s.Version = held.ID, held.CreatedAt, held.ExpiresAt, held.Status, held.Version
				return s
			}
		}, Rules, Order, Model, StoreTest),
		onShelf("a row is written without its fingerprint", func(h *shelf) {
			h.written = func(s checkout.Session) checkout.Session {
				s.Fingerprint = idempotency.Fingerprint{}
				return s
			}
		}, Model, StoreTest),
	}
}

func scopeBugs() []Bug {
	return []Bug{
		onShelf("Get forgets the account", func(h *shelf) {
			h.owns = func(asked, owner checkout.Account) bool { return asked.Test == owner.Test }
		}, Rules, Order, Model, StoreTest),
		onShelf("Get forgets the mode", func(h *shelf) {
			h.owns = func(asked, owner checkout.Account) bool { return asked.ID == owner.ID }
		}, Rules, Order, Model, StoreTest),
		onShelf("List forgets the account", func(h *shelf) {
			h.lists = func(asked, owner checkout.Account) bool { return asked.Test == owner.Test }
		}, Rules, Order, Model, StoreTest),
		onShelf("List forgets the mode", func(h *shelf) {
			h.lists = func(asked, owner checkout.Account) bool { return asked.ID == owner.ID }
		}, Rules, Order, Model, StoreTest),
	}
}

func updateBugs() []Bug {
	return []Bug{
		onShelf("Update ignores the version", func(h *shelf) {
			h.follows = func(_, _ checkout.Session) bool { return true }
		}, Rules, Order, StoreTest),
		{Name: "Update compares, then swaps", By: []Detector{Rules, Order, StoreTest}, Store: func(testing.TB) checkout.Store {
			return compareThenSwap{newShelf()}
		}},
		onShelf("Update leaves the version", func(h *shelf) {
			h.replaced = func(was, s checkout.Session) checkout.Session {
				s.Version = was.Version
				return s
			}
		}, Rules, Order, Model, StoreTest),
		onShelf("Update forgets that a payment was late", func(h *shelf) {
			h.replaced = func(_, s checkout.Session) checkout.Session {
				s.Late = false
				return s
			}
		}, Rules, Order, Model, StoreTest),
		onShelf("times are cut to the millisecond", func(h *shelf) {
			h.written = func(s checkout.Session) checkout.Session {
				s.CreatedAt, s.ExpiresAt = s.CreatedAt.Truncate(time.Millisecond), s.ExpiresAt.Truncate(time.Millisecond)
				return s
			}
		}, Rules, Order, Model, StoreTest),
		{Name: "Get reads a replica that lags", By: []Detector{Rules, Order, Model, StoreTest}, Store: func(testing.TB) checkout.Store {
			return &replica{shelf: newShelf(), old: make(map[string]checkout.Session)}
		}},
	}
}

func expiryBugs() []Bug {
	return []Bug{
		onShelf("a sweep expires what is processing", func(h *shelf) {
			h.due = func(s checkout.Session, now time.Time) bool {
				return (waits(s) || s.Status == checkout.StatusProcessing) && !s.ExpiresAt.After(now)
			}
		}, Rules, Order, Model, StoreTest),
		onShelf("a sweep comes a second early", func(h *shelf) {
			h.due = func(s checkout.Session, now time.Time) bool {
				return waits(s) && !s.ExpiresAt.After(now.Add(time.Second))
			}
		}, Model, StoreTest),
		onShelf("a sweep comes a microsecond late", func(h *shelf) {
			h.due = func(s checkout.Session, now time.Time) bool { return waits(s) && s.ExpiresAt.Before(now) }
		}, Model, StoreTest),
		onShelf("a sweep leaves the version", func(h *shelf) {
			h.expired = func(s checkout.Session) checkout.Session {
				s.Status = checkout.StatusExpired
				return s
			}
		}, Order, Model, StoreTest),
		onShelf("a sweep ignores its limit", func(h *shelf) {
			h.most = func(due, _ int) int { return due }
		}, Rules, Model, StoreTest),
		{Name: "two sweeps return one session", By: []Detector{Rules, Order, StoreTest}, Store: func(testing.TB) checkout.Store {
			return selectThenExpire{newShelf()}
		}},
	}
}

func listBugs() []Bug {
	return []Bug{
		onShelf("List filters by the stored status, without the clock", func(h *shelf) {
			h.passes = func(s checkout.Session, q checkout.Query) bool { return q.Status == "" || q.Status == s.Status }
		}, Model, StoreTest),
		onShelf("the total counts the page", func(h *shelf) {
			h.total = func(_, page int) int { return page }
		}, Model, StoreTest),
		onShelf("equal instants are listed in any order", func(h *shelf) {
			h.newer = func(a, b checkout.Session) int { return b.CreatedAt.Compare(a.CreatedAt) }
		}, Rules, Model, StoreTest),
		onShelf("the oldest is listed first", func(h *shelf) {
			h.newer = func(a, b checkout.Session) int {
				return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), strings.Compare(a.ID, b.ID))
			}
		}, Rules, Model, StoreTest),
	}
}

// Misses reports whether one of the given detectors must catch the bug and has not caught it.
func (b Bug) Misses(caught map[Detector]string, some ...Detector) bool {
	return slices.ContainsFunc(some, func(d Detector) bool { return slices.Contains(b.By, d) && caught[d] == "" })
}

// Sound is the store that most bugs are planted in, without a bug.
func Sound(testing.TB) checkout.Store { return newShelf() }

// Honest returns odds with which a store sometimes fails, with honest errors.
func Honest() lossy.Odds { return lossy.Odds{Unavailable: 5, Lost: 5, Dropped: 5} }
