package postgres

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caisse/checkout"
	"github.com/jackc/pgx/v5"
)

// keepBefore is a part of an UPDATE of s. It stores states that the history would otherwise lose: the status and the payment at
// creation, and the state before this change, if an older program made that state without an event. unlogged is an array of such
// states. If it is a single object, a program of an earlier revision wrote it, with a row of checkout_events.
const keepBefore = `first_status = CASE WHEN s.version = 1 THEN s.status ELSE s.first_status END,
	first_payment_id = CASE WHEN s.version = 1 THEN s.payment_id ELSE s.first_payment_id END,
	unlogged = CASE WHEN s.version > 1 AND s.logged_version IS DISTINCT FROM s.version THEN
		CASE WHEN jsonb_typeof(s.unlogged) = 'array' THEN s.unlogged ELSE '[]' END || jsonb_build_object(
			'version', s.version, 'status', s.status, 'at', ` + updatedAt + `, 'completed_at', s.completed_at,
			'payment_id', s.payment_id, 'failure_reason', s.failure_reason, 'late', s.late) ELSE s.unlogged END`

// appendEvents appends the events of the sessions that a statement has changed. It stores the ID of the top-level transaction,
// also within a savepoint.
const appendEvents = `INSERT INTO checkout_events (xid, session, account, version, status, at, completed_at, payment_id, failure_reason, late)
	SELECT pg_current_xact_id(), id, account, version, status, updated_at, completed_at, payment_id, failure_reason, late FROM changed`

// The columns of an event e that state reads.
const eventColumns = `e.version, e.status, e.at, e.completed_at, coalesce(e.payment_id, ''), e.failure_reason, e.late`

// feed selects the events after a place, or only the last one. It shows only events whose transaction is older than every
// transaction that has begun to write and is still open, in all databases of the server. So an event that becomes visible later
// comes after all events that were shown. This must be one statement, since each statement has a snapshot of its own. Without events
// it returns one row, in which xid is null.
//
// The inner limit is a literal; the caller's limit is around it. For a parameter the planner would assume a tenth of all events, and
// might read and sort them.
func feed(where, order string, most int) string {
	return `SELECT h.xmax, e.xid::text, e.num, ` + eventColumns + `, ` + selected + `
FROM (SELECT pg_snapshot_xmin(pg_current_snapshot()) AS xmin, pg_snapshot_xmax(pg_current_snapshot())::text AS xmax) AS h
LEFT JOIN LATERAL (
	SELECT * FROM (
		SELECT * FROM checkout_events AS e WHERE e.xid < h.xmin` + where + ` ORDER BY ` + order + ` LIMIT ` + strconv.Itoa(most) + `
	) AS e LIMIT $1
) AS e ON true
LEFT JOIN checkout_sessions AS s ON s.id = e.session AND s.account = e.account
ORDER BY e.xid, e.num`
}

var feedLast = feed(``, `e.xid DESC, e.num DESC`, 1)

// feedAfter returns the feed's statement for a limit. It rounds the limit up, so that there are few different statements.
func feedAfter(limit int) string {
	most := 1
	for most < limit && most < 1<<30 {
		most *= 4
	}
	return feed(` AND (e.xid, e.num) > ($2::text::xid8, $3::bigint)`, `e.xid, e.num`, most)
}

// state is the part of a session that an event stores.
type state struct {
	version         int64
	status          checkout.Status
	at              time.Time
	completed       *time.Time
	payment, reason string
	late            bool
}

func (e *state) targets() []any {
	return []any{&e.version, &e.status, &e.at, &e.completed, &e.payment, &e.reason, &e.late}
}

// of returns s as the event's change left it.
func (e *state) of(s checkout.Session) checkout.Session {
	s.Version, s.Status, s.UpdatedAt, s.PaymentID, s.FailureReason, s.Late = e.version, e.status, e.at, e.payment, e.reason, e.late
	s.CompletedAt = time.Time{}
	if e.completed != nil {
		s.CompletedAt = *e.completed
	}
	return kept(s)
}

// Events implements [checkout.Store]. Events are in the order of their transactions. An event appears only after all transactions
// have ended that began to write before the event's own transaction did, in any database of the server. So a transaction that has
// written and is left open delays the feed, and so does a prepared one.
//
// In a host's transaction the feed does not show the events that this transaction has written.
//
// A cursor is valid on the server that gave it and on its standbys. If a database is restored from a dump on a new server, that server
// counts transactions anew and refuses older cursors; see the package's documentation.
func (t table) Events(ctx context.Context, after checkout.Cursor, limit int) ([]checkout.Event, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	st := statement{"", "read events", feedLast, []any{int64(1)}}
	place := feedPlace{}
	if after != checkout.LastEvent {
		var ok bool
		if place, ok = feedPlaceOf(after); !ok {
			return nil, errCursor
		}
		st.sql, st.args = feedAfter(limit), []any{int64(limit), strconv.FormatUint(place.xid, 10), place.num}
	}
	for {
		var page feedPage
		err := t.read(ctx, st, func(rows pgx.Rows) (err error) {
			page, err = collectFeed(rows, place)
			return err
		})
		if err != nil {
			return nil, err
		}
		if len(page.events) > 0 || page.orphans < limit || after == checkout.LastEvent {
			return page.events, nil
		}
		st.args = []any{int64(limit), strconv.FormatUint(page.last.xid, 10), page.last.num}
	}
}

// feedPage is the result of one statement. An orphan is an event whose session somebody has deleted by hand.
type feedPage struct {
	events  []checkout.Event
	orphans int
	last    feedPlace
}

