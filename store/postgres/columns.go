package postgres

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/idempotency"
	"github.com/jackc/pgx/v5"
)

// column is a column of the table of sessions.
type column struct {
	name, sqlType string
	traits        traits
	one           func(*checkout.Session) any   // the value of one session, of a type that pgx can send in every mode
	many          func([]*checkout.Session) any // those of several, as a slice
}

// traits are the properties in which columns differ.
type traits int

const (
	named   traits = 1 << iota // written by a create; an update finds its row by it
	changes                    // written by a create and by an update
	later                      // written by an update only
	orNull                     // a text; '' is stored as null
	label                      // null in most sessions, which are then written without it
)

// columns are the columns that store a session, in the order in which statements write and read them. scanBetween reads this order.
var columns = []column{
	columnOf("id", "text", named, func(s *checkout.Session) string { return s.ID }),
	columnOf("account", "text", named, func(s *checkout.Session) string { return s.Account.ID }),
	columnOf("test", "boolean", named, func(s *checkout.Session) bool { return s.Account.Test }),
	columnOf("idempotency_key", "text", orNull, func(s *checkout.Session) string { return string(s.IdempotencyKey) }),
	columnOf("fingerprint", "bytea", 0, func(s *checkout.Session) []byte { return s.Fingerprint[:] }),
	columnOf("status", "text", changes, func(s *checkout.Session) string { return string(s.Status) }),
	columnOf("amount", "bigint", 0, func(s *checkout.Session) int64 { return s.Amount }),
	columnOf("currency", "text", 0, func(s *checkout.Session) string { return s.Currency }),
	columnOf("payment_method", "text", 0, func(s *checkout.Session) string { return string(s.PaymentMethod) }),
	columnOf("user_phone", "text", 0, func(s *checkout.Session) string { return s.UserPhone }),
	columnOf("payment_id", "text", changes|orNull, func(s *checkout.Session) string { return s.PaymentID }),
	columnOf("customer_id", "text", 0, func(s *checkout.Session) string { return s.CustomerID }),
	columnOf("description", "text", 0, func(s *checkout.Session) string { return s.Description }),
	columnOf("success_url", "text", 0, func(s *checkout.Session) string { return s.SuccessURL }),
	columnOf("cancel_url", "text", 0, func(s *checkout.Session) string { return s.CancelURL }),
	columnOf("created_at", "timestamptz", 0, func(s *checkout.Session) time.Time { return s.CreatedAt }),
	columnOf("expires_at", "timestamptz", 0, func(s *checkout.Session) time.Time { return s.ExpiresAt }),
	columnOf("completed_at", "timestamptz", changes, func(s *checkout.Session) *time.Time {
		if s.CompletedAt.IsZero() {
			return nil
		}
		return &s.CompletedAt
	}),
	columnOf("failure_reason", "text", changes, func(s *checkout.Session) string { return s.FailureReason }),
	columnOf("transaction_fee", "bigint", 0, func(s *checkout.Session) int64 { return s.TransactionFee }),
	columnOf("late", "boolean", changes, func(s *checkout.Session) bool { return s.Late }),
	columnOf("version", "bigint", changes, func(s *checkout.Session) int64 { return s.Version }),
	columnOf("client_reference", "text", orNull|label, func(s *checkout.Session) string { return s.ClientReference }),
	columnOf("metadata", "text", orNull|label, func(s *checkout.Session) string { return encodeMetadata(s.Metadata) }),
	columnOf("updated_at", "timestamptz", later, func(s *checkout.Session) time.Time { return s.UpdatedAt }),
}

// The columns that a create writes, those that a create without labels writes, and those that an update writes.
var (
	created = columnsThat(func(t traits) bool { return t&later == 0 })
	plain   = columnsThat(func(t traits) bool { return t&(later|label) == 0 })
	changed = columnsThat(func(t traits) bool { return t&(named|changes|later) != 0 })
)

func columnsThat(have func(traits) bool) (some []column) {
	for _, c := range columns {
		if have(c.traits) {
			some = append(some, c)
		}
	}
	return some
}

func columnOf[T any](name, sqlType string, traits traits, of func(*checkout.Session) T) column {
	return column{
		name: name, sqlType: sqlType, traits: traits,
		one: func(s *checkout.Session) any { return of(s) },
		many: func(sessions []*checkout.Session) any {
			values := make([]T, len(sessions))
			for i, s := range sessions {
				values[i] = of(s)
			}
			return values
		},
	}
}

