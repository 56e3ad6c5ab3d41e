package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/caisse/checkout"
)

const (
	// appendEvent writes the event of a change before the change is made, while the session's row is still as it was. appendEventOf
	// and appendEventOwned add the owner at its end.
	appendEvent = `INSERT INTO checkout_events (session, version, status, late, at, completed_at, payment_id, failure_reason,
			first_status, first_payment)
		SELECT num, ?, ?, ?, ?, ?, ?, ?, iif(version = 1, status, NULL), iif(version = 1, payment_id, NULL)
		FROM checkout_sessions WHERE id = ? AND version = ? - 1 AND owner = `
	appendEventOf    = appendEvent + `(` + ownerOf + `)`
	appendEventOwned = appendEvent + `?`

	// due chooses the sessions that a sweep expires.
	due = `SELECT num FROM checkout_sessions WHERE status < 2 AND expires_at <= ? ORDER BY expires_at, ` + idText + ` LIMIT ?`

	appendExpiries = `INSERT INTO checkout_events (session, version, status, late, at, completed_at, payment_id, failure_reason,
			first_status, first_payment)
		SELECT num, version + 1, 5, late, expires_at, completed_at, payment_id, failure_reason, iif(version = 1, status, NULL),
			iif(version = 1, payment_id, NULL)
		FROM checkout_sessions WHERE num IN (` + due + `)`

	// keepOrigin stores the state of a session whose version has no event, because a program of a release without events has made
	// that version.
	keepOrigin = `INSERT INTO checkout_origins (session, version, status, late, at, completed_at, payment_id, failure_reason)
		SELECT num, version, status, late, coalesce(completed_at, created_at), completed_at, payment_id, failure_reason
		FROM checkout_sessions AS s WHERE version > 1
			AND NOT EXISTS (SELECT 1 FROM checkout_events AS e WHERE e.session = s.num AND e.version = s.version)`
	keepOriginOf = keepOrigin + ` AND num = (SELECT session FROM checkout_events WHERE num = ?)
		ON CONFLICT (session) DO NOTHING`
	keepOrigins = keepOrigin + ` AND num IN (` + due + `) ON CONFLICT (session) DO NOTHING`

	// eventColumns are read by scanEvent.
	eventColumns = `e.num, e.version, e.status, e.late, e.at, e.completed_at, e.payment_id, e.failure_reason, e.first_status,
		e.first_payment`

	ownerName = `(SELECT account FROM checkout_accounts WHERE num = s.owner), (SELECT test FROM checkout_accounts WHERE num = s.owner)`
)

var (
	eventsAfter = `SELECT ` + eventColumns + `, ` + ownerName + `, ` + selected + `
		FROM checkout_events AS e CROSS JOIN checkout_sessions AS s ON s.num = e.session WHERE e.num > ? ORDER BY e.num LIMIT ?`
	lastEvent = `SELECT ` + eventColumns + `, ` + ownerName + `, ` + selected + `
		FROM checkout_events AS e CROSS JOIN checkout_sessions AS s ON s.num = e.session
		WHERE e.num = (SELECT max(num) FROM checkout_events)`
	greatestEvent = `SELECT seq FROM sqlite_sequence WHERE name = 'checkout_events'`

	// historyOf returns one row, without an event, for a session without events.
	historyOf = `SELECT coalesce(e.num, 0), coalesce(e.version, 0), coalesce(e.status, 0), coalesce(e.late, 0), coalesce(e.at, 0),
			e.completed_at, e.payment_id, e.failure_reason, e.first_status, e.first_payment,
			0, coalesce(o.version, 0), coalesce(o.status, 0), coalesce(o.late, 0), coalesce(o.at, 0),
			o.completed_at, o.payment_id, o.failure_reason, NULL, NULL, ` + selected + `
		FROM checkout_sessions AS s LEFT JOIN checkout_events AS e ON e.session = s.num
			LEFT JOIN checkout_origins AS o ON o.session = s.num
		WHERE s.id = ? AND s.owner = (` + ownerOf + `) ORDER BY e.version`
)

// appendChange writes the event of a change, before the change, and returns the event's number. The number is 0 if the session is not
// found or has another version.
func appendChange(ctx context.Context, q querier, o *owners, c *change) (num int64, err error) {
	account := c.session.Account
	query, values := appendEventOf, append(c.event, account.ID, account.Test)
	if o.locked { // the transaction may read before it writes, so the owner can be looked up
		owner, err := o.known(ctx, q, account)
		if err != nil {
			return 0, err
		}
		query, values = appendEventOwned, append(c.event, owner)
	}
	result, err := exec(ctx, q, query, values)
	if err != nil {
		return 0, err
	}
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		return 0, err
	}
	return result.LastInsertId()
}