func collectFeed(rows pgx.Rows, after feedPlace) (page feedPage, err error) {
	defer rows.Close()
	for rows.Next() {
		values := rows.RawValues()
		if values[1] == nil { // there is no event
			return page, after.knownTo(rows)
		}
		var (
			xmax, xid string
			e         state
		)
		place := []any{&xmax, &xid, &page.last.num}
		if values[len(place)+len(e.targets())] == nil { // no session
			err = rows.Scan(append(place, make([]any, len(values)-len(place))...)...)
			page.orphans++
		} else {
			var s checkout.Session
			s, err = scanAfter(rows, append(place, e.targets()...)...)
			page.events = append(page.events, checkout.NewEvent(e.of(s), checkout.Cursor(xid+":"+strconv.FormatInt(page.last.num, 10))))
		}
		if err == nil {
			page.last.xid, err = strconv.ParseUint(xid, 10, 64)
		}
		if err != nil {
			return feedPage{}, err
		}
	}
	return page, rows.Err()
}

// feedPlace is the place in the feed that a cursor names. The zero feedPlace is before the first event.
type feedPlace struct {
	xid uint64
	num int64
}

func feedPlaceOf(c checkout.Cursor) (p feedPlace, ok bool) {
	if c == "" {
		return p, true
	}
	xid, num, _ := strings.Cut(string(c), ":")
	var errs [2]error
	p.xid, errs[0] = strconv.ParseUint(xid, 10, 64)
	p.num, errs[1] = strconv.ParseInt(num, 10, 64)
	written := fmt.Sprintf("%d:%d", p.xid, p.num)
	return p, errors.Join(errs[:]...) == nil && p.xid > 0 && p.num > 0 && written == string(c)
}

// knownTo refuses a place that the server has not reached yet: the cursor is of another server.
func (p feedPlace) knownTo(row pgx.CollectableRow) error {
	targets := make([]any, len(row.RawValues())) // nil ignores a column
	var xmax string
	targets[0] = &xmax
	if err := row.Scan(targets...); err != nil {
		return err
	}
	if greatest, err := strconv.ParseUint(xmax, 10, 64); err != nil || p.xid >= greatest {
		return errCursor
	}
	return nil
}

var errCursor = &checkout.ValidationError{Fields: []checkout.FieldError{{
	Field: "cursor", Code: checkout.CodeMalformed, Detail: "must be the Cursor of an event of this server",
}}}

// historyOf is the beginning of history: the columns of an event, and those of the session that only a history needs.
const historyOf = `SELECT e.version IS NULL, coalesce(e.version, 0), coalesce(e.status, ''), coalesce(e.at, s.created_at), e.completed_at,
	coalesce(e.payment_id, ''), coalesce(e.failure_reason, ''), coalesce(e.late, false),
	coalesce(s.first_status, ''), coalesce(s.first_payment_id, ''),
	coalesce(CASE WHEN jsonb_typeof(s.unlogged) = 'array' THEN s.unlogged END, '[]')::text, `

// history reads a session with its events. If there are no events, it returns one row.
var history = historyOf + selected + `
FROM checkout_sessions AS s LEFT JOIN checkout_events AS e ON e.session = s.id AND e.account = s.account
WHERE s.id = $1 AND s.account = $2 AND s.test = $3 ORDER BY e.version`

// History implements [checkout.Store].
func (t table) History(ctx context.Context, account checkout.Account, id string) ([]checkout.Event, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if !validTexts(id, account.ID) {
		return nil, checkout.ErrNotFound
	}
	var (
		now    checkout.Session
		first  state
		states []state
		more   string // states without an event
		found  bool
	)
	st := statement{"", "read a history", history, []any{id, account.ID, account.Test}}
	err := t.read(ctx, st, func(rows pgx.Rows) (err error) {
		defer rows.Close()
		states, found = nil, false
		for rows.Next() {
			var e state
			var none bool
			now, err = scanAfter(rows, slices.Concat([]any{&none}, e.targets(), []any{&first.status, &first.payment, &more})...)
			if err != nil {
				return err
			}
			if found = true; !none {
				states = append(states, e)
			}
		}
		return rows.Err()
	})
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, checkout.ErrNotFound
	}
	if states, err = withUnlogged(states, more); err != nil {
		return nil, fmt.Errorf("postgres: the history of session %s: %w", id, err)
	}
	return historyFrom(now, first, states), nil
}

// withUnlogged inserts the states without an event, which keepBefore has stored, at their places.
func withUnlogged(states []state, kept string) ([]state, error) {
	if kept == "[]" {
		return states, nil
	}
	var more []struct {
		Version   int64
		Status    checkout.Status
		At        time.Time
		Completed *time.Time `json:"completed_at"`
		Payment   string     `json:"payment_id"`
		Reason    string     `json:"failure_reason"`
		Late      bool
	}
	if err := json.Unmarshal([]byte(kept), &more); err != nil {
		return nil, err
	}
	for _, m := range more {
		states = append(states, state{m.Version, m.Status, m.At, m.Completed, m.Payment, m.Reason, m.Late})
	}
	slices.SortFunc(states, func(a, b state) int { return cmp.Compare(a.version, b.version) })
	return states, nil
}

// historyFrom makes a history from the stored states. It begins with the creation if that is known. If there are no events, or
// if an older program has made the last change, the last entry is made from the session's row.
func historyFrom(now checkout.Session, first state, states []state) []checkout.Event {
	var events []checkout.Event
	if first.status != "" {
		first.version, first.at = 1, now.CreatedAt
		events = append(events, checkout.NewEvent(first.of(now), ""))
	}
	for _, e := range states {
		events = append(events, checkout.NewEvent(e.of(now), ""))
	}
	if n := len(events); n == 0 || events[n-1].Session.Version < now.Version {
		events = append(events, checkout.NewEvent(now, ""))
	}
	return events
}
