package client

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	firstPause = 250 * time.Millisecond // the bound of the first random pause; it doubles
	maxPause   = 10 * time.Second
)

// call is one request, which may take several tries.
type call struct {
	name   string // what is being done, for errors and logs
	method string
	path   string // with its query, after the base URL
	header http.Header
	body   []byte
	limit  int64         // how many bytes the answer may have
	held   time.Duration // how long the server is asked to wait before it answers
	decode func(answer) error
}

// answer is an answer whose body was read. Only a 2xx and a 304 are decoded.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// do tries until the call succeeds, a retry cannot help, or the time or the tries are used up.
func (c *Client) do(ctx context.Context, call call) error {
	began := time.Now()
	for tries := 1; ; tries++ {
		err := c.try(ctx, call)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ended(ctx, call, err)
		}
		if !retryable(err) {
			return fmt.Errorf("client: %s: %w", call.name, err)
		}
		pause := pauseAfter(tries, err)
		if tries >= c.cfg.MaxAttempts || time.Since(began)+pause > c.cfg.MaxElapsed || !deadlineAllows(ctx, pause) {
			return fmt.Errorf("client: %s: %w", call.name, &GaveUpError{tries, err})
		}
		c.cfg.Logger.LogAttrs(ctx, slog.LevelWarn, "checkout request is retried", slog.String("request", call.name),
			slog.Int("tries", tries), slog.Duration("pause", pause), slog.Any("error", err))
		if sleep(ctx, pause) != nil {
			return ended(ctx, call, err)
		}
	}
}

// ended returns the error of a call whose context has ended. It includes the last failure, which may explain why the call took so
// long.
func ended(ctx context.Context, call call, last error) error {
	if errors.Is(last, ctx.Err()) {
		return fmt.Errorf("client: %s: %w", call.name, ctx.Err())
	}
	return fmt.Errorf("client: %s: %w, after: %w", call.name, ctx.Err(), last)
}

// connectionError is a try without a complete answer.
type connectionError struct{ err error }

func (e *connectionError) Error() string { return "no answer: " + e.err.Error() }
func (e *connectionError) Unwrap() error { return e.err }

// timeoutError is a try that took too long. It is not the error of the caller's context, which ends the whole call and not one
// try.
type timeoutError struct{ after time.Duration }

func (e *timeoutError) Error() string { return "the try took longer than " + e.after.String() }

// Timeout is as in [net.Error].
func (e *timeoutError) Timeout() bool { return true }

// retryable reports whether another try may succeed.
func retryable(err error) bool {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Temporary()
	}
	if e, ok := errors.AsType[*AnswerError](err); ok {
		return e.cutOff
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return false
	}
	_, ok := errors.AsType[*connectionError](err)
	return ok
}

// pauseAfter returns how long to wait before the next try: what the server asked for, and then a random time (full jitter).
func pauseAfter(tries int, err error) time.Duration {
	bound := maxPause
	if doublings := tries - 1; doublings < 10 {
		bound = min(maxPause, firstPause<<doublings)
	}
	pause := rand.N(bound)
	if e, ok := errors.AsType[*Error](err); ok {
		pause += e.RetryAfter
	}
	return pause
}

// deadlineAllows reports whether a pause ends before ctx's deadline.
func deadlineAllows(ctx context.Context, pause time.Duration) bool {
	deadline, ok := ctx.Deadline()
	return !ok || time.Until(deadline) > pause
}

