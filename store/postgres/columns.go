package postgres

import (
	"errors"
	"fmt"
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

// traits are what sets a column apart.
type traits int

const (
	fixed  traits = 1 << iota // never updated
	orNull                    // a text of which '' is kept as null
)

// columns are all that there are, in the order of every statement. [scanMore] knows them too, and nothing else.
var columns = []column{
	columnOf("id", "text", fixed, func(s *checkout.Session) string { return s.ID }),
	columnOf("account", "text", fixed, func(s *checkout.Session) string { return s.Account.ID }),
	columnOf("test", "boolean", fixed, func(s *checkout.Session) bool { return s.Account.Test }),
	columnOf("idempotency_key", "text", fixed|orNull, func(s *checkout.Session) string { return string(s.IdempotencyKey) }),
	columnOf("fingerprint", "bytea", fixed, func(s *checkout.Session) []byte { return s.Fingerprint[:] }),
	columnOf("status", "text", 0, func(s *checkout.Session) string { return string(s.Status) }),
	columnOf("amount", "bigint", 0, func(s *checkout.Session) int64 { return s.Amount }),
	columnOf("currency", "text", 0, func(s *checkout.Session) string { return s.Currency }),
	columnOf("payment_method", "text", 0, func(s *checkout.Session) string { return string(s.PaymentMethod) }),
	columnOf("user_phone", "text", 0, func(s *checkout.Session) string { return s.UserPhone }),
	columnOf("payment_id", "text", orNull, func(s *checkout.Session) string { return s.PaymentID }),
	columnOf("customer_id", "text", 0, func(s *checkout.Session) string { return s.CustomerID }),
	columnOf("description", "text", 0, func(s *checkout.Session) string { return s.Description }),
	columnOf("success_url", "text", 0, func(s *checkout.Session) string { return s.SuccessURL }),
	columnOf("cancel_url", "text", 0, func(s *checkout.Session) string { return s.CancelURL }),
	columnOf("created_at", "timestamptz", fixed, func(s *checkout.Session) time.Time { return s.CreatedAt }),
	columnOf("expires_at", "timestamptz", 0, func(s *checkout.Session) time.Time { return s.ExpiresAt }),
	columnOf("completed_at", "timestamptz", 0, func(s *checkout.Session) *time.Time {
		if s.CompletedAt.IsZero() {
			return nil
		}
		return &s.CompletedAt
	}),
	columnOf("failure_reason", "text", 0, func(s *checkout.Session) string { return s.FailureReason }),
	columnOf("transaction_fee", "bigint", 0, func(s *checkout.Session) int64 { return s.TransactionFee }),
	columnOf("late", "boolean", 0, func(s *checkout.Session) bool { return s.Late }),
	columnOf("version", "bigint", 0, func(s *checkout.Session) int64 { return s.Version }),
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

// each joins what f says of every column.
func each(f func(i int, c column) string) string {
	var all []string
	for i, c := range columns {
		if part := f(i, c); part != "" {
			all = append(all, part)
		}
	}
	return strings.Join(all, ", ")
}

var (
	names = each(func(_ int, c column) string { return c.name })

	// selected are the columns of the table s that scan reads.
	selected = each(func(_ int, c column) string {
		if c.traits&orNull != 0 {
			return "coalesce(s." + c.name + ", '')"
		}
		return "s." + c.name
	})
)

// rowset is sessions as the rows of a table u: from one array for each column, so that a batch of any size is the
// same statement, with one plan and one prepared name.
var rowset = "unnest(" + each(func(i int, c column) string { return "$" + strconv.Itoa(i+1) + "::" + c.sqlType + "[]" }) + ") AS u (" + names + ")"

// loneRow is one session as a row of a table u. Two dozen arrays cost 50 µs of the server's time, one row 4 µs.
var loneRow = "(VALUES (" + each(func(i int, c column) string { return "$" + strconv.Itoa(i+1) + "::" + c.sqlType }) + ")) AS u (" + names + ")"

var (
	insertLoneRow, insertRowset = insertOf(loneRow), insertOf(rowset)
	updateLoneRow, updateRowset = updateOf(loneRow), updateOf(rowset)
)

// insertOf writes each session whose key and id are both new, and names those that it wrote.
func insertOf(rows string) string {
	return "INSERT INTO checkout_sessions (" + names + ") SELECT " + each(func(_ int, c column) string { return c.given() }) +
		" FROM " + rows + " ON CONFLICT DO NOTHING RETURNING id"
}

// updateOf replaces each session of which the version before is stored, and names those that it replaced.
func updateOf(rows string) string {
	return "UPDATE checkout_sessions AS s SET " + each(func(_ int, c column) string {
		if c.traits&fixed != 0 {
			return ""
		}
		return c.name + " = " + c.given()
	}) + " FROM " + rows +
		" WHERE s.id = u.id AND s.account = u.account AND s.test = u.test AND s.version = u.version - 1 RETURNING s.id"
}

// given is what u gives for a column.
func (c column) given() string {
	if c.traits&orNull != 0 {
		return "nullif(u." + c.name + ", '')"
	}
	return "u." + c.name
}

// statementFor is a statement that takes sessions, as one row or as many.
func statementFor(doing, one, many string, sessions []*checkout.Session) statement {
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

// scan reads the columns that are selected.
func scan(row pgx.CollectableRow) (checkout.Session, error) { return scanMore(row) }

// scanMore reads the columns that are selected, and those after them.
func scanMore(row pgx.CollectableRow, more ...any) (checkout.Session, error) {
	var (
		s           checkout.Session
		fingerprint []byte
		completedAt *time.Time
	)
	err := row.Scan(append([]any{
		&s.ID, &s.Account.ID, &s.Account.Test, &s.IdempotencyKey, &fingerprint, &s.Status, &s.Amount, &s.Currency,
		&s.PaymentMethod, &s.UserPhone, &s.PaymentID, &s.CustomerID, &s.Description, &s.SuccessURL, &s.CancelURL,
		&s.CreatedAt, &s.ExpiresAt, &completedAt, &s.FailureReason, &s.TransactionFee, &s.Late, &s.Version,
	}, more...)...)
	if err != nil {
		return checkout.Session{}, err
	}
	if completedAt != nil {
		s.CompletedAt = *completedAt
	}
	s.Fingerprint, err = idempotency.FingerprintFromBytes(fingerprint)
	return kept(s), err
}

// scanTotal reads the last column of a row that has nothing else.
func scanTotal(row pgx.CollectableRow, total *int) error {
	columns := make([]any, len(row.RawValues())) // nil passes over a column
	columns[len(columns)-1] = total
	return row.Scan(columns...)
}

// kept is a session as the database keeps it and scan returns it: times in UTC, cut to the microsecond.
func kept(s checkout.Session) checkout.Session {
	for _, at := range []*time.Time{&s.CreatedAt, &s.ExpiresAt, &s.CompletedAt} {
		*at = at.UTC().Truncate(time.Microsecond)
	}
	return s
}

// storable says why a session cannot be written, before it could spoil a batch.
func storable(s *checkout.Session) error {
	if !askable(s.ID, s.Account.ID, string(s.IdempotencyKey), string(s.Status), s.Currency, string(s.PaymentMethod), s.UserPhone,
		s.PaymentID, s.CustomerID, s.Description, s.SuccessURL, s.CancelURL, s.FailureReason) {
		return errors.New("postgres: a text of the session is not UTF-8, or holds U+0000, which PostgreSQL cannot store")
	}
	// What no four digits write, the wire could not answer either.
	for _, at := range []time.Time{s.CreatedAt, s.ExpiresAt, s.CompletedAt} {
		if year := at.UTC().Year(); year < 1 || year > 9999 {
			return fmt.Errorf("postgres: a time of the session is in the year %d", year)
		}
	}
	return nil
}
