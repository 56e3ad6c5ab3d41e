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
// of the account. It takes some 2 ms.
const fewSessions = 2000

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
	pages []arm    // where the page and the total come from
}

// arm is an ordered range of sessions s.
type arm struct {
	from  string // "": the account's sessions
	where string
	order string
}

// span is a range of created_at, as SQL.
type span struct{ lower, upper, below string }

// list asks for one page and for the total, in one statement so that both are of one snapshot whatever transaction it
// runs in. Each row ends in the total; where the page is empty there is one row that has nothing else.
func list(account checkout.Account, q checkout.Query) statement {
	l := &listing{args: []any{account.ID, account.Test}, span: span{"'-infinity'", "'infinity'", "<="}}
	l.narrow(q)
	l.choose(q)

	total := "SELECT 0 AS total"
	if q.AfterID == "" && q.UserPhone == "" {
		total = countOf(l.pages)
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

// countOf is how many sessions all arms have, counted as far as a list counts. Each arm is counted for itself, because it
// takes as long again to hand 10,000 rows on through a union, and only while those before it have fewer.
func countOf(arms []arm) string {
	most := strconv.Itoa(checkout.MaxListTotal + 1)
	count := func(a arm) string { return "(SELECT count(*) AS n FROM (" + a.read("1", "LIMIT "+most) + ") AS s)" }
	total := count(arms[0]) + " AS counted"
	for _, a := range arms[1:] {
		total = "(SELECT CASE WHEN counted.n >= " + most + " THEN counted.n ELSE counted.n + " + count(a) + " END AS n FROM " + total + ") AS counted"
	}
	return "SELECT least(" + most + ", counted.n) AS total FROM " + total
}

// everything is the account's sessions. An index holds those that were only created, another the rest.
func (l *listing) everything() []arm {
	return []arm{l.within(l.lower, " AND s.status <> 'created'"), l.created("")}
}

// created is the range of the index of the sessions that were only created.
func (l *listing) created(where string) arm {
	return l.within(l.lower, " AND s.status = 'created'"+where)
}

// within is the range of an index of created_at, from some lower bound.
func (l *listing) within(lower, where string) arm {
	return arm{
		where: " AND s.created_at >= " + lower + "::timestamptz AND s.created_at " + l.below + " " + l.upper + "::timestamptz" + where + l.more,
		order: "s.created_at DESC",
	}
}

// having is the range of an index of a column and created_at.
func (l *listing) having(column, value, where string) arm {
	return arm{
		where: fmt.Sprintf(" AND s.%[1]s IS NOT NULL AND (s.%[1]s, s.created_at) >= (%[2]s, %[3]s::timestamptz) AND (s.%[1]s, s.created_at) %[4]s (%[2]s, %[5]s::timestamptz)",
			column, value, l.lower, l.below, l.upper) + where + l.more,
		order: "s." + column + " DESC, s.created_at DESC",
	}
}

// pendingAt is created_at of a pending session, as its index has it.
const pendingAt = "(CASE WHEN s.status = 'pending' THEN s.created_at END)"

// pending is the range of the index of pending sessions.
func (l *listing) pending(lower, where string) arm {
	return arm{
		where: " AND s.status = 'pending' AND " + pendingAt + " >= " + lower + "::timestamptz AND " + pendingAt + " " + l.below + " " + l.upper +
			"::timestamptz" + where + l.more,
		order: pendingAt + " DESC",
	}
}

// walked is what the account has of the sessions that [listing.walk] came by.
func (l *listing) walked() arm {
	a := l.within(l.lower, "")
	a.from = "walk AS s"
	return a
}

// walk looks at the sessions of all accounts that are due, up to a few and one more. If there are more it is known that there
// are many.
func (l *listing) walk(at string) {
	l.with = append(l.with, fmt.Sprintf(`walk AS MATERIALIZED (
	SELECT `+rowPlace+`, s.id, s.account, s.test, s.created_at, s.user_phone FROM checkout_sessions AS s
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
	case q.Status == checkout.StatusPending:
		l.pages = []arm{l.pending(l.lower, " AND s.due_at > "+l.arg(clampTime(q.At)))}
	case q.Status == checkout.StatusCreated:
		l.pages = []arm{l.created(" AND s.due_at > " + l.arg(clampTime(q.At)))}
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

// chooseExpired lists what was swept, and what is due and was not. Where more than a few of all accounts are due, the latter
// is looked for among the account's sessions since 24 hours before the one that has been due for the longest time.
func (l *listing) chooseExpired(status, at string) {
	l.walk(at)
	since := fmt.Sprintf("greatest(%s::timestamptz, (SELECT longest - interval '%d seconds' FROM few))", l.lower, int(checkout.MaxExpiresIn/time.Second))
	due := " AND s.due_at <= " + at
	l.pages = []arm{
		l.having("settled", status, ""),
		l.walked().onlyIf("NOT many"),
		l.within(since, " AND s.status = 'created'"+due).onlyIf("many"),
		l.pending(since, due).onlyIf("many"),
	}
}

// onlyIf reads the arm only if a condition on few holds, which is asked once.
func (a arm) onlyIf(condition string) arm {
	a.where += " AND (SELECT " + condition + " FROM few)"
	return a
}
