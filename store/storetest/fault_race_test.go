package storetest_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/idempotency"
)

var raceFaults = []fault{
	{"checks, then inserts", "creates one session for many calls with one key at once",
		func(n *naive) checkout.Store { return checkThenInsert{n} }},
	{"tells every caller that it has created the session", "creates one session for many calls with one key at once",
		func(n *naive) checkout.Store { return allCreated{n} }},
	{"loses sessions that are created at once", "creates every session for many calls with different keys at once",
		func(n *naive) checkout.Store { return copyOnWrite{n} }},
	{"compares, then swaps", "lets exactly one of many updates of one version win",
		func(n *naive) checkout.Store { return compareThenSwap{n} }},
	{"expires what was updated meanwhile", "lets either an update or an expiry win",
		func(n *naive) checkout.Store { return selectThenExpire{n} }},
	{"logs updates that failed with a conflict", "lets exactly one of many updates of one version win",
		func(n *naive) checkout.Store { return logsLosers{n} }},
	{"logs an update that came after an expiry", "lets either an update or an expiry win",
		func(n *naive) checkout.Store { return logsLosers{n} }},
	{"logs an expiry for sessions beyond the limit of a sweep", "returns each expired session once when many sweeps run at once",
		func(n *naive) checkout.Store { return logsNext{n} }},
	{"logs an update when its session may have been pruned", "prunes a session completely while another call changes it",
		func(n *naive) checkout.Store {
			n.logged = func(s checkout.Session) []checkout.Session {
				if s.Status == checkout.StatusExpired {
					return []checkout.Session{s}
				}
				return nil // logsLater appends it
			}
			return logsLater{n}
		}},
	{"returns a session from two sweeps", "returns each expired session once when many sweeps run at once",
		func(n *naive) checkout.Store { return selectThenExpire{n} }},
	{"counts in a second query", "lists sessions and counts them at the same moment",
		func(n *naive) checkout.Store { return countsLater{n} }},
	{"shows a key before its session", "shows a new session completely or not at all",
		func(n *naive) checkout.Store { return &keyFirst{naive: n, keys: make(map[idempotency.Key]string)} }},
	{"writes a session field by field", "shows a new session completely or not at all",
		func(n *naive) checkout.Store { return fieldByField{n} }},
	{"updates a session field by field", "shows an update completely or not at all",
		func(n *naive) checkout.Store { return fieldByField{n} }},
	{"reads from a cache that is out of date", "shows an update completely or not at all",
		func(n *naive) checkout.Store { return &staleCache{naive: n} }},
}

// checkThenInsert checks that the key is free, and inserts later. Meanwhile another call may have inserted the same key.
type checkThenInsert struct{ *naive }

func (c checkThenInsert) Create(ctx context.Context, s checkout.Session) (checkout.Session, bool, error) {
	if held, err := c.GetByKey(ctx, s.Account, s.IdempotencyKey); err == nil {
		return held, false, nil
	}
	c.others(2)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sessions = append(c.sessions, own(s))
	return own(s), true, nil
}

// allCreated finds the session of a used key, but reports it as created.
type allCreated struct{ *naive }

func (a allCreated) Create(ctx context.Context, s checkout.Session) (checkout.Session, bool, error) {
	held, _, err := a.naive.Create(ctx, s)
	return held, true, err
}

// copyOnWrite reads all sessions, and later writes them back with the new one. Sessions that were added meanwhile are lost.
type copyOnWrite struct{ *naive }

func (c copyOnWrite) Create(_ context.Context, s checkout.Session) (checkout.Session, bool, error) {
	c.mu.Lock()
	all := slices.Clone(c.sessions)
	c.mu.Unlock()
	c.others(2)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sessions = append(all, own(s))
	return own(s), true, nil
}

// compareThenSwap compares the version, and writes later. Meanwhile another call may have written the same version.
type compareThenSwap struct{ *naive }

func (c compareThenSwap) Update(ctx context.Context, s checkout.Session) error {
	was, err := c.Get(ctx, s.Account, s.ID)
	if err != nil {
		return err
	}
	if !c.follows(was, s) {
		return c.conflict
	}
	c.others(2)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.put(c.replaced(was, s))
	return nil
}

