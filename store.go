package checkout

import (
	"context"
	"time"

	"github.com/caisse/checkout/idempotency"
)

// Store keeps sessions and their events. It decides nothing: it has no clock, knows no table of transitions and starts no
// goroutine. The stores of this module are in store/memory, store/sqlite and store/postgres. storetest.Run of store/storetest
// tests any other store against this contract, and requires nothing beyond these comments.
//
// # What Checkouts promises to a store
//
// A store need not check or repeat any of this:
//
//   - Every time is in UTC and in whole microseconds, without a monotonic reading.
//   - Every text is valid UTF-8 without U+0000.
//   - A session that Create is given has Version 1, a Status of created or pending, an UpdatedAt that is its CreatedAt, no
//     CompletedAt, no FailureReason, and is not Late. Its ExpiresAt is 5 minutes to 24 hours after its CreatedAt.
//   - A session that Update is given has the version that was read, plus one. It differs from what was read in Status,
//     PaymentID, CompletedAt, FailureReason, Late, UpdatedAt and Version only. A store need not write any other field.
//   - A Query is valid: its Limit is 1 to 100, its Offset 0 to 10,000, its At is set. AfterID and AfterCreatedAt are set together
//     or not at all. If they are set, the Offset is 0.
//   - The limit of Expire, Events and Prune is 1 or more.
//
// # What a store promises
//
// Every method is safe for concurrent use, also by several processes if they share the store. A store shares no memory with its
// callers: it copies what it is given and what it returns. Times come back in UTC and as they were given.
//
// An error is, or wraps, one of these:
//
//   - [ErrNotFound], [ErrConflict] and [*ValidationError], where the method's comment says so.
//   - [ErrUnavailable]: the store is down, full or overloaded, and has certainly not written.
//   - [ErrOutcomeUnknown]: it may have written. Return it if the answer to a commit was lost, and in no other case.
//   - The context's own error: it has certainly not written.
//
// Any other error is an internal error of the store, and nothing was written. The store must have written nothing after every error
// but ErrOutcomeUnknown, because the host then believes that no payment was asked for. And ErrOutcomeUnknown should not be returned
// for everything, because a host that calls without an idempotency key then cannot know what to do.
//
// # Events
//
// Each change of a session, by Update or Expire, appends one event in the same atomic step: the session as the change left it. If one
// of them were written without the other, a webhook would report a payment that was rolled back, or no webhook would report a payment.
// A create appends no event. [NewEvent] makes an Event of a session.
type Store interface {
	// Create writes s, unless its account has already used its idempotency key in its mode. It returns the session that the key now
	// names. If created is true, this is s, which is now stored durably. Otherwise it is the session that was stored before, and
	// nothing of s was written.
	//
	// It must be one atomic step: of many calls with one key at once, one writes, and all others get its session. A session without a
	// key is always written. If a session of any account has the ID of s already, return any error, unless the key names a session:
	// IDs are random, so this does not happen.
	Create(ctx context.Context, s Session) (held Session, created bool, err error)
	// Get returns the session as it is stored, without regard to the clock. The error is ErrNotFound unless ID, account and mode match.
	Get(ctx context.Context, account Account, id string) (Session, error)
	// GetByKey returns the session that the account's key names, or ErrNotFound. The zero key names no session, even if sessions were
	// created without a key.
	GetByKey(ctx context.Context, account Account, key idempotency.Key) (Session, error)
	// Update replaces the session and appends its event, if the stored Version is s.Version-1. This comparison keeps two callers from
	// changing a session at once. The error is ErrConflict if another Version is stored, and ErrNotFound if the account has no session
	// of this ID in this mode. Then nothing is written.
	Update(ctx context.Context, s Session) error
	// List returns up to q.Limit sessions of the account that pass the filter of q, and total, the number of all that
	// pass. The newest CreatedAt comes first. Sessions with equal CreatedAt are in descending order of the bytes of their IDs.
	//
	// The filter: a session passes q.Status if that is its status at q.At, as [Session.StatusAt] returns it;
	// q.ClientReference, q.PaymentID and q.UserPhone if its own value is equal; q.CreatedAfter if it was created then or
	// later; q.CreatedBefore if it was created earlier. All sessions pass a field of q that has its zero value.
	//
	// If q.AfterID is set, q.AfterCreatedAt and q.AfterID are a place in the order, whether or not a session has it. The list
	// begins with the first session after this place, and total is 0: nothing is counted. Otherwise the list begins after the
	// first q.Offset sessions, and total is counted up to 10,001 and no further, from the same snapshot as the page.
	//
	// If q.UserPhone is set, List looks only at the first [MaxPhoneScan] sessions that pass the rest of the filter, counted from
	// where the list begins, and total is 0. If it has looked at that many and fewer than q.Limit of them have the phone, the last session
	// that it looked at must be the last one returned, whatever its phone, so that the caller knows where to go on.
	List(ctx context.Context, account Account, q Query) (sessions []Session, total int, err error)
	// Expire sets up to limit sessions of any account to expired, appends their events, and returns them as they then are:
	// Version one higher, UpdatedAt at ExpiresAt. It takes those that are created or pending and whose ExpiresAt is now or
	// earlier. The earliest ExpiresAt comes first, and sessions with equal ExpiresAt are in ascending order of ID. If several calls
	// run at once, no session is returned twice.
	Expire(ctx context.Context, now time.Time, limit int) ([]Session, error)
	// Events returns up to limit events of any account that come after a place in the feed, in the order of the feed. "" is the
	// place before the first event, and [LastEvent] asks for only the event that is now the last.
	//
	// Once an event was returned, no event may ever appear before it, whatever commits meanwhile. So a reader that continues from the
	// last Cursor gets every event exactly once. Numbers that are drawn before the commit do not give that order: a transaction
	// with a lower number may commit later. A store may therefore show an event only some time after its change, when all transactions
	// that could come before it have ended.
	//
	// A cursor stays valid when events are pruned, and after a restart. For a cursor that the store cannot have made, the error is a
	// [*ValidationError] about "cursor".
	Events(ctx context.Context, after Cursor, limit int) ([]Event, error)
	// History returns all events of one session in the order of Version, or ErrNotFound. The first is its creation, as Create was
	// given it, although no such event is stored. The events have no Cursor. If changes were made by a release without events, the
	// history begins with the oldest state that is known, whose Version is then above 1.
	History(ctx context.Context, account Account, id string) ([]Event, error)
	// Prune removes up to limit sessions, with their keys and events, and returns how many. It takes sessions of any account that were
	// created before an instant and are stored as completed, failed, expired or cancelled. Which of them go first is the store's
	// choice.
	Prune(ctx context.Context, before time.Time, limit int) (int, error)
}

