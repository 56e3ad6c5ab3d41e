package checkout

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/caisse/checkout/idempotency"
	"github.com/caisse/checkout/internal/strictjson"
)

const (
	maxProblemErrors = 32  // faults that one answer lists
	maxPointedName   = 256 // bytes of a member's name that one answer repeats
)

// problem is the body of an error (RFC 9457). Its texts are constants of this package, with numbers and names of members. It has no
// value from the request and no text of a driver, so it cannot leak them.
type problem struct {
	Type      string         `json:"type"`
	Title     string         `json:"title"`
	Status    int            `json:"status"`
	Detail    string         `json:"detail"`
	Code      string         `json:"code"`
	RequestID string         `json:"request_id"`
	Errors    []problemError `json:"errors,omitempty"`

	header []field
}

type problemError struct {
	Pointer string `json:"pointer"` // JSON Pointer as a URI fragment, RFC 6901 section 6
	Code    string `json:"code"`
	Detail  string `json:"detail"`
}

func newProblem(status int, code, detail string, header ...field) problem {
	return problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: detail, Code: code, header: header}
}

// requestError is a fault of the HTTP request that calls in Go cannot have, such as a wrong media type.
type requestError struct{ problem }

func (e *requestError) Error() string { return e.Detail }

func badRequest(code, detail string) error {
	return &requestError{newProblem(http.StatusBadRequest, code, detail)}
}

var errNoRoute = &requestError{newProblem(http.StatusNotFound, "not_found", "there is nothing at this path")}

// errOverloaded says that MaxInFlight requests use the store already.
var errOverloaded error = &requestError{unavailable()}

func unavailable() problem {
	return newProblem(http.StatusServiceUnavailable, "unavailable",
		"the service cannot answer now; trying again with the same idempotency key is safe", field{"Retry-After", "1"})
}

func methodNotAllowed(allowed []string) error {
	allow := strings.Join(allowed, ", ")
	return &requestError{newProblem(http.StatusMethodNotAllowed, "method_not_allowed",
		"this path answers "+allow, field{"Allow", allow})}
}

func unsupportedMediaType(detail string) error {
	return &requestError{newProblem(http.StatusUnsupportedMediaType, "unsupported_media_type", detail)}
}

// problemOf turns an error into a problem. It is the only place where an error gets a status. An error that it does not know is a 500
// without details.
//
// ErrOutcomeUnknown is a 503 like ErrUnavailable: in both cases a retry with the same key is safe. A context that has ended is a
// 503 too, because a deadline of the host's may have ended it while the client still waits.
func problemOf(err error) problem {
	if e, ok := errors.AsType[*requestError](err); ok {
		return e.problem
	}
	if e, ok := errors.AsType[*strictjson.SyntaxError](err); ok {
		return newProblem(http.StatusBadRequest, "invalid_json", fmt.Sprintf("the body is not one JSON object: %s at byte %d", e.Reason, e.Offset))
	}
	if e, ok := errors.AsType[*ValidationError](err); ok {
		p := newProblem(http.StatusBadRequest, "validation_failed", "")
		p.Detail = plural(len(e.Fields), "member of the request is", "members of the request are") + " not valid"
		if more := len(e.Fields) - maxProblemErrors; more > 0 {
			p.Detail += "; " + plural(more, "more is", "more are") + " not listed"
		}
		for _, f := range e.Fields[:min(len(e.Fields), maxProblemErrors)] {
			p.Errors = append(p.Errors, problemError{f.pointer(), f.Code, f.Detail})
		}
		return p
	}
	if e, ok := errors.AsType[*KeyReusedError](err); ok {
		p := newProblem(http.StatusUnprocessableEntity, "idempotency_key_reused", "this idempotency key was used for another request")
		for _, field := range e.Fields {
			p.Errors = append(p.Errors, problemError{pointer(field), CodeDiffers, "is not as in the first request under this key"})
		}
		return p
	}
	if e, ok := errors.AsType[*TransitionError](err); ok {
		return newProblem(http.StatusConflict, "invalid_transition", "a session that is "+string(e.From)+" cannot become "+string(e.To))
	}
	switch {
	case errors.Is(err, ErrUnauthenticated):
		return newProblem(http.StatusUnauthorized, "unauthorized", "valid credentials are required: Authorization: Bearer <token>",
			field{"Www-Authenticate", "Bearer"})
	case errors.Is(err, ErrNotFound):
		return newProblem(http.StatusNotFound, "not_found", "there is no such checkout session")
	case errors.Is(err, idempotency.ErrMissing):
		return newProblem(http.StatusBadRequest, "idempotency_key_missing", "the header Idempotency-Key is required")
	case errors.Is(err, idempotency.ErrInvalid):
		return newProblem(http.StatusBadRequest, "idempotency_key_invalid", err.Error())
	case errors.Is(err, ErrUnavailable), errors.Is(err, ErrOutcomeUnknown), errors.Is(err, ErrConflict),
		errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return unavailable()
	}
	return newProblem(http.StatusInternalServerError, "internal", "an internal error occurred")
}

// pointer returns the place of the fault. The pointer to a member of metadata, "#/metadata/size", has two parts, each escaped by itself.
func (e FieldError) pointer() string {
	if !e.nested {
		return pointer(e.Field)
	}
	outer, inner, _ := strings.Cut(e.Field, "/")
	if p := pointer(inner); p != "#" {
		return pointer(outer) + strings.TrimPrefix(p, "#")
	}
	return pointer(outer)
}

// pointer returns a member's name as a JSON Pointer in the form of a URI fragment: with the escapes of RFC 6901, and then the
// percent-encoding of what a fragment may not contain (RFC 3986 section 3.5).
//
// A very long name of an unknown member is not repeated in the answer. The pointer is then "#", the whole body.
func pointer(name string) string {
	if len(name) > maxPointedName {
		return "#"
	}
	const plain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,;=:@/?"
	var b strings.Builder
	b.WriteString("#/")
	for i := range len(name) {
		switch c := name[i]; {
		case c == '~':
			b.WriteString("~0")
		case c == '/':
			b.WriteString("~1")
		case strings.IndexByte(plain, c) >= 0:
			b.WriteByte(c)
		default:
			const hex = "0123456789ABCDEF"
			b.Write([]byte{'%', hex[c>>4], hex[c&15]})
		}
	}
	return b.String()
}
