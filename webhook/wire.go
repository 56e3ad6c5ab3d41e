package webhook

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/caisse/checkout"
)

// endpointJSON is an endpoint as clients see it.
type endpointJSON struct {
	ID             string    `json:"id"`
	URL            string    `json:"url"`
	Events         []string  `json:"events"` // null: all
	Description    string    `json:"description,omitempty"`
	Status         Status    `json:"status"`
	DisabledReason *string   `json:"disabled_reason"`
	CreatedAt      time.Time `json:"created_at"`
	Secret         string    `json:"secret,omitempty"`
}

func endpointOf(e Endpoint) endpointJSON {
	wire := endpointJSON{e.ID, e.URL, e.Events, e.Description, e.Status, nil, e.CreatedAt, e.Secret}
	if e.DisabledReason != "" {
		wire.DisabledReason = &e.DisabledReason
	}
	return wire
}

// deliveryJSON is a delivery as clients see it.
type deliveryJSON struct {
	ID            string        `json:"id"`
	EventID       string        `json:"event_id"`
	EventType     string        `json:"event_type"`
	State         State         `json:"state"`
	Attempts      []attemptJSON `json:"attempts"`
	NextAttemptAt *time.Time    `json:"next_attempt_at"`
	CreatedAt     time.Time     `json:"created_at"`
}

type attemptJSON struct {
	At         time.Time `json:"at"`
	StatusCode *int      `json:"status_code"`
	Error      *string   `json:"error"`
	DurationMS int64     `json:"duration_ms"`
}

func deliveryOf(d Delivery) deliveryJSON {
	wire := deliveryJSON{d.ID, d.EventID, d.EventType, d.State, make([]attemptJSON, 0, len(d.Attempts)), nil, d.CreatedAt}
	if !d.NextAttempt.IsZero() {
		wire.NextAttemptAt = &d.NextAttempt
	}
	for _, a := range d.Attempts {
		attempt := attemptJSON{At: a.At, DurationMS: a.Duration.Milliseconds()}
		if a.StatusCode != 0 {
			attempt.StatusCode = &a.StatusCode
		}
		if a.Error != "" {
			attempt.Error = &a.Error
		}
		wire.Attempts = append(wire.Attempts, attempt)
	}
	return wire
}

// problem is the body of an error answer (RFC 9457), in the form that the checkout endpoint has too. It contains no value from the request,
// and no error text of a driver.
type problem struct {
	Type      string         `json:"type"`
	Title     string         `json:"title"`
	Status    int            `json:"status"`
	Detail    string         `json:"detail"`
	Code      string         `json:"code"`
	RequestID string         `json:"request_id"`
	Errors    []problemError `json:"errors,omitempty"`

	header map[string]string
}

type problemError struct {
	Pointer string `json:"pointer"`
	Code    string `json:"code"`
	Detail  string `json:"detail"`
}

func (p *problem) Error() string { return p.Detail }

// problemOf turns an error into a problem. It is the only place where an error of the store or of validation gets a status.
func problemOf(err error) *problem {
	p, ok := errors.AsType[*problem](err)
	if !ok {
		p = new(problem)
		invalid, isInvalid := errors.AsType[*checkout.ValidationError](err)
		switch {
		case isInvalid:
			p.Status, p.Code, p.Detail = 400, "validation_failed", "members of the request are not valid"
			for _, f := range invalid.Fields[:min(len(invalid.Fields), 32)] {
				p.Errors = append(p.Errors, problemError{pointer(f.Field), f.Code, f.Detail})
			}
		case errors.Is(err, checkout.ErrNotFound):
			p.Status, p.Code, p.Detail = 404, "not_found", "there is no such webhook or delivery"
		case errors.Is(err, ErrTooManyEndpoints):
			p.Status, p.Code, p.Detail = 409, "too_many_endpoints", fmt.Sprintf("an account has at most %d webhooks", MaxEndpoints)
		case errors.Is(err, ErrEndpointExists):
			p.Status, p.Code, p.Detail = 409, "endpoint_exists", "the account has a webhook with this url"
		case errors.Is(err, checkout.ErrUnavailable), errors.Is(err, checkout.ErrOutcomeUnknown), errors.Is(err, checkout.ErrConflict),
			errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
			p.Status, p.Code, p.Detail = 503, "unavailable", "the service cannot answer now; ask what there is before trying again"
			p.header = map[string]string{"Retry-After": "1"}
		default:
			p.Status, p.Code, p.Detail = 500, "internal", "an internal error occurred"
		}
	}
	p.Type, p.Title = "about:blank", http.StatusText(p.Status)
	return p
}

// pointer returns the JSON Pointer to a member or to an item of events, as a URI fragment (RFC 6901). A client may have invented the name of
// the member. If that is too long, the pointer is to the whole body.
func pointer(field string) string {
	known := strings.HasPrefix(field, "events/")
	if !known {
		if len(field) > 256 {
			return "#"
		}
		field = strings.NewReplacer("~", "~0", "/", "~1").Replace(field)
	}
	return "#/" + strings.ReplaceAll(url.PathEscape(field), "%2F", "/")
}
