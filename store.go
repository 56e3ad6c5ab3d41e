package checkout

import (
	"context"
	"time"

	"github.com/caisse/checkout/idempotency"
)

// Store keeps sessions. It decides nothing: it keeps no clock, knows no table of transitions and starts no goroutine.
// The stores of this module are in store/memory, store/sqlite and store/postgres; storetest.Run of store/storetest
// holds any other to this contract.
//
// Every method is safe for concurrent use. What a store returns shares no memory with what it keeps. Times come back
// in UTC and to the microsecond.
//
// Errors are, or wrap, [ErrNotFound], [ErrConflict], [ErrUnavailable] (surely not written), [ErrOutcomeUnknown] (it
// may be written) or the context's own error (surely not written). A definite error never stands for a write that
// happened: only ErrOutcomeUnknown may. Any other error is a fault, and nothing was written.
type Store interface {
	// Create writes s unless its account already used its idempotency key, and returns whichever session the key
	// now names. Atomic, and durable when it returns created. A session without a key is always written. A session
	// that is returned with created false is as it was kept: nothing of s was written. An ID that is taken, whichever
	// account has it, is an error unless the key names a session.
	Create(ctx context.Context, s Session) (held Session, created bool, err error)
	// Get returns the session as it is kept, or ErrNotFound. Account and mode must match.
	Get(ctx context.Context, account Account, id string) (Session, error)
	// GetByKey returns the session that the key names, or ErrNotFound. The zero key names none.
	GetByKey(ctx context.Context, account Account, key idempotency.Key) (Session, error)
	// Update replaces the session if its stored Version is s.Version-1: else ErrConflict, or ErrNotFound. ID,
	// Account, CreatedAt, IdempotencyKey and Fingerprint of a session never change; a store need not write them.
	Update(ctx context.Context, s Session) error
	// List returns up to q.Limit sessions of the account, after the first q.Offset, that pass the filter, and how
	// many pass in all, from one snapshot. A session passes q.Status if that is its status at q.At, and
	// q.PaymentID if that is its payment; the zero values pass all. The order is newest CreatedAt first, equal
	// instants by ID in descending order of its bytes.
	List(ctx context.Context, account Account, q Query) (sessions []Session, total int, err error)
	// Expire moves up to limit sessions of any account that are created or pending and due at now to expired, the
	// longest due first and equal instants by ID in ascending order, and returns them as they then are, their Version
	// one higher. A session is due when its ExpiresAt is now or earlier. Instances that sweep at once share the work: no session is returned twice.
	Expire(ctx context.Context, now time.Time, limit int) ([]Session, error)
}

// Query chooses sessions of one account. The zero Query is the newest 50.
type Query struct {
	Status    Status    // "": any
	PaymentID string    // "": any
	Limit     int       // 1 to 100; 0: 50
	Offset    int       // how many to pass over, 0 and up
	At        time.Time // the instant at which Status is asked; Checkouts sets it
}

// Page is one page of a list, newest first.
type Page struct {
	Sessions   []Session
	Total      int // sessions that the filter matches
	HasMore    bool
	NextOffset int // 0 where there is no more; null on the wire
}

// Clock tells the time. [Checkouts] asks it once for every decision and cuts it to whole microseconds.
type Clock interface{ Now() time.Time }

// ClockFunc makes a function a [Clock]: checkout.ClockFunc(time.Now).
type ClockFunc func() time.Time

// Now implements [Clock].
func (f ClockFunc) Now() time.Time { return f() }
