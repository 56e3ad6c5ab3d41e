package postgres

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/caisse/checkout"
	"github.com/jackc/pgx/v5"
)

// statusCode is the expression of the index of lists, of a table s: mode and status in a byte.
const statusCode = `((CASE s.status
	WHEN 'created' THEN 0 WHEN 'pending' THEN 1 WHEN 'processing' THEN 2 WHEN 'completed' THEN 3
	WHEN 'failed' THEN 4 WHEN 'expired' THEN 5 WHEN 'cancelled' THEN 6 ELSE 7 END
	+ CASE WHEN s.test THEN 8 ELSE 0 END)::"char")`

// statuses are in the order of their codes.
var statuses = []checkout.Status{
	checkout.StatusCreated, checkout.StatusPending, checkout.StatusProcessing, checkout.StatusCompleted,
	checkout.StatusFailed, checkout.StatusExpired, checkout.StatusCancelled,
}

// fewSessions is how many sessions, of those that are due or of those that are not, are looked up one by one. Where there
// are more of both, a list passes over sessions that have the other status by the clock.
const fewSessions = 1000

// List implements [checkout.Store]. It costs the same however many sessions the account has: some 5 ms at most, of which
// counting to 10,000 is the most, and twice that at the last offset. A page by phone takes up to 30 ms. One case is slower,
// by the statuses that the clock decides: where more than a thousand sessions have long been due and were not swept, and as
// many are not due yet, a list by created, pending or expired looks at each session that it passes over.
func (t table) List(ctx context.Context, account checkout.Account, q checkout.Query) ([]checkout.Session, int, error) {
	if err := ctx.Err(); err != nil {
		return nil, 0, err
	}
	if !askable(account.ID, string(q.Status), q.PaymentID, q.ClientReference, q.UserPhone, q.AfterID) {
		return nil, 0, nil
	}
	var sessions []checkout.Session
	total := 0
	err := t.read(ctx, list(account, q), func(rows pgx.Rows) error {
		defer rows.Close()
		sessions = nil
		for rows.Next() {
			if rows.RawValues()[0] == nil {
				return scanTotal(rows, &total)
			}
			s, err := scanMore(rows, &total)
			if err != nil {
				return err
			}
			sessions = append(sessions, s)
		}
		rows.Close()
		return rows.Err()
	})
	if err != nil {
		return nil, 0, err
	}
	return sessions, total, nil
}

// selection chooses sessions by arms, each an ordered range of an index.
type selection struct {
	args  []any // the first are the account, the mode and the instant of the question
	where string
	arms  []string // the condition of each
}

func (l *selection) arg(value any) string {
	l.args = append(l.args, value)
	return "$" + strconv.Itoa(len(l.args))
}

// list asks for one page and for the total, in one statement so that both are of one snapshot whatever transaction it
// runs in. Each row ends in the total; where the page is empty there is one row that has nothing else.
func list(account checkout.Account, q checkout.Query) statement {
	l := &selection{args: []any{account.ID, account.Test, clampTime(q.At)}}
	if !q.CreatedAfter.IsZero() {
		l.where += " AND s.created_at >= " + l.arg(clampTime(q.CreatedAfter))
	}
	if !q.CreatedBefore.IsZero() {
		l.where += " AND s.created_at < " + l.arg(clampTime(q.CreatedBefore))
	}
	if q.AfterID != "" {
		at, id := l.arg(clampTime(q.AfterCreatedAt)), l.arg(q.AfterID)
		l.where += " AND s.created_at <= " + at + " AND (s.created_at < " + at + " OR s.id < " + id + ")"
	}
	l.choose(account, q)

	total := "SELECT 0 AS total"
	if q.AfterID == "" && q.UserPhone == "" {
		total = fmt.Sprintf("SELECT count(*) AS total FROM (SELECT 1 FROM (%s) AS s LIMIT %d) AS s", l.all("1", ""), checkout.MaxListTotal+1)
	}
	limit, offset := l.arg(int64(q.Limit)), l.arg(int64(q.Offset))
	page := fmt.Sprintf("SELECT * FROM (%s) AS s%s LIMIT %s OFFSET %s", l.all("*", newest), newest, limit, offset)
	if q.UserPhone != "" {
		page = fmt.Sprintf(`SELECT * FROM (
			SELECT *, row_number() OVER (%s) AS nth FROM (%s) AS s%s LIMIT %d OFFSET %s
		) AS s WHERE user_phone = %s OR nth = %d + %s%s LIMIT %s`,
			newest, l.all("*", newest), newest, checkout.MaxPhoneScan, offset, l.arg(q.UserPhone), checkout.MaxPhoneScan, offset, newest, limit)
	}
	sql := few + `SELECT ` + selected + `, t.total FROM (` + total + `) AS t LEFT JOIN (` + page + `) AS s ON true` + newest
	return statement{"", "list", sql, l.args}
}

