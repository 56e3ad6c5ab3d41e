package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/caisse/checkout"
)

// A selection reads a page of a list in two steps. First it finds the first and the last time of creation on the page. Then it reads
// the sessions of that span of time. The first step usually needs only an index, and no row of a session that the offset skips. See
// fewSessions for the exception. Both steps consist of arms. An arm is a query for one range of an index, and SQLite merges the arms.
type selection struct {
	ctx  context.Context
	q    querier
	args []any // ?1 the owner, ?2 the instant of the query, ?3 and ?4 the first and the last microsecond of creation
	arms []string
}

// fewSessions is the greatest number of due sessions, or of sessions that are not due yet, that a list looks up one by one. If
// there are more of both, the list must look at the row of each session that it skips.
const fewSessions = 1000

// list is List of [checkout.Store], within a snapshot.
func list(ctx context.Context, q querier, account checkout.Account, query checkout.Query) ([]checkout.Session, int, error) {
	var owner int64
	err := q.QueryRowContext(ctx, ownerOf, account.ID, account.Test).Scan(&owner)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	l := &selection{ctx: ctx, q: q, args: []any{owner, microsAt(query.At), int64(math.MinInt64), int64(math.MaxInt64)}}
	if !query.CreatedAfter.IsZero() {
		l.args[2] = microsAt(query.CreatedAfter)
	}
	if !query.CreatedBefore.IsZero() {
		l.args[3] = microsAt(query.CreatedBefore) - 1
	}
	if err := l.choose(query); err != nil || len(l.arms) == 0 {
		return nil, 0, err
	}
	total := 0
	if query.AfterID == "" && query.UserPhone == "" {
		if total, err = l.count(math.MinInt64); err != nil || total == 0 {
			return nil, 0, err
		}
	}
	sessions, err := l.page(account, query)
	return sessions, total, err
}

// choose sets the arms.
func (l *selection) choose(query checkout.Query) error {
	switch {
	case query.ClientReference != "":
		return l.chooseLabeled(query)
	case query.PaymentID != "":
		l.args = append(l.args, query.PaymentID)
		l.arms = []string{`SELECT num, created_at FROM checkout_sessions AS s INDEXED BY checkout_sessions_payment
			WHERE owner = ?1 AND payment_id = ?5 AND created_at BETWEEN ?3 AND ?4` + l.hasStatus(query.Status)}
		return nil
	}
	return l.chooseByStatus(query.Status)
}

func (l *selection) chooseLabeled(query checkout.Query) error {
	l.args = append(l.args, query.ClientReference)
	arm := `SELECT l.session AS num, l.created_at FROM checkout_labels AS l`
	var where string
	if query.Status != "" || query.PaymentID != "" {
		arm += ` CROSS JOIN checkout_sessions AS s ON s.num = l.session`
		where = l.hasStatus(query.Status)
	}
	if query.PaymentID != "" {
		l.args = append(l.args, query.PaymentID)
		where += ` AND s.payment_id = ?6`
	}
	l.arms = []string{arm + ` WHERE l.owner = ?1 AND l.client_reference = ?5 AND l.created_at BETWEEN ?3 AND ?4` + where}
	return nil
}

// hasStatus returns the condition that session s has a status at the instant of the query.
func (l *selection) hasStatus(status checkout.Status) string {
	code, err := encodeStatus(status)
	switch {
	case status == "":
		return ""
	case err != nil:
		return " AND false"
	case code < statusProcessing:
		return fmt.Sprintf(" AND s.status = %d AND s.expires_at > ?2", code)
	case code == statusExpired:
		return " AND (s.status = 5 OR s.status < 2 AND s.expires_at <= ?2)"
	}
	return fmt.Sprintf(" AND s.status = %d", code)
}

const (
	byStatus = `SELECT num, created_at FROM checkout_sessions AS s INDEXED BY checkout_sessions_status
		WHERE owner = ?1 AND created_at BETWEEN ?3 AND ?4 AND status = `
	newerStatus = `SELECT num, created_at FROM checkout_sessions AS s INDEXED BY checkout_sessions_status
		WHERE owner = ?1 AND created_at BETWEEN ?3 AND ?4 AND status > 6`
	// The sessions of all accounts that the clock can expire, in the order in which they become due.
	byExpiry = ` FROM checkout_sessions AS s INDEXED BY checkout_sessions_due WHERE status < 2 AND expires_at `
	isDue    = `<= ?2`
	isAlive  = `> ?2`
)

