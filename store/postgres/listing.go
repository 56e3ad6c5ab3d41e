package postgres

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/caisse/checkout"
)

// fewSessions is the greatest number of due sessions, of all accounts, that a list looks at one by one, which takes some 1 ms. If
// there are more, the list looks for due sessions among those of the account.
const fewSessions = 1000

// listing is the statement of a list while it is built. The planner may have old statistics, and it plans a prepared statement without
// its values. So the statement is written in a way that leaves the planner only one index for each part:
//
//   - Each arm is a range of one index, in the order of that index. ORDER BY has all columns of the index, and no other index has
//     that order. The range is a row comparison and not an equality: a column that is equal to a constant would not matter for the
//     order, and then another index would do.
//   - Limits are literals. For a parameter the planner assumes a tenth of the table.
type listing struct {
	args  []any
	with  []string // common table expressions
	span           // the range of created_at
	more  string   // the condition on s that the cursor adds
	pages []arm    // the ranges from which the page is read
	total string   // a query for the total; "": pages are counted
}

// arm is an ordered range of sessions s.
type arm struct {
	from  string // "": the account's sessions
	where string
	order string
}

// span is a range of created_at, as SQL. A bound is "" if there is none. below is the operator of the upper bound, < or <=.
type span struct{ lower, upper, below string }

// list returns the statement for one page and the total. It is one statement, so that both are of the same snapshot in every
// transaction. Each row ends with the total. If the page is empty, there is one row with only the total.
func list(account checkout.Account, q checkout.Query) statement {
	l := &listing{args: []any{account.ID, account.Test}, span: span{below: "<="}}
	l.narrow(q)
	l.choose(q)

	total := "SELECT 0 AS total"
	if q.AfterID == "" && q.UserPhone == "" {
		total = cmp.Or(l.total, "SELECT "+countOf(l.pages)+" AS total")
	}
	sql := `SELECT ` + selected + `, t.total FROM (` + total + `) AS t LEFT JOIN (
	SELECT s.* FROM (` + l.page(q) + `) AS p CROSS JOIN LATERAL (
		SELECT * FROM checkout_sessions AS s WHERE s.ctid = p.tid AND s.tableoid = p.part AND s.account = $1 LIMIT 1
	) AS s
) AS s ON true` + newest
	if len(l.with) > 0 {
		sql = "WITH " + strings.Join(l.with, ", ") + " " + sql
	}
	return statement{"", "list", sql, l.args}
}

// newest is the order of a list.
const newest = " ORDER BY s.created_at DESC, s.id DESC"

func (l *listing) arg(value any) string {
	l.args = append(l.args, value)
	return "$" + strconv.Itoa(len(l.args))
}

// narrow sets the conditions of every arm.
func (l *listing) narrow(q checkout.Query) {
	if !q.CreatedAfter.IsZero() {
		l.lower = l.arg(clampTime(q.CreatedAfter))
	}
	if !q.CreatedBefore.IsZero() {
		l.upper, l.below = l.arg(clampTime(q.CreatedBefore)), "<"
	}
	if q.AfterID != "" {
		at, id := l.arg(clampTime(q.AfterCreatedAt)), l.arg(q.AfterID)
		l.more = " AND (s.created_at < " + at + " OR s.created_at = " + at + " AND s.id < " + id + ")"
		if q.CreatedBefore.IsZero() || !q.AfterCreatedAt.After(q.CreatedBefore) {
			if !q.CreatedBefore.IsZero() {
				l.more += " AND s.created_at < " + l.upper
			}
			l.upper, l.below = at, "<="
		}
	}
}

// found are the columns that are selected until it is known which sessions are on the page: the place in the order, and the
// address of the row in this snapshot. The rows of the page are read by their addresses at the end, without an index.
const (
	found    = "s.tid, s.part, s.created_at, s.id"
	rowPlace = "s.ctid AS tid, s.tableoid AS part"
)

// page selects the addresses of a page's rows, in their order.
func (l *listing) page(q checkout.Query) string {
	limit, offset := l.arg(int64(q.Limit)), l.arg(int64(q.Offset))+"::bigint"
	if q.UserPhone == "" {
		return "SELECT s.tid, s.part FROM (" + union(l.pages, found, withTies(q.Offset+q.Limit)) + ") AS s" + newest +
			" LIMIT " + limit + " OFFSET " + offset
	}
	return fmt.Sprintf(`SELECT s.tid, s.part FROM (
		SELECT s.*, row_number() OVER (%s) AS nth FROM (%s) AS s%s LIMIT %d OFFSET %s
	) AS s WHERE s.user_phone = %s OR s.nth = %d + %s%s LIMIT %s`,
		newest, union(l.pages, found+", s.user_phone", withTies(q.Offset+checkout.MaxPhoneScan)), newest,
		checkout.MaxPhoneScan, offset, l.arg(q.UserPhone), checkout.MaxPhoneScan, offset, newest, limit)
}

