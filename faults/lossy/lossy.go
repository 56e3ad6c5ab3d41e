// Package lossy is a store that fails and delays at random, as networks and disks do. Its errors are honest: they say no more
// than a real store could know.
package lossy

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/idempotency"
)

// Odds say how many of a hundred calls, on average, fail or are late.
type Odds struct {
	Unavailable int // nothing is done, and ErrUnavailable says so
	Lost        int // a write is done, and ErrOutcomeUnknown says that it may be
	Dropped     int // a write is not done, and ErrOutcomeUnknown says that it may be
	Late        int // the call is carried out, and its answer comes late
}

// Store passes calls on to another store, or fails them. It always passes on Events, History and Prune.
type Store struct {
	checkout.Store
	odds Odds

	mu     sync.Mutex
	random *rand.Rand
}

// New makes a store that fails with these odds.
func New(store checkout.Store, odds Odds, seed uint64) *Store {
	return &Store{Store: store, odds: odds, random: rand.New(rand.NewPCG(seed, 0))}
}

// fate is what happens to one call.
type fate int

const (
	passed fate = iota
	unavailable
	lost
	dropped
	late
)

func (s *Store) fate() fate {
	s.mu.Lock()
	n := s.random.IntN(100)
	s.mu.Unlock()
	for _, f := range []struct {
		odds int
		fate fate
	}{{s.odds.Unavailable, unavailable}, {s.odds.Lost, lost}, {s.odds.Dropped, dropped}, {s.odds.Late, late}} {
		if n < f.odds {
			return f.fate
		}
		n -= f.odds
	}
	return passed
}

// write chooses what happens to a write, and carries it out unless it is to be dropped.
func (s *Store) write(call func() error) error {
	switch s.fate() {
	case unavailable:
		return fmt.Errorf("lossy: %w", checkout.ErrUnavailable)
	case lost:
		if err := call(); err != nil {
			return err // it was not written, so its outcome is known
		}
		return fmt.Errorf("lossy: written: %w", checkout.ErrOutcomeUnknown)
	case dropped:
		return fmt.Errorf("lossy: not written: %w", checkout.ErrOutcomeUnknown)
	case late:
		defer others()
	}
	return call()
}

// read chooses what happens to a read.
func (s *Store) read(call func() error) error {
	switch s.fate() {
	case unavailable:
		return fmt.Errorf("lossy: %w", checkout.ErrUnavailable)
	case late:
		defer others()
	}
	return call()
}

// others lets other goroutines run. Without it a store in memory is so fast that calls hardly ever overlap.
func others() {
	for range 16 {
		runtime.Gosched()
	}
}

// Create implements [checkout.Store].
func (s *Store) Create(ctx context.Context, session checkout.Session) (held checkout.Session, created bool, err error) {
	err = s.write(func() (err error) {
		held, created, err = s.Store.Create(ctx, session)
		return err
	})
	if err != nil {
		return checkout.Session{}, false, err
	}
	return held, created, nil
}

// Update implements [checkout.Store].
func (s *Store) Update(ctx context.Context, session checkout.Session) error {
	return s.write(func() error { return s.Store.Update(ctx, session) })
}

// Expire implements [checkout.Store].
func (s *Store) Expire(ctx context.Context, now time.Time, limit int) (expired []checkout.Session, err error) {
	err = s.write(func() (err error) {
		expired, err = s.Store.Expire(ctx, now, limit)
		return err
	})
	if err != nil {
		return nil, err
	}
	return expired, nil
}

// Get implements [checkout.Store].
func (s *Store) Get(ctx context.Context, account checkout.Account, id string) (found checkout.Session, err error) {
	err = s.read(func() (err error) {
		found, err = s.Store.Get(ctx, account, id)
		return err
	})
	return found, err
}

// GetByKey implements [checkout.Store].
func (s *Store) GetByKey(ctx context.Context, account checkout.Account, key idempotency.Key) (found checkout.Session, err error) {
	err = s.read(func() (err error) {
		found, err = s.Store.GetByKey(ctx, account, key)
		return err
	})
	return found, err
}

// List implements [checkout.Store].
func (s *Store) List(ctx context.Context, account checkout.Account, q checkout.Query) (sessions []checkout.Session, total int, err error) {
	err = s.read(func() (err error) {
		sessions, total, err = s.Store.List(ctx, account, q)
		return err
	})
	return sessions, total, err
}
