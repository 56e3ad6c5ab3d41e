package storetest_test

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/idempotency"
)

// naive is the plainest store that keeps the contract: a slice, a lock, and a walk through all of it for every call.
// What it decides by are fields, so that a fault is one field replaced.
type naive struct {
	mu       sync.Mutex
	sessions []checkout.Session
	calls    atomic.Int64

	over       func(ctx context.Context) error                // asked before anything else
	written    func(s checkout.Session) checkout.Session      // what Create keeps of s
	replaced   func(was, s checkout.Session) checkout.Session // what Update makes of was
	owns       func(asked, owner checkout.Account) bool
	sameKey    func(held, s checkout.Session) bool // whether s comes under the key of held
	sameID     func(held, s checkout.Session) bool
	follows    func(was, s checkout.Session) bool // whether s is the next version
	newer      func(a, b checkout.Session) int    // the order of a list
	passes     func(s checkout.Session, q checkout.Query) bool
	page       func(passed []checkout.Session, q checkout.Query) (page []checkout.Session, total int)
	waits      func(s checkout.Session) bool
	due        func(s checkout.Session, now time.Time) bool
	sooner     func(a, b checkout.Session) int // the order of a sweep
	most       func(due, limit int) int        // how many of those due a sweep moves
	expired    func(s checkout.Session) checkout.Session
	taken      error
	notFound   error
	conflict   error
	afterwards func(ctx context.Context) error // asked when a write is done
}

func newNaive() *naive {
	return &naive{
		over:    context.Context.Err,
		written: inUTC,
		replaced: func(was, s checkout.Session) checkout.Session {
			s.CreatedAt, s.IdempotencyKey, s.Fingerprint = was.CreatedAt, was.IdempotencyKey, was.Fingerprint
			return inUTC(s)
		},
		owns: func(asked, owner checkout.Account) bool { return asked == owner },
		sameKey: func(held, s checkout.Session) bool {
			return held.Account == s.Account && held.IdempotencyKey == s.IdempotencyKey && s.IdempotencyKey != ""
		},
		sameID:  func(held, s checkout.Session) bool { return held.ID == s.ID },
		follows: func(was, s checkout.Session) bool { return s.Version == was.Version+1 },
		newer: func(a, b checkout.Session) int {
			return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), strings.Compare(b.ID, a.ID))
		},
		passes: func(s checkout.Session, q checkout.Query) bool {
			return (q.Status == "" || q.Status == s.StatusAt(q.At)) && (q.PaymentID == "" || q.PaymentID == s.PaymentID)
		},
		page: func(passed []checkout.Session, q checkout.Query) ([]checkout.Session, int) {
			from := min(q.Offset, len(passed))
			to := min(from+cmp.Or(q.Limit, 50), len(passed))
			return passed[from:to], len(passed)
		},
		waits: func(s checkout.Session) bool {
			return s.Status == checkout.StatusCreated || s.Status == checkout.StatusPending
		},
		due: func(s checkout.Session, now time.Time) bool { return !s.ExpiresAt.After(now) },
		sooner: func(a, b checkout.Session) int {
			return cmp.Or(a.ExpiresAt.Compare(b.ExpiresAt), strings.Compare(a.ID, b.ID))
		},
		most: func(due, limit int) int { return min(due, limit) },
		expired: func(s checkout.Session) checkout.Session {
			s.Status = checkout.StatusExpired
			s.Version++
			return s
		},
		taken:      errors.New("the id is taken"),
		notFound:   checkout.ErrNotFound,
		conflict:   checkout.ErrConflict,
		afterwards: func(context.Context) error { return nil },
	}
}

func inUTC(s checkout.Session) checkout.Session {
	for _, at := range []*time.Time{&s.CreatedAt, &s.ExpiresAt, &s.CompletedAt} {
		*at = at.UTC().Truncate(time.Microsecond)
	}
	return s
}

func (n *naive) begin(ctx context.Context) error {
	n.calls.Add(1)
	return n.over(ctx)
}

func (n *naive) Create(ctx context.Context, s checkout.Session) (checkout.Session, bool, error) {
	if err := n.begin(ctx); err != nil {
		return checkout.Session{}, false, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, held := range n.sessions {
		if n.sameKey(held, s) {
			return held, false, nil
		}
	}
	for _, held := range n.sessions {
		if n.sameID(held, s) {
			return checkout.Session{}, false, n.taken
		}
	}
	s = n.written(s)
	n.sessions = append(n.sessions, s)
	return s, true, n.afterwards(ctx)
}

func (n *naive) Get(ctx context.Context, account checkout.Account, id string) (checkout.Session, error) {
	return n.first(ctx, func(s checkout.Session) bool { return s.ID == id && n.owns(account, s.Account) })
}

func (n *naive) GetByKey(ctx context.Context, account checkout.Account, key idempotency.Key) (checkout.Session, error) {
	asked := checkout.Session{Account: account, IdempotencyKey: key}
	return n.first(ctx, func(s checkout.Session) bool { return n.sameKey(s, asked) })
}

func (n *naive) first(ctx context.Context, is func(checkout.Session) bool) (checkout.Session, error) {
	if err := n.begin(ctx); err != nil {
		return checkout.Session{}, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if i := slices.IndexFunc(n.sessions, is); i >= 0 {
		return n.sessions[i], nil
	}
	return checkout.Session{}, n.notFound
}

func (n *naive) Update(ctx context.Context, s checkout.Session) error {
	if err := n.begin(ctx); err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	i := slices.IndexFunc(n.sessions, func(held checkout.Session) bool {
		return held.ID == s.ID && n.owns(s.Account, held.Account)
	})
	switch {
	case i < 0:
		return n.notFound
	case !n.follows(n.sessions[i], s):
		return n.conflict
	}
	n.sessions[i] = n.replaced(n.sessions[i], s)
	return n.afterwards(ctx)
}

func (n *naive) List(ctx context.Context, account checkout.Account, q checkout.Query) ([]checkout.Session, int, error) {
	if err := n.begin(ctx); err != nil {
		return nil, 0, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	var passed []checkout.Session
	for _, s := range n.sessions {
		if n.owns(account, s.Account) && n.passes(s, q) {
			passed = append(passed, s)
		}
	}
	slices.SortStableFunc(passed, n.newer)
	page, total := n.page(passed, q)
	return page, total, nil
}

func (n *naive) Expire(ctx context.Context, now time.Time, limit int) ([]checkout.Session, error) {
	if err := n.begin(ctx); err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	due := n.dueAt(now)
	moved := due[:n.most(len(due), limit)]
	for i := range moved {
		moved[i] = n.expired(moved[i])
		n.put(moved[i])
	}
	return moved, n.afterwards(ctx)
}

// dueAt returns copies of what a sweep would move, in its order.
func (n *naive) dueAt(now time.Time) []checkout.Session {
	var due []checkout.Session
	for _, s := range n.sessions {
		if n.waits(s) && n.due(s, now) {
			due = append(due, s)
		}
	}
	slices.SortStableFunc(due, n.sooner)
	return due
}

// put writes s over the session of its ID.
func (n *naive) put(s checkout.Session) {
	i := slices.IndexFunc(n.sessions, func(held checkout.Session) bool { return held.ID == s.ID })
	n.sessions[i] = s
}

// others lets other calls happen, as a round trip to a database would: as many as that, or fewer if they do not come.
func (n *naive) others(calls int64) {
	enough, late := n.calls.Load()+calls, time.Now().Add(10*time.Millisecond)
	for n.calls.Load() < enough && time.Now().Before(late) {
		time.Sleep(10 * time.Microsecond)
	}
}
