package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/caisse/checkout"
	"github.com/jackc/pgx/v5/pgconn"
)

// phase says how far a call had come when it failed. That decides what a lost connection means.
type phase int

const (
	connecting phase = iota // there was no connection yet
	asking                  // a statement was sent, but no COMMIT
	answering               // both were sent, and the answer to the statement is due
	committing              // the statement was answered, and the answer to the COMMIT is due
)

// failure is an error of the database and what it means to the caller of a store. errors.As still finds the database's own error,
// because in a host's transaction the host must act on it.
type failure struct {
	doing string
	kind  error // ErrUnavailable, ErrOutcomeUnknown or the error of the caller's context; nil if it is none of these
	cause error
	again bool // nothing was written, and the same call may succeed if it is repeated at once
}

func (f *failure) Error() string {
	text := "postgres: " + f.doing + ": "
	if f.kind != nil {
		text += f.kind.Error() + ": "
	}
	text += oneLine(f.cause)
	if what := advice(f.cause); what != "" {
		text += ": " + what
	}
	return text
}

// oneLine returns the text of an error without line breaks. pgx writes a line for each address of the URL that it tried.
func oneLine(err error) string {
	lines := strings.FieldsFunc(err.Error(), func(r rune) bool { return r == '\n' || r == '\r' || r == '\t' })
	return strings.ReplaceAll(strings.Join(lines, "; "), ":; ", ": ")
}

// advice returns what an administrator can do about an error of the server, or "" if the server's own text says enough.
func advice(err error) string {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return ""
	}
	switch pg.Code {
	case "42P05", "26000":
		return "behind a pooler that gives each transaction another connection, add default_query_exec_mode=exec to the URL"
	case "42P01", "3F000":
		return "run the migrations (Open or Migrate), or set the search_path that they were run with"
	case "42501":
		return "the package's documentation lists the privileges that the store needs"
	case "25006":
		return "the URL must lead to the primary: name all hosts, and add target_session_attrs=read-write"
	case "53300":
		return "raise the server's max_connections, or lower pool_max_conns in the URL"
	case "57014":
		if strings.Contains(pg.Message, "statement timeout") {
			return fmt.Sprintf("a batch of writes may take %v: set this user's statement_timeout to more, or to 0", answerTimeout)
		}
	}
	return ""
}

func (f *failure) Unwrap() []error {
	switch {
	case f.kind == nil:
		return []error{f.cause}
	case errors.Is(f.cause, context.DeadlineExceeded), errors.Is(f.cause, context.Canceled):
		return []error{f.kind} // the store's own deadline is not the caller's
	}
	return []error{f.kind, f.cause}
}

// failed decides what an error of the database means. It is the only function that does so. lost says that the connection cannot be used
// again; ctx is the caller's.
func failed(ctx context.Context, doing string, at phase, lost bool, err error) error {
	f := &failure{doing: doing, cause: err}
	var pg *pgconn.PgError
	isPg := errors.As(err, &pg)
	switch {
	case isPg && !provesNotWritten(pg, at), !isPg && lost && at >= answering, errors.Is(err, errWarned):
		f.kind = checkout.ErrOutcomeUnknown
	case at <= asking && ctx.Err() != nil:
		f.kind = ctx.Err()
	case isPg:
		f.again = at != connecting && (pg.Code == "40001" || pg.Code == "40P01" || fatal(pg))
		if fatal(pg) && at != connecting || unavailable(pg.Code) {
			f.kind = checkout.ErrUnavailable
		}
	case lost || at == connecting:
		f.kind = checkout.ErrUnavailable
		f.again = at == asking && !pgconn.Timeout(err)
	}
	return f
}

// provesNotWritten reports whether the server's error proves that nothing was written.
func provesNotWritten(pg *pgconn.PgError, at phase) bool {
	if at <= asking {
		return true
	}
	switch class := pg.Code[:min(2, len(pg.Code))]; {
	case class == "08", pg.Code == "40003": // from a pooler that lost the server, or a server that lost another one
		return false
	case fatal(pg):
		// The server has ended the session. Answers come in order: if the statement was not answered, COMMIT was not begun. This
		// holds only for an error of the server itself. A pooler may have lost answers; its errors do not name a source file of
		// PostgreSQL.
		return at == answering && strings.HasPrefix(pg.Code, "57P") && pg.File != ""
	case at == committing:
		return class != "58" && class != "XX" // after an I/O error or an internal error, the commit may be in the log
	}
	return true
}

func fatal(pg *pgconn.PgError) bool {
	severity := pg.SeverityUnlocalized
	if severity == "" { // not every server sends it
		severity = pg.Severity
	}
	return severity == "FATAL" || severity == "PANIC"
}

// unavailable reports whether an error code means that the same request may succeed later: the server is down, full, overloaded or
// read-only, or other transactions were in the way.
func unavailable(code string) bool {
	switch code {
	case "25006", // a standby, or a primary that was made read-only
		"40001", "40P01", // a serialization failure or a deadlock, after all tries
		"55P03", "57014", // a lock or a statement took too long
		"57P01", "57P02", "57P03", "57P05": // shut down, crashed, starting, idle for too long
		return true
	}
	return strings.HasPrefix(code, "08") || strings.HasPrefix(code, "53") // connections and resources
}

// rowFault reports whether one row may be the reason why a batch failed. Each row is then retried in a transaction of its own.
func rowFault(err error) bool {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || errors.Is(err, checkout.ErrOutcomeUnknown) {
		return false
	}
	switch pg.Code[:min(2, len(pg.Code))] {
	case "22", "23", "54", "P0": // data, constraints, limits, and exceptions of a host's trigger
		return true
	}
	return isLocked(err)
}

// isLocked reports whether nothing was written because another transaction has locked a row or a key.
func isLocked(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == "55P03" && !errors.Is(err, checkout.ErrOutcomeUnknown)
}
