package checkout

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"
)

// MaxChanges bounds the history of a session: [Checkouts.Begin] is refused once the session's Version has reached it. Its creation
// counts as the first change. Outcomes are always accepted, so a history may have a few events more.
const MaxChanges = 100

// Event is one change of one session, or its creation. It has the session as the change left it. So a reader need not read the session,
// and does not see a later state by mistake.
type Event struct {
	// ID is "evt_", the session's UUID in hex, "_", and the sequence number. The ID of a change never changes, so a program that
	// gets an event more than once can recognize it.
	ID string
	// Type is "checkout." and the status that the session had after the change, such as "checkout.completed".
	Type string
	// At is when the change was decided. For an expiry it is the session's ExpiresAt, also if the sweep came later.
	At time.Time
	// Session is as the change left it. Its Version is the event's sequence number: 1 for the creation, and one more for each
	// change. A reader that keeps the greatest number of each session can drop older events that arrive later.
	Session Session
	// Cursor is the event's place in the feed. It is "" in a History.
	Cursor Cursor
}

// LogValue implements [slog.LogValuer]. The session is shown as its own LogValue shows it, with the phone number masked.
func (e Event) LogValue() slog.Value {
	return slog.GroupValue(slog.String("id", e.ID), slog.String("type", e.Type), slog.Time("at", e.At), slog.Any("session", e.Session))
}

// Cursor is a place in the feed of events. It is opaque: only the store that has made it knows what it means. "" is before the first
// event. A cursor stays valid after a restart of the program, a failover and an upgrade.
type Cursor string

// LastEvent asks [Checkouts.Events] for only the last event of the feed. A reader that does not need past events begins at the
// Cursor of that event, or at "" if there is none.
const LastEvent Cursor = "last"

// NewEvent returns the event of the change that left a session as s. Stores make events with it.
func NewEvent(s Session, at Cursor) Event {
	return Event{ID: eventID(s.ID, s.Version), Type: "checkout." + string(s.Status), At: s.UpdatedAt, Session: s, Cursor: at}
}

func eventID(sessionID string, version int64) string {
	return "evt_" + sessionID[strings.LastIndexByte(sessionID, '_')+1:] + "_" + strconv.FormatInt(version, 10)
}

// Events returns up to limit events of all accounts, the oldest first, after a place in the feed: "" for the beginning, [LastEvent] for
// the end, then the Cursor of the last event that was returned. It is for the host to build on, such as a ledger, an audit, or
// messages of its own; package webhook is built on it too. Creations are not in it, because the caller that creates a session already
// has it.
//
// The feed never skips an event and never goes back: once an event was returned, no event ever appears before it. So a reader
// handles each event exactly once if it stores the last Cursor in the same transaction as its own results. Several readers, each
// with a cursor of its own, do not disturb each other:
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
// A call that finds no events costs one read of an index.
//
// On PostgreSQL an event appears only after all transactions that had written and were still open at that time have ended. So a
// transaction that has written and is left open delays the feed, but not the sessions.
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

// History returns every change of the account's session, its creation first, exactly as each change left it. It helps to answer a
// complaint: it shows what the operator reported, and when.
//
// It shows what is stored. A session that the clock has expired has no event of the expiry until [Checkouts.ExpireDue] has stored it.
// If a session was changed by a release without events, its history begins with the oldest state that is known; its first event then
// has a sequence number above 1.
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
// and their events, and returns how many. So a host can keep only the sessions that the law and its merchants ask for:
//
//	for {
//		n, err := checkouts.Prune(ctx, time.Now().AddDate(0, -18, 0), 500)
//		if err != nil || n < 500 {
//			return err
//		}
//	}
//
// A key lives as long as its session. A request that is repeated with a pruned key makes a new session, and a new payment. If an
// operator reports the outcome of a payment for a pruned session, the host's call returns [ErrNotFound]. So choose a time for before
// that is long past, when no client still retries the request and no operator still reports a payment.
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
