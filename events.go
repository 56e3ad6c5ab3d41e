package checkout

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// MaxChanges is how many changes a session takes: [Checkouts.Begin] is refused beyond, so that a history is bounded. An
// outcome is always taken, so a history may have a few events more.
const MaxChanges = 100

// Event is one change of one session, or its creation. It has the session as the change left it, so a reader needs no second look, and
// does not see a later state by mistake.
type Event struct {
	// ID is "evt_", the session's UUID in hex, "_", and the sequence number. One change has one ID, for ever: whoever handles events
	// more than once can tell by it.
	ID string
	// Type is "checkout." and the status that the session had after the change, such as "checkout.completed".
	Type string
	// At is when the change was decided. For an expiry it is the session's ExpiresAt, also if the sweep came later.
	At time.Time
	// Session is as the change left it. Its Version is the event's sequence number: 1 is the creation, and each change has one more.
	// A reader that keeps the greatest number of each session can drop what comes late.
	Session Session
	// Cursor is the event's place in the feed. It is "" in a History.
	Cursor Cursor
}

// Cursor is a place in the feed of events. It is opaque: only the store that has made it knows what it means. "" is before the first
// event. A cursor survives a restart of the program, a failover and an upgrade.
type Cursor string

// LastEvent asks [Checkouts.Events] for the last event of the feed alone. A reader that does not care for the past begins at that event's
// Cursor, or at "" if there is none.
const LastEvent Cursor = "last"

// NewEvent is the event of the change that left a session as s. Stores make events with it.
func NewEvent(s Session, at Cursor) Event {
	return Event{ID: eventID(s.ID, s.Version), Type: "checkout." + string(s.Status), At: s.UpdatedAt, Session: s, Cursor: at}
}

func eventID(sessionID string, version int64) string {
	return "evt_" + sessionID[strings.LastIndexByte(sessionID, '_')+1:] + "_" + strconv.FormatInt(version, 10)
}

// Events returns up to limit events of all accounts, the oldest first, after a place in the feed: "" for the beginning, [LastEvent] for
// the end, then the Cursor of the last event that was returned. It is for the host to build on, such as a ledger, an audit, or
// messages of its own; package webhook is built on it too. Creations are not in it, because whoever creates a session has its
// answer.
//
// The feed never skips an event and never goes back: once an event was returned, no event ever appears before it. So a reader that
// stores the last Cursor in the transaction in which it stores what it did, meets each event exactly once. Several readers, each with
// a cursor of its own, do not disturb each other:
//
//	cursor, err := readCursor(ctx, db)
//	for err == nil {
//		var events []checkout.Event
//		if events, err = checkouts.Events(ctx, cursor, 100); err != nil || len(events) == 0 {
//			break // and ask again after a second
//		}
//		cursor = events[len(events)-1].Cursor
//		err = book(ctx, db, events, cursor) // in one transaction
//	}
//
// To ask when there are no events costs one read of an index.
//
// On PostgreSQL an event appears once every transaction is over that was under way when the event was written. A transaction that
// somebody leaves open holds up the feed, and not the sessions.
//
// The error is a [*ValidationError] for a limit below 1 or a bad cursor, or the store's.
func (c *Checkouts) Events(ctx context.Context, after Cursor, limit int) ([]Event, error) {
	if err := atLeastOne(limit); err != nil {
		return nil, err
	}
	events, err := c.store.Events(ctx, after, limit)
	if err != nil {
		return nil, fmt.Errorf("read events: %w", err)
	}
	return events, nil
}

// History returns every change of the account's session, its creation first, exactly as each change left it. It is for whoever looks into
// a complaint: what did the operator tell us, and when.
//
// It shows what is stored. A session that the clock has expired has no such event until [Checkouts.ExpireDue] has come to it.
// A session that was changed by a release without events has a history that begins with what is known; its first event then has a
// sequence number above 1.
//
// The errors are those of [Checkouts.Get].
func (c *Checkouts) History(ctx context.Context, account Account, id string) ([]Event, error) {
	if err := addressable(account, id); err != nil {
		return nil, err
	}
	events, err := c.store.History(ctx, account, id)
	if err != nil {
		return nil, fmt.Errorf("read a session's history: %w", err)
	}
	return events, nil
}

// Prune removes up to limit sessions of any account that were created before an instant and have ended, with their idempotency keys
// and their events, and returns how many. So a host keeps what the law and its merchants ask for, and no more:
//
//	for {
//		n, err := checkouts.Prune(ctx, time.Now().AddDate(0, -18, 0), 500)
//		if err != nil || n < 500 {
//			return err
//		}
//	}
//
// A key lives as long as its session. A request that comes again with a key that was pruned makes a new session, and a new payment.
// The outcome of a payment that comes for a session that was pruned is [ErrNotFound]. So "before" must be longer ago than any
// client retries and than any operator pays late.
//
// Sessions that are processing are not removed, however old: the operator holds money for them. Neither are sessions that are due and
// that no sweep has set to expired.
//
// The error is a [*ValidationError] for a limit below 1, or the store's.
func (c *Checkouts) Prune(ctx context.Context, before time.Time, limit int) (int, error) {
	if err := atLeastOne(limit); err != nil {
		return 0, err
	}
	n, err := c.store.Prune(ctx, before.UTC().Truncate(time.Microsecond), limit)
	if err != nil {
		return 0, fmt.Errorf("prune sessions: %w", err)
	}
	return n, nil
}

func atLeastOne(limit int) error {
	if limit < 1 {
		return &ValidationError{Fields: []FieldError{{Field: "limit", Code: CodeOutOfRange, Detail: "must be 1 or more"}}}
	}
	return nil
}