// selectThenExpire selects the sessions that are due, and expires them later. Meanwhile another call may have changed them.
type selectThenExpire struct{ *naive }

func (e selectThenExpire) Expire(_ context.Context, now time.Time, limit int) ([]checkout.Session, error) {
	e.mu.Lock()
	due := e.dueAt(now)
	e.mu.Unlock()
	e.others(1)
	e.mu.Lock()
	defer e.mu.Unlock()
	moved := due[:min(len(due), limit)]
	for i := range moved {
		moved[i] = e.expired(moved[i])
		e.put(moved[i])
	}
	return moved, nil
}

// logsLosers appends the event of an update even if the update failed with a conflict.
type logsLosers struct{ *naive }

func (l logsLosers) Update(ctx context.Context, s checkout.Session) error {
	err := l.naive.Update(ctx, s)
	if errors.Is(err, checkout.ErrConflict) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.naive.append(s)
	}
	return err
}

// logsNext also logs an expiry for the sessions that the limit leaves to the next sweep.
type logsNext struct{ *naive }

func (l logsNext) Expire(ctx context.Context, now time.Time, limit int) ([]checkout.Session, error) {
	moved, err := l.naive.Expire(ctx, now, limit)
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.dueAt(now) {
		l.naive.append(l.expired(s))
	}
	return moved, err
}

// logsLater appends the event of an update in a transaction of its own.
type logsLater struct{ *naive }

func (l logsLater) Update(ctx context.Context, s checkout.Session) error {
	if err := l.naive.Update(ctx, s); err != nil {
		return err
	}
	l.others(1)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events++
	l.log = append(l.log, entry{l.events, own(s)})
	return nil
}

// countsLater lists from one snapshot and counts in another.
type countsLater struct{ *naive }

func (c countsLater) List(ctx context.Context, a checkout.Account, q checkout.Query) ([]checkout.Session, int, error) {
	sessions, _, err := c.naive.List(ctx, a, q)
	c.others(1)
	_, total, _ := c.naive.List(ctx, a, q)
	return sessions, total, err
}

// keyFirst writes a key first, and the session that it names some time later.
type keyFirst struct {
	*naive
	keys map[idempotency.Key]string
}

func (k *keyFirst) Create(ctx context.Context, s checkout.Session) (checkout.Session, bool, error) {
	k.mu.Lock()
	k.keys[s.IdempotencyKey] = s.ID
	k.mu.Unlock()
	k.others(2)
	return k.naive.Create(ctx, s)
}

func (k *keyFirst) GetByKey(ctx context.Context, a checkout.Account, key idempotency.Key) (checkout.Session, error) {
	k.mu.Lock()
	id, ok := k.keys[key]
	k.mu.Unlock()
	if !ok {
		return checkout.Session{}, checkout.ErrNotFound
	}
	if s, err := k.Get(ctx, a, id); err == nil {
		return s, nil
	}
	return checkout.Session{ID: id, Account: a, IdempotencyKey: key}, nil
}

// fieldByField writes a session with some fields empty, and fills them in later.
type fieldByField struct{ *naive }

func (f fieldByField) Create(ctx context.Context, s checkout.Session) (checkout.Session, bool, error) {
	half := s
	half.UserPhone, half.Fingerprint = "", idempotency.Fingerprint{}
	_, created, err := f.naive.Create(ctx, half)
	f.others(2)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.put(own(s))
	return own(s), created, err
}

func (f fieldByField) Update(ctx context.Context, s checkout.Session) error {
	half := s
	half.PaymentID = ""
	err := f.naive.Update(ctx, half)
	f.others(2)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.put(own(s))
	return err
}

// staleCache answers Get from a cache. It removes an entry only some time after the session has changed.
type staleCache struct {
	*naive
	cached sync.Map
}

func (c *staleCache) Get(ctx context.Context, a checkout.Account, id string) (checkout.Session, error) {
	if s, ok := c.cached.Load(id); ok {
		return s.(checkout.Session), nil
	}
	s, err := c.naive.Get(ctx, a, id)
	if err == nil {
		c.cached.Store(id, s)
	}
	return s, err
}

func (c *staleCache) Update(ctx context.Context, s checkout.Session) error {
	err := c.naive.Update(ctx, s)
	c.others(2)
	c.cached.Delete(s.ID)
	return err
}
