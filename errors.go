package checkout

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

var (
	// ErrUnauthenticated is what an [Authenticator] returns, or wraps, if a request has no credentials or bad ones. The client gets
	// a 401.
	ErrUnauthenticated = errors.New("checkout: unauthenticated")
	// ErrNotFound says that the account has no such session in this mode. A session of another account is not found, rather than
	// forbidden, so that nobody learns which IDs exist.
	ErrNotFound = errors.New("checkout: session not found")
	// ErrConflict says that a session has changed since it was read. [Checkouts] reads it again and retries, so a host sees this error
	// only from a [Store], or if other callers change the session again and again.
	ErrConflict = errors.New("checkout: session changed meanwhile")
	// ErrUnavailable says that the store is down, full or overloaded, and has certainly written nothing. It is safe to try again
	// later. The client gets a 503.
	ErrUnavailable = errors.New("checkout: store unavailable")
	// ErrOutcomeUnknown says that the store does not know whether it has written, because a connection or the disk failed during a
	// commit. It is the only error after which something may have been written. It is safe to repeat the call with the same
	// idempotency key, and the repeated call shows what was written. The client gets a 503.
	ErrOutcomeUnknown = errors.New("checkout: outcome unknown")
	// ErrStopped says that StopWaiting has ended a Wait.
	ErrStopped = errors.New("checkout: waiting was stopped")
)

// The codes of a [FieldError]. They are part of the contract and do not change, so a client may act on them.
const (
	// CodeMissing says that a required member is absent, null or "".
	CodeMissing = "missing"
	// CodeWrongType says that a member has the wrong JSON type, such as "5000" instead of 5000, or is a number with a fraction.
	CodeWrongType = "wrong_type"
	// CodeOutOfRange says that a number is too small or too great, such as an amount of 99.
	CodeOutOfRange = "out_of_range"
	// CodeTooLong says that a text or a map has more characters or members than are allowed.
	CodeTooLong = "too_long"
	// CodeMalformed says that a value does not have the form that it must have, such as a phone number without its "+".
	CodeMalformed = "malformed"
	// CodeUnsupported says that a value is well-formed, but not accepted here, such as a number of a country that may not pay.
	CodeUnsupported = "unsupported"
	// CodeUnknownField says that the contract has no such member. It is often a spelling mistake, such as "userPhone", which would
	// otherwise be ignored in silence.
	CodeUnknownField = "unknown_field"
	// CodeDiffers says that a member is not as in the first request with this idempotency key.
	CodeDiffers = "differs"
)

// FieldError is one fault of a request. A client program looks at Field and Code; Detail is for the developer who reads it.
type FieldError struct {
	// Field is the member's name on the wire, such as "user_phone", or "metadata/size" for a member of metadata. Calls in Go may
	// also get "account", "idempotency_key", "payment_id", "customer_id", "failure_reason", "status", "created_after", "limit",
	// "offset" and "cursor". On the wire a Field of user_phone is the pointer "#/user_phone".
	Field string
	// Code is one of the Code constants.
	Code string
	// Detail is the end of a sentence that begins with the field's name, such as "must be at least 100". It contains nothing that
	// was sent.
	Detail string

	nested bool // Field is the path of a member within another
}

// member returns the name of the request's member that has the fault. For a member of metadata it is "metadata".
func (e FieldError) member() string {
	if e.nested {
		name, _, _ := strings.Cut(e.Field, "/")
		return name
	}
	return e.Field
}

func (e FieldError) String() string { return e.Field + " " + e.Detail }

// ValidationError lists every fault of a request, in the order of the page's members. Of what was sent it contains only names of
// members, never a value. The client gets a 400. Correct the request and send it again. The same idempotency key may be used,
// because a refused request does not use it up.
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

// KeyReusedError says that an idempotency key was used before, for another request. Nothing was written, and the first request can still
// be replayed. The client gets a 422.
//
// Nearly always the program that chose the key is at fault: it kept an order's key although the order's amount had changed. Make
// a new key for the changed order, after you have cancelled the session that the old key names.
type KeyReusedError struct {
	// SessionID is the session that the key names.
	SessionID string
	// Fields names the members that differ, never their values.
	Fields []string
}

func (e *KeyReusedError) Error() string {
	return "checkout: idempotency key reused for another request than that of session " + e.SessionID + ": other " + strings.Join(e.Fields, ", ")
}

// TransitionError says that a session of status From cannot become To: see [Transitions]. Nothing was changed. Usually the operator's
// callback came late, after the session had ended. Over HTTP, the cancellation of such a session gets a 409. Only a payment that was
// made ([Checkouts.Complete]) is always accepted.
type TransitionError struct{ From, To Status }

func (e *TransitionError) Error() string {
	return "checkout: a session that is " + string(e.From) + " cannot become " + string(e.To)
}

// PaymentConflictError says that a call named another payment than the session's. Nothing was changed.
//
// If Complete returns it, two payments may have been taken for one session: a person should look at it, and may have to pay one back.
// If Process or Fail returns it, the call was about an attempt that a later attempt has replaced, and there is nothing to do.
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
