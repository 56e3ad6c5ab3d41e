package client

import (
	"cmp"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Codes of an [Error].
const (
	CodeInvalidJSON           = "invalid_json"
	CodeValidationFailed      = "validation_failed" // Fields has the faults
	CodeIdempotencyKeyMissing = "idempotency_key_missing"
	CodeIdempotencyKeyInvalid = "idempotency_key_invalid"
	CodeInvalidQuery          = "invalid_query"
	CodeUnauthorized          = "unauthorized"
	CodeNotFound              = "not_found"
	CodeMethodNotAllowed      = "method_not_allowed"
	CodeInvalidTransition     = "invalid_transition" // the session can no longer be cancelled
	CodePayloadTooLarge       = "payload_too_large"
	CodeUnsupportedMediaType  = "unsupported_media_type"
	CodeIdempotencyKeyReused  = "idempotency_key_reused" // Fields names the members that differ from the first request
	CodeInternal              = "internal"
	CodeUnavailable           = "unavailable"
)

// Codes of a [FieldError].
const (
	CodeMissing      = "missing"       // absent, null or empty
	CodeWrongType    = "wrong_type"    // another JSON type, or a number with a fraction
	CodeOutOfRange   = "out_of_range"  // below or above the range
	CodeTooLong      = "too_long"      // more than is allowed
	CodeMalformed    = "malformed"     // not in the required form, such as that of a URL or a phone number
	CodeUnsupported  = "unsupported"   // well-formed, but not accepted here
	CodeUnknownField = "unknown_field" // a member that the server does not know
	CodeDiffers      = "differs"       // not as in the first request under this idempotency key
)

// Error is an answer that refuses a request (RFC 9457). With Status 0, the request was refused before it was sent. Of what was sent, it
// contains only names of members, so it may be logged.
type Error struct {
	// Status is the HTTP status code, or 0 if nothing was sent.
	Status int `json:"status"`
	// Code is one of the Code constants, or "" if the answer does not come from this API, but from a proxy for example.
	Code string `json:"code"`
	// Fields are the faults of single members, the first 32.
	Fields []FieldError `json:"errors"`
	// RequestID is the ID by which the server's log has this request, or "" if the answer has none.
	RequestID string `json:"request_id"`
	// Type, Title and Detail are texts for a developer. They are "" if the answer does not come from this API.
	Type   string `json:"type"`
	Title  string `json:"title"`
	Detail string `json:"detail"`
	// RetryAfter is how long the answer asked to wait, or 0.
	RetryAfter time.Duration `json:"-"`
}

// FieldError is one fault of a request.
type FieldError struct {
	// Pointer is the member as a JSON Pointer in the form of a URI fragment (RFC 6901), such as "#/user_phone".
	Pointer string `json:"pointer"`
	// Code is one of the Code constants of a FieldError.
	Code string `json:"code"`
	// Detail is for a developer. It is the end of a sentence that begins with the member's name, such as "must be at least 100".
	Detail string `json:"detail"`
}

func (e FieldError) String() string { return strings.TrimPrefix(e.Pointer, "#/") + " " + e.Detail }

func (e *Error) Error() string {
	var b strings.Builder
	if e.Status == 0 {
		b.WriteString("not sent")
	} else {
		b.WriteString("answered " + strconv.Itoa(e.Status))
	}
	if text := cmp.Or(e.Code, http.StatusText(e.Status)); text != "" {
		b.WriteString(" " + text)
	}
	if e.Detail != "" {
		b.WriteString(": " + e.Detail)
	}
	separator := ": "
	for _, f := range e.Fields {
		b.WriteString(separator + f.String())
		separator = "; "
	}
	if e.RequestID != "" {
		b.WriteString(" (request " + e.RequestID + ")")
	}
	return b.String()
}

// Temporary reports whether the same request may succeed later: the status is 429, 500, 502, 503 or 504.
func (e *Error) Temporary() bool {
	switch e.Status {
	case http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable,
		http.StatusGatewayTimeout:
		return true
	}
	return false
}

func notSent(code, detail string) *Error { return &Error{Code: code, Detail: detail} }

// AnswerError is an answer with status 2xx that does not come from this API, because the base URL is wrong or a proxy has answered,
// or an answer that is cut off. After a create there may or may not be a session.
type AnswerError struct {
	Status int
	Reason string // such as "is not a session"; it contains nothing of the answer

	cutOff bool // the answer ends in the middle of its JSON
}

func (e *AnswerError) Error() string {
	return fmt.Sprintf("the answer of status %d %s", e.Status, e.Reason)
}

// GaveUpError says that a request failed at every try. The same call may be made again later.
type GaveUpError struct {
	Tries int
	Err   error // of the last try: an *Error, an *AnswerError for an answer that is cut off, or the error of the connection
}

func (e *GaveUpError) Error() string {
	if e.Tries == 1 {
		return "gave up after 1 try: " + e.Err.Error()
	}
	return fmt.Sprintf("gave up after %d tries: %v", e.Tries, e.Err)
}

// Unwrap returns Err.
func (e *GaveUpError) Unwrap() error { return e.Err }
