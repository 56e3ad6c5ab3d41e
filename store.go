package checkout

import (
	"context"
	"time"

	"github.com/caisse/checkout/idempotency"
)

// Store keeps sessions and what has changed in them. It decides nothing: it keeps no clock, knows no table of
// transitions and starts no goroutine. The stores of this module are in store/memory, store/sqlite and store/postgres;
// storetest.Run of store/storetest holds any other to this contract, and asks for nothing that these comments do not say.
//
// # What Checkouts promises a store
//
// A store need not check or repeat any of this:
//
//   - Every time is in UTC and in whole microseconds, without a monotonic reading.
//   - Every text is valid UTF-8 without U+0000.
//   - A session that Create is given has Version 1, a Status of created or pending, an UpdatedAt that is its CreatedAt, no
//     CompletedAt, no FailureReason, and is not Late. Its ExpiresAt is 5 minutes to 24 hours after its CreatedAt.
//   - A session that Update is given has the version that was read, plus one. It differs from what was read in Status,
//     PaymentID, CompletedAt, FailureReason, Late, UpdatedAt and Version only. A store need not write any other field.
//   - A Query is valid: its Limit is 1 to 100, its Offset 0 to 10,000, its At is set. AfterID and AfterCreatedAt are set
//     together, or neither, and then the Offset is 0.
//   - The limit of Expire, Events and Prune is 1 or more.
//
// # What a store promises
//
// Every method is safe for concurrent use. What a store returns shares no memory with what it keeps, and it keeps none of
// what it was given. Times come back in UTC and as they were given.
//
// Errors are, or wrap, [ErrNotFound], [ErrConflict], [ErrUnavailable] (surely not written), [ErrOutcomeUnknown] (it
// may be written) or the context's own error (surely not written). A definite error never stands for a write that
// happened: only ErrOutcomeUnknown may. Any other error is a fault, and nothing was written. Each method says which of
// the first two it may return, and when.
//
// # Events
//
// Each change of a session, by Update or Expire, appends one event in the same atomic step: the session as the change
// left it. A create appends none. [NewEvent] makes an Event of a session.
type Store interface {
	// Create writes s unless its account already used its idempotency key, and returns whichever session the key
	// now names. Atomic, and durable when it returns created. A session without a key is always written. A session
	// that is returned with created false is as it was kept: nothing of s was written. An ID that is taken, whichever
	// account has it, is an error unless the key names a session; any error will do, since IDs are random and it does not
	// happen.
	Create(ctx context.Context, s Session) (held Session, created bool, err error)
	// Get returns the session as it is kept, or ErrNotFound. Account and mode must match.
	Get(ctx context.Context, account Account, id string) (Session, error)
	// GetByKey returns the session that the key names, or ErrNotFound. The zero key names none.
	GetByKey(ctx context.Context, account Account, key idempotency.Key) (Session, error)
	// Update replaces the session and appends its event, if the Version that is stored is s.Version-1. It is ErrConflict
	// where another Version is stored, and ErrNotFound where the account has no session of this ID in this mode.
	Update(ctx context.Context, s Session) error
	// List returns up to q.Limit sessions of the account that pass the filter of q, from where q begins, and how many
	// pass in all. The order is newest CreatedAt first, equal instants by ID in descending order of its bytes.
	//
	// The filter: a session passes q.Status if that is its status at q.At, as [Session.StatusAt] tells it;
	// q.ClientReference, q.PaymentID and q.UserPhone if its own is equal; q.CreatedAfter if it was created then or
	// later; q.CreatedBefore if it was created before. The zero value of each passes all.
	//
	// Where q.AfterID is set, the list begins with the first session that stands after the place of q.AfterCreatedAt
	// and q.AfterID in the order, whether or not a session has that place, and total is 0: nothing is counted. Else
	// it begins after the first q.Offset sessions, and total is how many pass, counted up to 10,001 and no further,
	// from the same snapshot as the page.
	//
	// Where q.UserPhone is set, only the first [MaxPhoneScan] sessions that pass the rest of the filter are looked at,
	// from where q begins, and total is 0. Where all of those are there, and fewer than q.Limit of them have the phone, the
	// last one looked at is returned too, as the last, whatever its phone: so the caller knows where to go on.
	List(ctx context.Context, account Account, q Query) (sessions []Session, total int, err error)
	// Expire moves up to limit sessions of any account that are created or pending and due at now to expired, the
	// longest due first and equal instants by ID in ascending order, appends their events, and returns them as they then
	// are: Version one higher, UpdatedAt at ExpiresAt. A session is due when its ExpiresAt is now or earlier. Instances
	// that sweep at once share the work: no session is returned twice.
	Expire(ctx context.Context, now time.Time, limit int) ([]Session, error)
	// Events returns up to limit events of any account that stand after a place in the feed, in its order. An event
	// never appears before one that was returned already, whatever commits meanwhile: who goes on from the last Cursor
	// meets every event exactly once. It may appear some time after its change: where others commit in another order than
	// they began, once those are over. "" is before the first event. A cursor stays good when events were pruned, and
	// after a restart. [LastEvent] stands for the event that is now last: where it is given, that event alone is returned.
	// Any other cursor that the store cannot have made is a [*ValidationError] about "cursor".
	Events(ctx context.Context, after Cursor, limit int) ([]Event, error)
	// History returns the events of one session in the order of Version, or ErrNotFound. The first is its creation, as
	// Create was given it. The events of a History have no Cursor. Where changes were made before the store kept events,
	// the history begins with the oldest state that is known, whose Version is then above 1.
	History(ctx context.Context, account Account, id string) ([]Event, error)
	// Prune removes up to limit sessions that were created before an instant and are kept as completed, failed, expired or
	// cancelled, with their keys and events, and returns how many. Which of them go first is the store's choice.
	Prune(ctx context.Context, before time.Time, limit int) (int, error)
}

// Query chooses sessions of one account. The zero Query is the newest 50. All of its filters must pass.
type Query struct {
	Status          Status // as it is now; "": any
	ClientReference string // "": any
	PaymentID       string // "": any
	// UserPhone is a number in any form that Create accepts; "": any. A number of an old plan and the one that is dialled
	// today are two. No index serves it: a page looks at [MaxPhoneScan] sessions at most, so it may hold fewer than Limit,
	// or none, and still have more.
	UserPhone     string
	CreatedAfter  time.Time // created then or later; zero: open
	CreatedBefore time.Time // created before; zero: open
	Limit         int       // 1 to 100; 0: 50
	Offset        int       // how many to pass over, 0 to 10,000; beyond, walk by Cursor
	Cursor        string    // Page.NextCursor of the page before, with the same filter; not with Offset

	At             time.Time // the instant at which Status is asked; Checkouts sets it
	AfterCreatedAt time.Time // with AfterID the place that Cursor stands for; Checkouts sets it
	AfterID        string
}

// Page is one page of a list, newest first.
type Page struct {
	Sessions   []Session
	Total      int    // sessions that the filter matches, exact up to 10,000; -1 on a page by Cursor or UserPhone
	TotalMore  bool   // there are more than Total
	HasMore    bool   // there are sessions after this page
	NextOffset int    // 0 where there is no more, beyond 10,000, or on a page by Cursor or UserPhone; null on the wire
	NextCursor string // "" where there is no more
}

// Clock tells the time. [Checkouts] asks it once for every decision and cuts it to whole microseconds.
type Clock interface{ Now() time.Time }

// ClockFunc makes a function a [Clock]: checkout.ClockFunc(time.Now).
type ClockFunc func() time.Time

// Now implements [Clock].
func (f ClockFunc) Now() time.Time { return f() }