// withTies limits an arm to n sessions, and adds those of the same instant as the last one. They are sorted by id later. It
// rounds n up, so that there are few different statements.
func withTies(n int) string {
	for _, most := range []int{1, checkout.DefaultListLimit, checkout.MaxListLimit, 1000, checkout.MaxListOffset + checkout.MaxListLimit} {
		if n <= most {
			return fmt.Sprintf("FETCH FIRST %d ROWS WITH TIES", most)
		}
	}
	return fmt.Sprintf("FETCH FIRST %d ROWS WITH TIES", checkout.MaxListOffset+checkout.MaxPhoneScan)
}

// read selects from an arm, up to a limit.
func (a arm) read(columns, limit string) string {
	if a.from == "" {
		columns = strings.Replace(columns, "s.tid, s.part", rowPlace, 1)
	}
	return "SELECT " + columns + " FROM " + cmp.Or(a.from, "checkout_sessions AS s") +
		" WHERE s.account = $1 AND s.test = $2" + a.where + " ORDER BY " + a.order + " " + limit
}

// union selects the sessions of all arms.
func union(arms []arm, columns, limit string) string {
	var all []string
	for _, a := range arms {
		all = append(all, "("+a.read(columns, limit)+")")
	}
	return strings.Join(all, " UNION ALL ")
}

// mostCounted is the greatest total of a list.
const mostCounted = checkout.MaxListTotal + 1

// countOf counts the sessions of all arms, up to mostCounted. It counts each arm separately, because a union of all arms would double
// the time for 10,000 rows. It counts an arm only if the arms before it have fewer sessions than mostCounted.
func countOf(arms []arm) string {
	total := arms[0].count(mostCounted) + " AS counted"
	for _, a := range arms[1:] {
		// OFFSET 0 keeps the planner from replacing each counted.n by its subquery, which would then run several times.
		total = fmt.Sprintf("(SELECT CASE WHEN counted.n >= %d THEN counted.n ELSE counted.n + %s END AS n FROM %s OFFSET 0) AS counted", mostCounted, a.count(mostCounted), total)
	}
	return fmt.Sprintf("(SELECT least(%d, counted.n) FROM %s)", mostCounted, total)
}

// count counts the sessions of an arm, up to a limit.
func (a arm) count(most int) string {
	return fmt.Sprintf("(SELECT count(*) AS n FROM (%s) AS s)", a.read("1", fmt.Sprintf("LIMIT %d", most)))
}

// everything returns the arms for all sessions of the account. There are three indexes: for created sessions, for pending ones, and for
// all others.
func (l *listing) everything() []arm {
	return []arm{l.within(l.lower, " AND s.settled IS NOT NULL"), l.waiting(checkout.StatusCreated, l.lower, ""), l.waiting(checkout.StatusPending, l.lower, "")}
}

// waiting returns the arm for sessions that are stored as created or as pending.
func (l *listing) waiting(status checkout.Status, lower, where string) arm {
	return l.within(lower, " AND s.status = '"+string(status)+"'"+where)
}

// within returns a range of an index on created_at. A bound that excludes nothing is left out, because comparing each row with it
// takes a fifth of the time of a count.
func (l *listing) within(lower, where string) arm {
	bounds := ""
	if lower != "" {
		bounds += " AND s.created_at >= " + lower + "::timestamptz"
	}
	if l.upper != "" {
		bounds += " AND s.created_at " + l.below + " " + l.upper + "::timestamptz"
	}
	return arm{where: bounds + where + l.more, order: "s.created_at DESC"}
}

// having returns a range of an index on a column and created_at.
func (l *listing) having(column, value, where string) arm {
	column = "s." + column
	bound := func(operator, at string) string {
		if at == "" {
			return " AND " + column + " " + operator + " " + value
		}
		return fmt.Sprintf(" AND (%s, s.created_at) %s (%s, %s::timestamptz)", column, operator, value, at)
	}
	return arm{
		where: " AND " + column + " IS NOT NULL" + bound(">=", l.lower) + bound(l.below, l.upper) + where + l.more,
		order: column + " DESC, s.created_at DESC",
	}
}

