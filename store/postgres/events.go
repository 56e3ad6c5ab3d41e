package postgres

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/caisse/checkout"
	"github.com/jackc/pgx/v5"
)

// The columns of an event e that state reads.
const eventColumns = `e.version, e.status, e.at, e.completed_at, coalesce(e.payment_id, ''), e.failure_reason, e.late`

// feed is the events after a place, or the last one alone. It shows those only that are older than every transaction
// still under way, in all databases of the server: an event that comes later stands after them. All of it must be one
// statement, for another one has another snapshot. Where there is no event there is one row that tells the snapshot alone.
func feed(where, order string) string {
	return `SELECT h.xmax, e.xid::text, e.num, ` + eventColumns + `, ` + selected + `
FROM (SELECT pg_snapshot_xmin(pg_current_snapshot()) AS xmin, pg_snapshot_xmax(pg_current_snapshot())::text AS xmax) AS h
LEFT JOIN LATERAL (
	SELECT * FROM checkout_events AS e WHERE e.xid < h.xmin` + where + ` ORDER BY ` + order + ` LIMIT $1
) AS e ON true
LEFT JOIN checkout_sessions AS s ON s.id = e.session AND s.account = e.account
ORDER BY e.xid, e.num`
}

var (
	feedAfter = feed(` AND (e.xid, e.num) > ($2::text::xid8, $3::bigint)`, `e.xid, e.num`)
	feedLast  = feed(``, `e.xid DESC, e.num DESC`)
)

// state is what an event keeps of a session.
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

// of is s as the event's change left it.
func (e *state) of(s checkout.Session) checkout.Session {
	s.Version, s.Status, s.UpdatedAt, s.PaymentID, s.FailureReason, s.Late = e.version, e.status, e.at, e.payment, e.reason, e.late
	s.CompletedAt = time.Time{}
	if e.completed != nil {
		s.CompletedAt = *e.completed
	}
	return kept(s)
}

// Events implements [checkout.Store]. Its order is that of transactions, and an event appears once every transaction is over
// that had begun to write before its own ended, whatever that one writes and in whatever database of the server: a
// transaction that is left open holds up the feed. So do prepared transactions.
//
// In a host's transaction the feed does not show what that transaction has written.
//
// A cursor is good for the server that gave it and for its standbys. Transactions are counted anew in a database that was
// restored from a dump: see the package's documentation. A cursor from before is refused there.
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
		st.sql, st.args = feedAfter, []any{int64(limit), strconv.FormatUint(place.xid, 10), place.num}
	}
	var events []checkout.Event
	err := t.read(ctx, st, func(rows pgx.Rows) (err error) {
		events, err = collectFeed(rows, place)
		return err
	})
	if err != nil {
		return nil, err
	}
	return events, nil
}

func collectFeed(rows pgx.Rows, after feedPlace) (events []checkout.Event, err error) {
	defer rows.Close()
	for rows.Next() {
		if rows.RawValues()[1] == nil { // there is no event
			return nil, after.knownTo(rows)
		}
		var (
			xmax, xid string
			num       int64
			e         state
		)
		s, err := scanAfter(rows, append([]any{&xmax, &xid, &num}, e.targets()...)...)
		if err != nil {
			return nil, err
		}
		events = append(events, checkout.NewEvent(e.of(s), checkout.Cursor(xid+":"+strconv.FormatInt(num, 10))))
	}
	return events, rows.Err()
}

// feedPlace is what a cursor stands for. The zero one is before the first event.
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

// knownTo refuses a place that the server has not come to yet: it is another server's.
func (p feedPlace) knownTo(row pgx.CollectableRow) error {
	targets := make([]any, len(row.RawValues())) // nil passes over a column
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

// firstColumns are those of a session s before its first event, as an event's. Of the change of a program of a release
// without events it is not known when it was made.
const firstColumns = `coalesce(s.first_version, 0), coalesce(s.first_status, ''), coalesce(s.first_completed_at, s.created_at),
	s.first_completed_at, coalesce(s.first_payment_id, ''), coalesce(s.first_failure_reason, ''), coalesce(s.first_late, false)`

var historyOf = `SELECT e.version IS NULL, coalesce(e.version, 0), coalesce(e.status, ''), coalesce(e.at, s.created_at), e.completed_at,
	coalesce(e.payment_id, ''), coalesce(e.failure_reason, ''), coalesce(e.late, false), ` + firstColumns + `, ` + selected + `
FROM checkout_sessions AS s LEFT JOIN checkout_events AS e ON e.session = s.id AND e.account = s.account
WHERE s.id = $1 AND s.account = $2 AND s.test = $3 ORDER BY e.version`

// History implements [checkout.Store].
func (t table) History(ctx context.Context, account checkout.Account, id string) ([]checkout.Event, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if !askable(id, account.ID) {
		return nil, checkout.ErrNotFound
	}
	var (
		now    checkout.Session
		first  state
		states []state
		found  bool
	)
	st := statement{"", "read a history", historyOf, []any{id, account.ID, account.Test}}
	err := t.read(ctx, st, func(rows pgx.Rows) (err error) {
		defer rows.Close()
		states, found = nil, false
		for rows.Next() {
			var e state
			var none bool
			now, err = scanAfter(rows, append(append([]any{&none}, e.targets()...), first.targets()...)...)
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
	return told(now, first, states), nil
}

// told is a history of what is kept of it. Without events, or where a program without events has made the last change, the
// session's row says the last there is.
func told(now checkout.Session, first state, states []state) []checkout.Event {
	var events []checkout.Event
	if first.version > 0 {
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