// newest is the order of a list.
const newest = " ORDER BY s.created_at DESC, s.id DESC"

// all are the sessions of all arms.
func (l *selection) all(columns, order string) string {
	arms := slices.Clone(l.arms)
	for i, arm := range arms {
		arms[i] = "(SELECT s." + columns + " FROM checkout_sessions AS s WHERE s.account = $1 AND s.test = $2" + arm + l.where + order + ")"
		if columns == "1" {
			arms[i] = strings.Replace(arms[i], "SELECT s.1", "SELECT 1", 1)
		}
	}
	return strings.Join(arms, " UNION ALL ")
}

// few counts the sessions of all accounts that are due and those that are not yet, a few more than fewSessions at most.
// PostgreSQL works it out where an arm asks for it, and no arm does that it need not.
var few = func() string {
	count := func(condition string) string {
		return fmt.Sprintf("(SELECT count(*) FROM (SELECT 1 FROM checkout_sessions AS s WHERE s.due_at %s $3 LIMIT %d) AS s)", condition, fewSessions+1)
	}
	return "WITH few AS MATERIALIZED (SELECT " + count("<=") + " AS due, " + count(">") + " AS alive) "
}()

func (l *selection) choose(account checkout.Account, q checkout.Query) {
	byStatus := func(code int) string {
		if account.Test {
			code += 8
		}
		return fmt.Sprintf(` AND %s = %d::"char"`, statusCode, code)
	}
	if q.ClientReference != "" || q.PaymentID != "" {
		arm := ""
		if q.ClientReference != "" {
			arm += " AND s.client_reference = " + l.arg(q.ClientReference)
		}
		if q.PaymentID != "" {
			arm += " AND s.payment_id = " + l.arg(q.PaymentID)
		}
		if q.Status != "" {
			// The status that a session has at an instant, as [checkout.Session.StatusAt] tells it.
			arm += " AND CASE WHEN s.due_at <= $3 THEN 'expired' ELSE s.status END = " + l.arg(string(q.Status))
		}
		l.arms = []string{arm}
		return
	}
	code := slices.Index(statuses, q.Status)
	switch {
	case q.Status == "":
		for code := range statuses {
			l.arms = append(l.arms, byStatus(code))
		}
	case q.Status == checkout.StatusCreated || q.Status == checkout.StatusPending:
		young := " AND s.created_at > " + l.arg(clampTime(q.At.Add(-checkout.MaxExpiresIn)))
		l.arms = []string{
			" AND (SELECT alive FROM few) <= " + strconv.Itoa(fewSessions) + " AND s.due_at > $3 AND s.status = " + l.arg(string(q.Status)),
			" AND (SELECT alive FROM few) > " + strconv.Itoa(fewSessions) + " AND s.due_at > $3" + byStatus(code) + young,
		}
	case q.Status == checkout.StatusExpired:
		l.arms = []string{byStatus(code), " AND (SELECT due FROM few) <= " + strconv.Itoa(fewSessions) + " AND s.due_at <= $3"}
		for code := range 2 { // created and pending
			l.arms = append(l.arms, " AND (SELECT due FROM few) > "+strconv.Itoa(fewSessions)+" AND s.due_at <= $3"+byStatus(code))
		}
	case code < 0: // no session has it
		l.arms = []string{" AND false"}
	default:
		l.arms = []string{byStatus(code)}
	}
}
