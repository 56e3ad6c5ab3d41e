package postgres

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/caisse/checkout"
)

// fewSessions is how many sessions that are due, of all accounts, are looked at one by one rather than looked for among those
// of the account. It takes some 1 ms.
const fewSessions = 1000

// listing is the statement of a list as it is built. It is made so that PostgreSQL cannot plan it wrongly, whatever it
// knows of the table: statements are prepared, and statistics may be old.
//
// Each arm is a range of one index, read in the index's own order, which no other index has. So the columns of the
// index stand in ORDER BY, and what they must be in row comparisons: an equality would be known to be constant, and
// then the order of another index would do. Limits are literals, since the planner takes a parameter for a tenth of all.
type listing struct {
	args  []any
	with  []string // common table expressions
	span           // of created_at
	more  string   // conditions on s that no index serves
	pages []arm    // where the page comes from
	total string   // a query of how many sessions there are; "": those of pages
}

// arm is an ordered range of sessions s.
type arm struct {
	from  string // "": the account's sessions
	where string
	order string
}

// span is a range of created_at, as SQL; "" is no bound.
type span struct{ lower, upper, below string }

// list asks for one page and for the total, in one statement so that both are of one snapshot whatever transaction it
// runs in. Each row ends in the total; where the page is empty there is one row that has nothing else.
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

// narrow sets what holds for every arm.
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

// found is what a page keeps of a session until it is known which ones are on it: where its row is in this snapshot, which
// no plan can look for in a wrong way, and its place in the order.
const (
	found    = "s.tid, s.part, s.created_at, s.id"
	rowPlace = "s.ctid AS tid, s.tableoid AS part"
)

// page is where the rows of a page are, in their order.
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

// withTies limits an arm to n, and takes those of the last one's instant with them: they are sorted by their ids later.
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

// union is the sessions of all arms.
func union(arms []arm, columns, limit string) string {
	var all []string
	for _, a := range arms {
		all = append(all, "("+a.read(columns, limit)+")")
	}
	return strings.Join(all, " UNION ALL ")
}

// mostCounted is how far a list counts.
const mostCounted = checkout.MaxListTotal + 1

// countOf is how many sessions all arms have, counted as far as a list counts. Each arm is counted for itself, because it
// takes as long again to hand 10,000 rows on through a union, and only while those before it have fewer.
func countOf(arms []arm) string {
	total := arms[0].count(mostCounted) + " AS counted"
	for _, a := range arms[1:] {
		// OFFSET 0 keeps the planner from writing out counted.n wherever it stands, and so counting several times.
		total = fmt.Sprintf("(SELECT CASE WHEN counted.n >= %d THEN counted.n ELSE counted.n + %s END AS n FROM %s OFFSET 0) AS counted", mostCounted, a.count(mostCounted), total)
	}
	return fmt.Sprintf("(SELECT least(%d, counted.n) FROM %s)", mostCounted, total)
}

// count is how many sessions an arm has, counted up to a number.
func (a arm) count(most int) string {
	return fmt.Sprintf("(SELECT count(*) AS n FROM (%s) AS s)", a.read("1", fmt.Sprintf("LIMIT %d", most)))
}

// everything is the account's sessions. One index holds those that were only created, one the pending, one the rest.
func (l *listing) everything() []arm {
	return []arm{l.within(l.lower, " AND s.settled IS NOT NULL"), l.waiting(checkout.StatusCreated, l.lower, ""), l.waiting(checkout.StatusPending, l.lower, "")}
}

// waiting is the range of the index of the sessions of a status that the clock can change.
func (l *listing) waiting(status checkout.Status, lower, where string) arm {
	return l.within(lower, " AND s.status = '"+string(status)+"'"+where)
}

// within is the range of an index of created_at, from some lower bound. A bound that excludes nothing is not written: to
// compare each row with it takes a fifth of the time of a count.
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

// having is the range of an index of a column and created_at.
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

// walked is what the account has of the sessions that [listing.walk] came by.
func (l *listing) walked(where string) arm {
	a := l.within(l.lower, where)
	a.from = "walk AS s"
	return a
}

// walk looks at the sessions of all accounts that are due, up to a few and one more. If there are more it is known that there
// are many.
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

// chooseNamed lists by what a merchant or an operator calls a session. Those of one payment are few, and all looked at.
func (l *listing) chooseNamed(q checkout.Query) {
	where := ""
	if q.Status != "" {
		// The status that a session has at an instant, as [checkout.Session.StatusAt] tells it.
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

// chooseWaiting lists the sessions of a status that the clock can change, but those that are due. The index does not say which
// are due, and to look at each row takes twice as long as to count within the index. So all are counted, and the few that are
// due are taken off.
func (l *listing) chooseWaiting(status checkout.Status, at string) {
	l.pages = []arm{l.waiting(status, l.lower, " AND s.due_at > "+at)}
	l.walk(at)
	all, due := l.waiting(status, l.lower, ""), l.walked(" AND s.status = '"+string(status)+"'")
	l.total = fmt.Sprintf("SELECT CASE WHEN many THEN %s ELSE least(%d, %s - %s) END AS total FROM few",
		countOf(l.pages), mostCounted, all.count(mostCounted+fewSessions), due.count(fewSessions))
}

// chooseExpired lists what was swept, and what is due and was not. Where more than a few of all accounts are due, the latter
// is looked for among the account's sessions since 24 hours before the one that has been due for the longest time.
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

// onlyIf reads the arm only if a condition on few holds, which is asked once.
func (a arm) onlyIf(condition string) arm {
	a.where += " AND (SELECT " + condition + " FROM few)"
	return a
}