// Query chooses sessions of one account. The zero Query is the newest 50. A session must pass all filters that are set.
type Query struct {
	// Status is the status that a session has now. A session that is due counts as expired, whether it was swept or not. "" is any
	// status.
	Status Status
	// ClientReference and PaymentID must be equal to the session's, byte for byte. "" is any.
	ClientReference string
	PaymentID       string
	// UserPhone is a number in any form that Create accepts; "" is any. A number of an old plan and its form of today are two different
	// numbers here: ask for both.
	//
	// There is no index for it, because every create would have to write that index. So a page looks at [MaxPhoneScan] sessions
	// at most. The page may have fewer sessions than Limit, or none, and still have a NextCursor.
	UserPhone string
	// CreatedAfter and CreatedBefore bound CreatedAt: it must be CreatedAfter or later, and before CreatedBefore. So a day goes from
	// its midnight to the next midnight. The zero time is no bound.
	CreatedAfter, CreatedBefore time.Time
	// Limit is the size of a page, 1 to 100. 0 is 50.
	Limit int
	// Offset is how many sessions to skip, 0 to 10,000. It is for user interfaces in which a person chooses, for example, the seventh
	// page. A program that wants all sessions should walk by Cursor, which costs the same at any depth.
	Offset int
	// Cursor is the NextCursor of the previous page, with the same filter. It cannot be combined with Offset. If it was changed, or comes
	// with another filter, the error is a [*ValidationError].
	Cursor string

	// At is the instant at which a session must have the Status. Checkouts sets it, for the Store.
	At time.Time
	// AfterCreatedAt and AfterID are the place that the Cursor names. Checkouts sets them, for the Store.
	AfterCreatedAt time.Time
	AfterID        string
}

// Page is one page of a list, newest first.
type Page struct {
	// Sessions are as they are now, up to Query.Limit.
	Sessions []Session
	// Total is how many sessions pass the filter, exact up to 10,000. It is -1 on a page by Cursor or by UserPhone, because these
	// lists are not counted.
	Total int
	// TotalMore says that more sessions than Total pass the filter.
	TotalMore bool
	// HasMore says that there are sessions after this page.
	HasMore bool
	// NextOffset is the Offset of the next page. It is 0 if there is no next page, if the Offset would exceed 10,000, and on a page by
	// Cursor or UserPhone.
	NextOffset int
	// NextCursor is the Cursor of the next page; "" where there is none.
	NextCursor string
}

// Clock gives the time. [Checkouts] reads it once for every decision and truncates the time to whole microseconds.
type Clock interface{ Now() time.Time }

// ClockFunc makes a function a [Clock]: checkout.ClockFunc(time.Now).
type ClockFunc func() time.Time

// Now implements [Clock].
func (f ClockFunc) Now() time.Time { return f() }