// joinColumns calls f for each column, and joins the results that are not empty with commas.
func joinColumns(columns []column, f func(i int, c column) string) string {
	var all []string
	for i, c := range columns {
		if part := f(i, c); part != "" {
			all = append(all, part)
		}
	}
	return strings.Join(all, ", ")
}

func namesOf(columns []column) string {
	return joinColumns(columns, func(_ int, c column) string { return c.name })
}

// selected are the columns of table s that scan reads.
var selected = joinColumns(created, func(_ int, c column) string {
	if c.traits&orNull != 0 {
		return "coalesce(s." + c.name + ", '')"
	}
	return "s." + c.name
}) + ", " + updatedAt

// updatedAt is the time of the last change of s. If a program of a release without events made that change, its time is not known.
// updatedAt is then the latest time that is known.
const updatedAt = `CASE WHEN s.logged_version = s.version THEN s.updated_at ELSE greatest(s.created_at, s.updated_at, s.completed_at) END`

// rowset makes a table u of sessions, from one array for each column. So a batch of any size is the same statement, with one plan and
// one prepared name.
func rowset(columns []column) string {
	return "unnest(" + joinColumns(columns, func(i int, c column) string { return "$" + strconv.Itoa(i+1) + "::" + c.sqlType + "[]" }) +
		") AS u (" + namesOf(columns) + ")"
}

// oneRow makes a table u of one session. It costs the server 4 µs; two dozen arrays cost 50 µs.
func oneRow(columns []column) string {
	return "(VALUES (" + joinColumns(columns, func(i int, c column) string { return "$" + strconv.Itoa(i+1) + "::" + c.sqlType }) +
		")) AS u (" + namesOf(columns) + ")"
}

var (
	insertOneRow, insertRowset  = insertOf(created, oneRow), insertOf(created, rowset)
	insertOnePlain, insertPlain = insertOf(plain, oneRow), insertOf(plain, rowset)
	updateOneRow, updateRowset  = updateOf(oneRow(changed)), updateOf(rowset(changed))
)

// insertOf writes each session whose key and id are both new, and returns the ids of those that it wrote.
func insertOf(columns []column, rows func([]column) string) string {
	return "INSERT INTO checkout_sessions (" + namesOf(columns) + ") SELECT " +
		joinColumns(columns, func(_ int, c column) string { return c.given() }) +
		" FROM " + rows(columns) + " ON CONFLICT DO NOTHING RETURNING id"
}

// updateOf replaces each session whose stored version is one less than the new version, appends the events, and returns the ids of
// those that it replaced.
func updateOf(rows string) string {
	return "WITH changed AS (UPDATE checkout_sessions AS s SET " + joinColumns(changed, func(_ int, c column) string {
		if c.traits&named != 0 {
			return ""
		}
		return c.name + " = " + c.given()
	}) + ", logged_version = u.version, " + keepBefore + " FROM " + rows +
		" WHERE s.id = u.id AND s.account = u.account AND s.test = u.test AND s.version = u.version - 1" +
		" RETURNING s.id, s.account, s.version, s.status, s.updated_at, s.completed_at, s.payment_id, s.failure_reason, s.late" +
		"), logged AS (" + appendEvents + ") SELECT id FROM changed"
}

// given is the expression for a column's value in u.
func (c column) given() string {
	if c.traits&orNull != 0 {
		return "nullif(u." + c.name + ", '')"
	}
	return "u." + c.name
}

// insertionOf returns the statement that inserts sessions.
func insertionOf(sessions []*checkout.Session) statement {
	if slices.ContainsFunc(sessions, func(s *checkout.Session) bool { return s.ClientReference != "" || len(s.Metadata) > 0 }) {
		return statementFor("create", insertOneRow, insertRowset, created, sessions)
	}
	st := statementFor("create", insertOnePlain, insertPlain, plain, sessions)
	st.name += "_plain"
	return st
}

// statementFor returns a statement with the columns of sessions as its arguments, in the form for one row or for several.
func statementFor(doing, one, many string, columns []column, sessions []*checkout.Session) statement {
	st := statement{"checkout_" + doing + "_rows", doing, many, make([]any, len(columns))}
	if len(sessions) == 1 {
		st.name, st.sql = "checkout_"+doing, one
	}
	for i, c := range columns {
		if len(sessions) == 1 {
			st.args[i] = c.one(sessions[0])
		} else {
			st.args[i] = c.many(sessions)
		}
	}
	return st
}

