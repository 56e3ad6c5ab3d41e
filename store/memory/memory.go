// Package memory keeps checkout sessions in memory: for tests, for first steps, and for hosts that can afford to lose
// them all when the process ends.
//
// The number of sessions of a [Store] is bounded. When it is full, it refuses new sessions with [checkout.ErrUnavailable] and forgets
// none. A store that forgot a session would free its idempotency key, and the client's next retry would be a second payment.
//
// A session of usual size takes about 500 bytes. So a full store of [New] takes about 500 MB, and up to twice as much before the garbage
// collector runs. The first change of a session takes some 250 bytes more, and each further change 130, not counting new texts. A client
// reference or payment ID that no other session of the account has takes another 130. Only Prune removes sessions: those that have
// ended, with their keys and events.
package memory

import (
	"context"
	"fmt"
	"sync"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/idempotency"
)

// DefaultLimit is the greatest number of sessions in a store of [New].
const DefaultLimit = 1_000_000

// Store is a [checkout.Store] in memory. It is safe for concurrent use. Make one with [New] or [NewLimit].
//
// One lock guards all sessions and events. Reads share it. Expire keeps it while it expires sessions, List while it reads, skips and
// counts sessions, and Prune while it looks at every session. Every other call usually keeps it for a few microseconds.
type Store struct {
	limit int

	mu       sync.RWMutex
	byID     map[string]*record
	byKey    map[ownedKey]*record
	accounts map[checkout.Account]*account
	due      dueHeap
	feed     []*state // oldest first
	events   uint64   // how many events there have been, with the pruned ones

	webhooksOnce sync.Once
	webhooks     *webhooks
}

// ownedKey is an idempotency key with its account and mode.
type ownedKey struct {
	owner *account
	key   idempotency.Key
}

var _ checkout.Store = (*Store)(nil)

// New makes an empty store that holds up to [DefaultLimit] sessions.
func New() *Store { return NewLimit(DefaultLimit) }

// NewLimit makes an empty store that holds up to n sessions of all accounts together, and none if n is 0 or less.
func NewLimit(n int) *Store {
	return &Store{
		limit:    n,
		byID:     make(map[string]*record),
		byKey:    make(map[ownedKey]*record),
		accounts: make(map[checkout.Account]*account),
	}
}

// Close does nothing. It is there so that a host can exchange this store for another one.
func (*Store) Close() error { return nil }

// Create implements [checkout.Store]. A full store still finds the sessions of keys that it knows, and refuses everything else with
// [checkout.ErrUnavailable].
func (m *Store) Create(ctx context.Context, s checkout.Session) (held checkout.Session, created bool, err error) {
	if err := ctx.Err(); err != nil {
		return checkout.Session{}, false, err
	}
	r := newRecord(s)

	m.mu.Lock()
	defer m.mu.Unlock()
	owner := m.accounts[s.Account]
	if first := m.byKey[ownedKey{owner, s.IdempotencyKey}]; first != nil {
		return first.session(), false, nil
	}
	if m.byID[s.ID] != nil {
		return checkout.Session{}, false, fmt.Errorf("memory: the session id %s is taken", s.ID)
	}
	if len(m.byID) >= m.limit {
		err := fmt.Errorf("memory: full, with %d sessions: %w", len(m.byID), checkout.ErrUnavailable)
		return checkout.Session{}, false, err
	}
	if r.owner = owner; owner == nil {
		r.owner = newAccount(s.Account)
		m.accounts[r.owner.Account] = r.owner
	}
	m.insert(r)
	return r.session(), true, nil
}

// insert adds r to every index.
func (m *Store) insert(r *record) {
	r.owner.insert(r)
	m.byID[r.id()] = r
	if key := r.key(); key != "" {
		m.byKey[ownedKey{r.owner, key}] = r
	}
	m.due.track(r)
}

// Get implements [checkout.Store].
func (m *Store) Get(ctx context.Context, account checkout.Account, id string) (checkout.Session, error) {
	if err := ctx.Err(); err != nil {
		return checkout.Session{}, err
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	r := m.find(account, id)
	if r == nil {
		return checkout.Session{}, checkout.ErrNotFound
	}
	return r.session(), nil
}

// GetByKey implements [checkout.Store].
func (m *Store) GetByKey(ctx context.Context, account checkout.Account, key idempotency.Key) (checkout.Session, error) {
	if err := ctx.Err(); err != nil {
		return checkout.Session{}, err
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	r := m.byKey[ownedKey{m.accounts[account], key}]
	if r == nil {
		return checkout.Session{}, checkout.ErrNotFound
	}
	return r.session(), nil
}

// Update implements [checkout.Store].
func (m *Store) Update(ctx context.Context, s checkout.Session) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.find(s.Account, s.ID)
	switch {
	case r == nil:
		return checkout.ErrNotFound
	case r.version != s.Version-1:
		return checkout.ErrConflict
	}
	m.change(r, s)
	return nil
}

// find returns the account's record with this id, or nil.
func (m *Store) find(account checkout.Account, id string) *record {
	if r := m.byID[id]; r != nil && r.owner.Account == account {
		return r
	}
	return nil
}
