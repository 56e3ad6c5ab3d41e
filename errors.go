package checkout

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

var (
	// ErrUnauthenticated is what an [Authenticator] returns, or wraps, when a request carries no credentials or
	// bad ones.
	ErrUnauthenticated = errors.New("checkout: unauthenticated")
	// ErrNotFound says that the account has no such session in this mode. A session of another account is not
	// found, rather than forbidden.
	ErrNotFound = errors.New("checkout: session not found")
	// ErrConflict says that a session changed since it was read. [Checkouts] reads again and retries, so a host
	// sees it only from a [Store], or when a session is changed without end.
	ErrConflict = errors.New("checkout: session changed meanwhile")
	// ErrUnavailable says that the store could not do what it was asked and surely wrote nothing: it is down,
	// full or overloaded. Trying again later is safe.
	ErrUnavailable = errors.New("checkout: store unavailable")
	// ErrOutcomeUnknown says that the store cannot tell whether it wrote: a connection was cut during commit.
	// Trying again with the same idempotency key is safe and finds out.
	ErrOutcomeUnknown = errors.New("checkout: outcome unknown")
	// ErrStopped says that a Wait was ended by StopWaiting.
	ErrStopped = errors.New("checkout: waiting was stopped")
)

// The codes of a [FieldError]. They are part of the wire contract and do not change.
const (
	CodeMissing      = "missing"       // required, and absent, null or empty
	CodeWrongType    = "wrong_type"    // another JSON type, or a number with a fraction
	CodeOutOfRange   = "out_of_range"  // below or above the range
	CodeTooLong      = "too_long"      // more characters than allowed
	CodeMalformed    = "malformed"     // not what it should be: no URL, no phone number
	CodeUnsupported  = "unsupported"   // well-formed, but not accepted here
	CodeUnknownField = "unknown_field" // a member that the contract does not know
	CodeDiffers      = "differs"       // not as in the first request under this idempotency key
)

// FieldError is one fault of a request.
type FieldError struct {
	// Field is the member's name on the wire, such as "user_phone", or "metadata/size" for a member of metadata; in-process
	// calls may also find "account",
	// "idempotency_key", "payment_id", "customer_id", "failure_reason", "status", "limit", "offset" and "cursor".
	Field string
	// Code is one of the Code constants.
	Code string
	// Detail is a sentence's end for a developer, such as "must be at least 100". It never holds what was sent.
	Detail string

	nested bool // Field is the path of a member within another
}

// member is the name of the member of the request that the fault is about or within.
func (e FieldError) member() string {
	if e.nested {
		name, _, _ := strings.Cut(e.Field, "/")
		return name
	}
	return e.Field
}

func (e FieldError) String() string { return e.Field + " " + e.Detail }

// ValidationError lists all that is wrong with a request, in the order of the contract's table. It never holds what
// was sent, so it may be logged.
type ValidationError struct{ Fields []FieldError }

func (e *ValidationError) Error() string {
	var b strings.Builder
	b.WriteString("checkout: invalid request: ")
	for i, f := range e.Fields {
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(f.String())
	}
	return b.String()
}

// KeyReusedError says that an idempotency key already names another request. Nothing was written, and the first
// request can still be replayed.
type KeyReusedError struct {
	// SessionID is the session that the key names.
	SessionID string
	// Fields names the members that differ, never their values.
	Fields []string
}

func (e *KeyReusedError) Error() string {
	return "checkout: idempotency key reused for another request than that of session " + e.SessionID + ": other " + strings.Join(e.Fields, ", ")
}

// TransitionError says that the table of transitions has no edge between two statuses.
type TransitionError struct{ From, To Status }

func (e *TransitionError) Error() string {
	return "checkout: a session that is " + string(e.From) + " cannot become " + string(e.To)
}

// PaymentConflictError says that a call spoke of another payment than the session's. Nothing was changed.
//
// From Complete, two payments may have been taken for one session: a person, or a refund, should look at it. From
// Process and Fail it is news of an attempt that another has replaced, and there is nothing to do.
type PaymentConflictError struct {
	SessionID string
	Have, Got string // the session's payment, and the one that the call named
}

func (e *PaymentConflictError) Error() string {
	return fmt.Sprintf("checkout: session %s has payment %q, not %q", e.SessionID, e.Have, e.Got)
}

// ConfigError is one fault of a configuration. [New] and [NewHandler] join all that they find.
type ConfigError struct {
	// Field is the path of the field, such as "Config.MaxAmount" or `Config.Fees["XOF"].Rate`.
	Field  string
	Reason string
}

func (e *ConfigError) Error() string { return "checkout: " + e.Field + " " + e.Reason }

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}