func (l *selection) chooseByStatus(status checkout.Status) error {
	code, err := encodeStatus(status)
	switch {
	case status == "":
		for code := range statuses {
			l.arms = append(l.arms, byStatus+fmt.Sprint(code))
		}
		// A session with a status of a newer program must not be left out silently: reading it is an error.
		l.arms = append(l.arms, newerStatus)
	case err != nil: // no session has it
	case code < statusProcessing:
		return l.chooseAlive(code)
	case code == statusExpired:
		return l.chooseExpired()
	default:
		l.arms = []string{byStatus + fmt.Sprint(code)}
	}
	return nil
}

// chooseAlive chooses the sessions that are stored with the status code, which is created or pending, and that the clock has not
// expired. All of them were created at most MaxExpiresIn before the instant of the query.
func (l *selection) chooseAlive(code int64) error {
	const longest = int64(checkout.MaxExpiresIn / time.Microsecond)
	l.args[2] = max(l.args[2].(int64), max(l.args[1].(int64), math.MinInt64+longest)-longest)
	due, alive, err := l.probe()
	arm := byStatus + fmt.Sprint(code)
	switch {
	case err != nil:
		return err
	case due == 0:
	case alive <= fewSessions:
		arm = `SELECT num, created_at` + byExpiry + isAlive +
			fmt.Sprintf(` AND owner = ?1 AND status = %d AND created_at BETWEEN ?3 AND ?4`, code)
	case due <= fewSessions:
		arm += ` AND num NOT IN (SELECT num` + byExpiry + isDue + `)`
	default:
		arm += ` AND expires_at > ?2`
	}
	l.arms = []string{arm}
	return nil
}

// chooseExpired chooses the sessions that are stored as expired, and those that are due and were not swept.
func (l *selection) chooseExpired() error {
	due, alive, err := l.probe()
	if err != nil {
		return err
	}
	l.arms = []string{byStatus + "5"}
	var where string
	switch {
	case due == 0:
		return nil
	case due <= fewSessions:
		l.arms = append(l.arms, `SELECT num, created_at`+byExpiry+isDue+` AND owner = ?1 AND created_at BETWEEN ?3 AND ?4`)
		return nil
	case alive == 0:
	case alive <= fewSessions:
		where = ` AND num NOT IN (SELECT num` + byExpiry + isAlive + `)`
	default:
		where = ` AND expires_at <= ?2`
	}
	l.arms = append(l.arms, byStatus+"0"+where, byStatus+"1"+where)
	return nil
}

// probe counts the sessions of all accounts that are due, and those that are not due yet, each up to fewSessions+1.
func (l *selection) probe() (due, alive int, err error) {
	count := func(condition string) string {
		return `(SELECT count(*) FROM (SELECT 1` + byExpiry + condition + fmt.Sprintf(` LIMIT %d))`, fewSessions+1)
	}
	err = l.q.QueryRowContext(l.ctx, `SELECT `+count(isDue)+`, `+count(isAlive), l.args[0], l.args[1]).Scan(&due, &alive)
	return due, alive, err
}

// all returns a query for num and created_at of all arms. The caller adds the order.
func (l *selection) all() string { return strings.Join(l.arms, " UNION ALL ") }

// instants skips offset sessions and returns the created_at of up to limit sessions after them, newest first.
func (l *selection) instants(limit, offset int) ([]int64, error) {
	return scanAll(l.ctx, l.q, func(rows *sql.Rows) (at int64, err error) {
		var num int64
		return at, rows.Scan(&num, &at)
	}, fmt.Sprintf(`%s ORDER BY 2 DESC LIMIT %d OFFSET %d`, l.all(), limit, offset), l.args...)
}

// count returns how many sessions were created after an instant, counted up to MaxListTotal+1.
func (l *selection) count(after int64) (n int, err error) {
	args := slices.Clone(l.args)
	if after > math.MinInt64 {
		args[2] = max(args[2].(int64), after+1)
	}
	if len(l.arms) > 1 {
		err = l.q.QueryRowContext(l.ctx, fmt.Sprintf(`SELECT count(*) FROM (%s LIMIT %d)`, l.all(), checkout.MaxListTotal+1),
			args...).Scan(&n)
		return n, err
	}
	// To skip the entries of one range takes half as long as to count them.
	err = l.q.QueryRowContext(l.ctx, fmt.Sprintf(`SELECT iif(EXISTS (SELECT 1 FROM (%[1]s) LIMIT 1 OFFSET %[2]d), %[2]d + 1, (SELECT count(*) FROM (%[1]s)))`,
		l.arms[0], checkout.MaxListTotal), args...).Scan(&n)
	return n, err
}