// scan reads the selected columns.
func scan(row pgx.CollectableRow) (checkout.Session, error) { return scanBetween(row, nil, nil) }

// scanMore reads the selected columns, and more columns after them.
func scanMore(row pgx.CollectableRow, more ...any) (checkout.Session, error) {
	return scanBetween(row, nil, more)
}

// scanAfter reads some columns, and the selected columns after them.
func scanAfter(row pgx.CollectableRow, before ...any) (checkout.Session, error) {
	return scanBetween(row, before, nil)
}

func scanBetween(row pgx.CollectableRow, before, after []any) (checkout.Session, error) {
	var (
		s           checkout.Session
		fingerprint []byte
		completedAt *time.Time
		metadata    string
	)
	err := row.Scan(slices.Concat(before, []any{
		&s.ID, &s.Account.ID, &s.Account.Test, &s.IdempotencyKey, &fingerprint, &s.Status, &s.Amount, &s.Currency,
		&s.PaymentMethod, &s.UserPhone, &s.PaymentID, &s.CustomerID, &s.Description, &s.SuccessURL, &s.CancelURL,
		&s.CreatedAt, &s.ExpiresAt, &completedAt, &s.FailureReason, &s.TransactionFee, &s.Late, &s.Version, &s.ClientReference,
		&metadata, &s.UpdatedAt,
	}, after)...)
	if err != nil {
		return checkout.Session{}, err
	}
	if completedAt != nil {
		s.CompletedAt = *completedAt
	}
	if s.Metadata, err = decodeMetadata(metadata); err != nil {
		return checkout.Session{}, err
	}
	s.Fingerprint, err = idempotency.FingerprintFromBytes(fingerprint)
	return kept(s), err
}

// encodeMetadata returns metadata as a JSON object, or "" if there is none.
func encodeMetadata(m map[string]string) string {
	if len(m) == 0 {
		return ""
	}
	text, err := json.Marshal(m)
	if err != nil {
		panic(err) // a map of strings can always be encoded
	}
	return string(text)
}

func decodeMetadata(kept string) (m map[string]string, err error) {
	if kept == "" {
		return nil, nil
	}
	if json.Unmarshal([]byte(kept), &m) != nil {
		return nil, errors.New("kept metadata cannot be read")
	}
	return m, nil
}

// scanTotal reads the last column of a row, and ignores the others.
func scanTotal(row pgx.CollectableRow, total *int) error {
	columns := make([]any, len(row.RawValues())) // nil ignores a column
	columns[len(columns)-1] = total
	return row.Scan(columns...)
}

// kept returns a session as scan would read it back: with times in UTC, cut to microseconds, and with a copy of its metadata.
func kept(s checkout.Session) checkout.Session {
	for _, at := range []*time.Time{&s.CreatedAt, &s.ExpiresAt, &s.CompletedAt, &s.UpdatedAt} {
		*at = at.UTC().Truncate(time.Microsecond)
	}
	if s.Metadata = maps.Clone(s.Metadata); len(s.Metadata) == 0 {
		s.Metadata = nil
	}
	return s
}

// storable returns an error for a session that PostgreSQL would refuse. So such a session fails before it joins a batch.
func storable(s *checkout.Session) error {
	if !validTexts(s.ID, s.Account.ID, string(s.IdempotencyKey), string(s.Status), s.Currency, string(s.PaymentMethod), s.UserPhone,
		s.PaymentID, s.CustomerID, s.Description, s.SuccessURL, s.CancelURL, s.FailureReason, s.ClientReference) ||
		!validTexts(slices.Collect(maps.Keys(s.Metadata))...) || !validTexts(slices.Collect(maps.Values(s.Metadata))...) {
		return errors.New("postgres: a text of the session is not UTF-8, or holds U+0000, which PostgreSQL cannot store")
	}
	// A time with a year of more than four digits cannot be encoded as JSON either.
	for _, at := range []time.Time{s.CreatedAt, s.ExpiresAt, s.CompletedAt, s.UpdatedAt} {
		if year := at.UTC().Year(); year < 1 || year > 9999 {
			return fmt.Errorf("postgres: a time of the session is in the year %d", year)
		}
	}
	return nil
}