// applyChange applies a change to the session's row, after its event was written.
func applyChange(ctx context.Context, q querier, c *change, event int64) error {
	if s := c.session; s.Version > 2 {
		if s.Status != checkout.StatusPending { // updateNext cannot change the payment, and a pending session may get another one
			result, err := exec(ctx, q, updateNext, append(c.progress, event, c.payment, s.Version))
			if err != nil {
				return err
			}
			if n, err := result.RowsAffected(); err != nil || n == 1 {
				return err
			}
		}
		if _, err := q.ExecContext(ctx, keepOriginOf, event); err != nil {
			return err
		}
	}
	_, err := exec(ctx, q, updateSession, append(c.progress, c.payment, event))
	return err
}

// state is what an event stores of a session.
type state struct {
	num, version, status, at     int64
	late                         bool
	completed, firstStatus       sql.Null[int64]
	payment, reason, firstChosen sql.NullString
}

func (e *state) targets() []any {
	return []any{&e.num, &e.version, &e.status, &e.late, &e.at, &e.completed, &e.payment, &e.reason, &e.firstStatus, &e.firstChosen}
}

// of returns s as the change of the event left it.
func (e *state) of(s checkout.Session) (checkout.Session, error) {
	status, err := decodeStatus(e.status)
	if err != nil {
		return checkout.Session{}, err
	}
	s.Version, s.Status, s.Late, s.UpdatedAt = e.version, status, e.late, decodeTime(e.at)
	s.PaymentID, s.FailureReason, s.CompletedAt = e.payment.String, e.reason.String, time.Time{}
	if e.completed.Valid {
		s.CompletedAt = decodeTime(e.completed.V)
	}
	return s, nil
}

// first returns s as it was created. The event of version 2 stores that state.
func (e *state) first(s checkout.Session) (checkout.Session, error) {
	status, err := decodeStatus(e.firstStatus.V)
	s.Version, s.Status, s.Late, s.UpdatedAt = 1, status, false, s.CreatedAt
	s.PaymentID, s.FailureReason, s.CompletedAt = e.firstChosen.String, "", time.Time{}
	return s, err
}

// events is Events of [checkout.Store], within a snapshot.
func events(ctx context.Context, q querier, after checkout.Cursor, limit int) ([]checkout.Event, error) {
	read := func(rows *sql.Rows) (checkout.Event, error) {
		var e state
		var account checkout.Account
		s, err := scan(rows, checkout.Account{}, append(e.targets(), &account.ID, &account.Test)...)
		if err != nil {
			return checkout.Event{}, err
		}
		s.Account = account
		s, err = e.of(s)
		return checkout.NewEvent(s, checkout.Cursor(strconv.FormatInt(e.num, 10))), err
	}
	if after == checkout.LastEvent {
		return scanAll(ctx, q, read, lastEvent)
	}
	var num int64
	if after != "" {
		var err error
		num, err = strconv.ParseInt(string(after), 10, 64)
		if err != nil || num < 1 || checkout.Cursor(strconv.FormatInt(num, 10)) != after {
			return nil, errCursor()
		}
	}
	found, err := scanAll(ctx, q, read, eventsAfter, num, limit)
	if err != nil || len(found) > 0 || num == 0 {
		return found, err
	}
	// There is no event after the cursor. The cursor may also be one of another database.
	var greatest int64
	err = q.QueryRowContext(ctx, greatestEvent).Scan(&greatest)
	if errors.Is(err, sql.ErrNoRows) || err == nil && num > greatest {
		return nil, errCursor()
	}
	return nil, err
}

func errCursor() error {
	return &checkout.ValidationError{Fields: []checkout.FieldError{{
		Field: "cursor", Code: checkout.CodeMalformed, Detail: "must be the Cursor of an event of this database",
	}}}
}

// history is History of [checkout.Store], within a snapshot.
func history(ctx context.Context, q querier, account checkout.Account, id string) ([]checkout.Event, error) {
	var now checkout.Session
	var origin state
	states, err := scanAll(ctx, q, func(rows *sql.Rows) (e state, err error) {
		now, err = scan(rows, account, append(e.targets(), origin.targets()...)...)
		return e, err
	}, historyOf, encodeID(id), account.ID, account.Test)
	if err != nil {
		return nil, err
	}
	if len(states) == 0 {
		return nil, checkout.ErrNotFound
	}
	if origin.version > 0 {
		states = append(states, origin)
		slices.SortStableFunc(states, func(a, b state) int { return cmp.Compare(a.version, b.version) })
	}
	var told []checkout.Event
	for _, e := range states {
		if e.version == 0 { // the row has no event
			continue
		}
		if e.firstStatus.Valid {
			first, err := e.first(now)
			if err != nil {
				return nil, err
			}
			told = append(told, checkout.NewEvent(first, ""))
		}
		s, err := e.of(now)
		if err != nil {
			return nil, err
		}
		told = append(told, checkout.NewEvent(s, ""))
	}
	// The last version has no event if it is the creation, or if a program without events has made it. Then the session's row has it.
	if n := len(told); n == 0 || told[n-1].Session.Version < now.Version {
		told = append(told, checkout.NewEvent(now, ""))
	}
	return told, nil
}
