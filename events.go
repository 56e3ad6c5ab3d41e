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

// Event is one change of one session, or its creation.
type Event struct {
	// ID is "evt_", the session's UUID in hex, "_", and the sequence number: one change has one ID, for ever.
	ID string
	// Type is "checkout." and the status that the session then had.
	Type string
	// At is when the change was decided. An expiry that the clock decided and a sweep wrote has the session's ExpiresAt.
	At time.Time
	// Session is as the change left it. Its Version is the event's sequence number: 1 is the creation, and each change
	// has one more.
	Session Session
	// Cursor is the event's place in the feed; "" in a History.
	Cursor Cursor
}

// Cursor is a place in the feed of events. It is opaque, and means something to the store that made it only. "" is before
// the first event. It survives a restart of the program, a failover and an upgrade.
type Cursor string

// LastEvent, given to Events as a cursor, asks for the last event of the feed alone: a reader that begins at its Cursor,
// or at "" where there is none, meets all that comes later.
const LastEvent Cursor = "last"

// NewEvent is the event of the change that left a session as s. Stores make events with it.
func NewEvent(s Session, at Cursor) Event {
	return Event{ID: eventID(s.ID, s.Version), Type: "checkout." + string(s.Status), At: s.UpdatedAt, Session: s, Cursor: at}
}

func eventID(sessionID string, version int64) string {
	return "evt_" + sessionID[strings.LastIndexByte(sessionID, '_')+1:] + "_" + strconv.FormatInt(version, 10)
}

// Events returns up to limit events of all accounts, the oldest first, from after a place in the feed: "" for the
// beginning, [LastEvent] for its end, then the Cursor of the last event that was returned. It is for the host, to build on: webhooks, an audit, side
// effects of its own. Creations are not in it, since whoever creates a session has its answer.
//
// The feed never skips and never goes back. No event is ever put before one that was returned, so a reader that keeps the
// last Cursor together with what it did meets each event once. Several readers, each with its own cursor, do not disturb
// each other.
//
// On PostgreSQL an event appears once every transaction is over that was under way when it was written: a transaction that
// is left open holds up the feed, not the sessions.
//
// The error is a [*ValidationError] for a limit below 1 or a cursor that is none, or is the store's.
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

// History returns every change of the account's session, its creation first, exactly as each left it. It is as the store
// keeps it: a session that the clock has expired has no such event until [Checkouts.ExpireDue] has come to it.
//
// A session that was changed under a release without events has a history that begins with what is known: its first event
// then has a sequence number above 1.
//
// Errors are those of [Checkouts.Get].
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

// Prune removes up to limit sessions of any account that were created before an instant and have ended, with their
// idempotency keys and their events, and returns how many. It is how a host keeps what the law and its merchants ask for
// and no more:
//
//	for {
//		n, err := checkouts.Prune(ctx, time.Now().AddDate(0, -18, 0), 500)
//		if err != nil || n < 500 {
//			return err
//		}
//	}
//
// A key lives as long as its session: a request that comes again with a key that was pruned makes a new session, and a new
// payment. So "before" must lie further back than any client retries, and than any operator pays late: the outcome of a
// session that was pruned is [ErrNotFound]. Sessions that are due and that no sweep has moved to expired yet stay, and so
// do those that are processing.
//
// The error is a [*ValidationError] for a limit below 1, or is the store's.
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