// page returns the sessions of a page.
func (l *selection) page(account checkout.Account, query checkout.Query) ([]checkout.Session, error) {
	offset, limit := query.Offset, query.Limit
	if query.UserPhone != "" {
		limit = checkout.MaxPhoneScan
	}
	end := l.args[3].(int64)
	if query.AfterID != "" {
		end = min(end, microsAt(query.AfterCreatedAt))
		l.args[3] = end - 1 // the sessions of the cursor's own instant are read later, where the IDs are compared
	}
	at, err := l.instants(limit, offset)
	l.args[3] = end
	if err != nil {
		return nil, err
	}
	var skip int
	switch {
	case len(at) > 0:
		if offset > 0 {
			newer, err := l.count(at[0])
			if err != nil {
				return nil, err
			}
			skip = offset - newer
			l.args[3] = min(end, at[0])
		}
		l.args[2] = at[len(at)-1]
	case query.AfterID == "":
		return nil, nil
	default:
		l.args[2] = end // there may be more sessions of the cursor's instant
	}
	if query.UserPhone != "" {
		return l.byPhone(account, query, at, skip)
	}
	return l.sessions(account, query, "", limit, skip)
}

// order is the order of a list.
const order = ` ORDER BY created_at DESC, ` + idText + ` DESC`

// sessions reads the sessions of a span of time. If the query has a cursor, it reads only those after its place.
func (l *selection) sessions(account checkout.Account, query checkout.Query, where string, limit, offset int, args ...any) ([]checkout.Session, error) {
	args = append(slices.Clone(l.args), args...)
	if query.AfterID != "" {
		args = append(args, microsAt(query.AfterCreatedAt), query.AfterID)
		where += fmt.Sprintf(` AND (created_at < ?%d OR created_at = ?%d AND `+idText+` < ?%d)`, len(args)-1, len(args)-1, len(args))
	}
	return scanAll(l.ctx, l.q, func(rows *sql.Rows) (checkout.Session, error) { return scan(rows, account) },
		`SELECT `+selected+` FROM checkout_sessions AS s WHERE s.num IN (SELECT num FROM (`+l.all()+`))`+where+order+
			fmt.Sprintf(` LIMIT %d OFFSET %d`, limit, offset), args...)
}

// byPhone looks for a phone in the first sessions of a span. at has the instants of these sessions. skip is how many sessions of
// the first instant come before the page.
func (l *selection) byPhone(account checkout.Account, query checkout.Query, at []int64, skip int) ([]checkout.Session, error) {
	last, err := l.lastScanned(account, query, at, skip)
	if err != nil {
		return nil, err
	}
	arg := func(n int) string { return fmt.Sprint("?", len(l.args)+n) }
	where, args := ` AND user_phone = `+arg(1), []any{query.UserPhone}
	if last == nil {
		return l.sessions(account, query, where, query.Limit, skip, args...)
	}
	where += ` AND (created_at > ` + arg(2) + ` OR created_at = ` + arg(2) + ` AND ` + idText + ` >= ` + arg(3) + `)`
	args = append(args, microsAt(last.CreatedAt), last.ID)
	sessions, err := l.sessions(account, query, where, query.Limit, skip, args...)
	if n := len(sessions); err == nil && n < query.Limit && (n == 0 || sessions[n-1].ID != last.ID) {
		sessions = append(sessions, *last)
	}
	return sessions, err
}

// lastScanned returns the last session that a page by phone may look at, or nil if there are fewer than MaxPhoneScan sessions.
func (l *selection) lastScanned(account checkout.Account, query checkout.Query, at []int64, skip int) (*checkout.Session, error) {
	n := checkout.MaxPhoneScan
	span := *l
	if query.AfterID != "" { // the sessions of the cursor's own instant come before the others
		span.args = slices.Clone(l.args)
		span.args[2], span.args[3] = microsAt(query.AfterCreatedAt), microsAt(query.AfterCreatedAt)
		same, err := span.sessions(account, query, "", n, 0)
		if err != nil {
			return nil, err
		}
		if len(same) == n {
			return &same[n-1], nil
		}
		n -= len(same)
	}
	if len(at) < n {
		return nil, nil
	}
	end := at[n-1]
	nth := n - 1 - sort.Search(len(at), func(i int) bool { return at[i] <= end }) // the position among the sessions of its instant
	if end == at[0] {
		nth += skip
	}
	span.args = slices.Clone(l.args)
	span.args[2], span.args[3] = end, end
	found, err := span.sessions(account, query, "", 1, nth)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return &found[0], nil
}