// sleep waits. If ctx ends meanwhile, it returns ctx's error.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// try sends the request once.
func (c *Client) try(parent context.Context, call call) error {
	timeout := call.held + c.cfg.Timeout
	ctx, cancel := context.WithTimeout(parent, timeout)
	defer cancel()
	failure := func(err error) error {
		if ctx.Err() != nil && parent.Err() == nil {
			return &connectionError{&timeoutError{timeout}}
		}
		return &connectionError{withoutURL(err)}
	}
	var body io.Reader // nil if the call has no body, so that Content-Length is 0
	if call.body != nil {
		body = bytes.NewReader(call.body)
	}
	r, err := http.NewRequestWithContext(ctx, call.method, c.base+call.path, body)
	if err != nil {
		return withoutURL(err)
	}
	for name, values := range call.header {
		r.Header[name] = values
	}
	r.Header.Set("Accept", "application/json, application/problem+json")
	r.Header.Set("User-Agent", c.cfg.UserAgent)
	r.Header.Set("Authorization", "Bearer "+*c.token)
	response, err := c.cfg.HTTPClient.Do(r)
	if err != nil {
		return failure(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, call.limit+1))
	if err != nil {
		return failure(err)
	}
	a := answer{response.StatusCode, response.Header, text}
	if a.status == http.StatusNotModified && r.Header.Get("If-None-Match") != "" {
		return call.decode(a)
	}
	if a.status < 200 || a.status > 299 {
		return a.refusal()
	}
	if int64(len(text)) > call.limit {
		return a.fault(fmt.Sprintf("has more than %d bytes", call.limit))
	}
	return call.decode(a)
}

// withoutURL removes the URL from an error of net/http. The URL of a list contains the values of its filter, such as a
// phone number.
func withoutURL(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}

// refusal is the error of an answer other than 2xx.
func (a answer) refusal() *Error {
	e := new(Error)
	mediaType, _, err := mime.ParseMediaType(a.header.Get("Content-Type"))
	if err != nil || mediaType != "application/problem+json" || len(a.body) > maxProblemBytes || json.Unmarshal(a.body, e) != nil {
		*e = Error{}
	}
	e.Status = a.status // whatever the body says
	if id := a.header.Get("Request-Id"); e.RequestID == "" && len(id) <= 128 {
		e.RequestID = id
	}
	e.RetryAfter = a.retryAfter()
	return e
}

// retryAfter reads Retry-After (RFC 9110, section 10.2.3). A date is compared with the answer's Date header, if there
// is one, so that the two clocks need not agree.
func (a answer) retryAfter() time.Duration {
	const longest = 366 * 24 * time.Hour // prevents an overflow
	value := strings.TrimSpace(a.header.Get("Retry-After"))
	if seconds, err := strconv.ParseUint(value, 10, 32); err == nil {
		return min(longest, time.Duration(seconds)*time.Second)
	}
	until, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	now, err := http.ParseTime(a.header.Get("Date"))
	if err != nil {
		now = time.Now()
	}
	return min(longest, max(0, until.Sub(now)))
}

func (a answer) fault(reason string) error { return &AnswerError{Status: a.status, Reason: reason} }

// into decodes the body, which must be one JSON value. It ignores members that v does not have.
func (a answer) into(v any) error {
	d := json.NewDecoder(bytes.NewReader(a.body))
	if err := d.Decode(v); err != nil {
		cutOff := errors.Is(err, io.ErrUnexpectedEOF) || err == io.EOF
		return &AnswerError{Status: a.status, Reason: "is not JSON of this API", cutOff: cutOff}
	}
	if _, err := d.Token(); err != io.EOF {
		return a.fault("has something after its JSON")
	}
	return nil
}

// session decodes an answer that is one session.
func (a answer) session() (Session, error) {
	var s Session
	if err := a.into(&s); err != nil {
		return Session{}, err
	}
	if !s.valid() {
		return Session{}, a.fault("is not a session")
	}
	s.ETag = a.header.Get("ETag")
	s.Replayed = a.header.Get("Idempotent-Replayed") == "true"
	return s, nil
}

// sessionOf decodes an answer that must be the session with an ID.
func (a answer) sessionOf(id string) (Session, error) {
	s, err := a.session()
	if err == nil && s.ID != id {
		return Session{}, a.fault("is another session")
	}
	return s, err
}