// walked selects the account's sessions among those of [listing.walk].
func (l *listing) walked(where string) arm {
	a := l.within(l.lower, where)
	a.from = "walk AS s"
	return a
}

// walk selects the due sessions of all accounts, up to one more than fewSessions. If it finds that many, there are too many to
// look at one by one.
func (l *listing) walk(at string) {
	l.with = append(l.with, fmt.Sprintf(`walk AS MATERIALIZED (
	SELECT `+rowPlace+`, s.id, s.account, s.test, s.created_at, s.user_phone, s.status FROM checkout_sessions AS s
	WHERE s.due_at <= %s ORDER BY s.due_at, s.id LIMIT %d
), few AS MATERIALIZED (
	SELECT w.many, (SELECT s.due_at FROM checkout_sessions AS s WHERE s.due_at IS NOT NULL ORDER BY s.due_at, s.id LIMIT 1) AS longest
	FROM (SELECT count(*) > %d AS many FROM walk) AS w
)`, at, fewSessions+1, fewSessions))
}

// choose sets the arms.
func (l *listing) choose(q checkout.Query) {
	switch {
	case q.PaymentID != "" || q.ClientReference != "":
		l.chooseNamed(q)
	case q.Status == "":
		l.pages = l.everything()
	case q.Status == checkout.StatusCreated || q.Status == checkout.StatusPending:
		l.chooseWaiting(q.Status, l.arg(clampTime(q.At)))
	case q.Status == checkout.StatusExpired:
		l.chooseExpired(l.arg(string(q.Status)), l.arg(clampTime(q.At)))
	default:
		l.pages = []arm{l.having("settled", l.arg(string(q.Status)), "")}
	}
}

// chooseNamed lists by client reference or payment. Few sessions have the same payment, so it reads all of these.
func (l *listing) chooseNamed(q checkout.Query) {
	where := ""
	if q.Status != "" {
		// The status that a session has at an instant, as [checkout.Session.StatusAt] returns it.
		where += " AND CASE WHEN s.due_at <= " + l.arg(clampTime(q.At)) + " THEN 'expired' ELSE s.status END = " + l.arg(string(q.Status))
	}
	if q.PaymentID == "" {
		l.pages = []arm{l.having("client_reference", l.arg(q.ClientReference), where)}
		return
	}
	if q.ClientReference != "" {
		where += " AND s.client_reference = " + l.arg(q.ClientReference)
	}
	l.with = append(l.with, `paid AS MATERIALIZED (
	SELECT `+rowPlace+`, s.id, s.account, s.test, s.created_at, s.user_phone FROM checkout_sessions AS s
	WHERE s.account = $1 AND s.test = $2 AND s.payment_id = `+l.arg(q.PaymentID)+where+`
)`)
	a := l.within(l.lower, "")
	a.from = "paid AS s"
	l.pages = []arm{a}
}

// chooseWaiting lists the sessions that are created or pending and not due. The index does not say which are due, and looking at
// each row takes twice as long as counting within the index. So it counts all of them, and subtracts the few that are due.
func (l *listing) chooseWaiting(status checkout.Status, at string) {
	l.pages = []arm{l.waiting(status, l.lower, " AND s.due_at > "+at)}
	l.walk(at)
	all, due := l.waiting(status, l.lower, ""), l.walked(" AND s.status = '"+string(status)+"'")
	l.total = fmt.Sprintf("SELECT CASE WHEN many THEN %s ELSE least(%d, %s - %s) END AS total FROM few",
		countOf(l.pages), mostCounted, all.count(mostCounted+fewSessions), due.count(fewSessions))
}

// chooseExpired lists the sessions that were swept, and those that are due and not yet swept. If many sessions of all accounts are due,
// it looks for the due ones among the account's sessions, back to 24 hours before the session that has been due for longest.
func (l *listing) chooseExpired(status, at string) {
	l.walk(at)
	since := fmt.Sprintf("greatest(%s::timestamptz, (SELECT longest - interval '%d seconds' FROM few))", cmp.Or(l.lower, "NULL"), int(checkout.MaxExpiresIn/time.Second))
	due := " AND s.due_at <= " + at
	l.pages = []arm{
		l.having("settled", status, ""),
		l.walked("").onlyIf("NOT many"),
		l.waiting(checkout.StatusCreated, since, due).onlyIf("many"),
		l.waiting(checkout.StatusPending, since, due).onlyIf("many"),
	}
}

// onlyIf reads the arm only if a condition on few is true. The condition is evaluated once.
func (a arm) onlyIf(condition string) arm {
	a.where += " AND (SELECT " + condition + " FROM few)"
	return a
}
