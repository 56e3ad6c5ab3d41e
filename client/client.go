package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
)

const (
	maxProblemBytes = 64 << 10
	maxSessionBytes = 1 << 20  // of an answer that is one session
	maxListBytes    = 16 << 20 // of a page or a history
)

// Client calls the checkout endpoint of one account. It is safe for concurrent use. A method whose context ends returns an error that
// wraps the context's error.
//
// Other errors are an [*Error] for an answer that refuses the request, an [*AnswerError] for an answer that does not come from
// this API, a [*GaveUpError] if retries did not help, or the error of the connection if a retry cannot help.
type Client struct {
	base  string
	token *string // a pointer, so that fmt does not print the token of a struct that contains a Client
	cfg   Config
}

// New makes a Client for the API at a base URL, such as "https://api.example.com", or "https://example.com/pay" if the handler is
// mounted under a prefix. The token is the account's; live and test mode have different tokens. The error joins a [*ConfigError] for
// each fault. New makes no request.
func New(baseURL, token string, cfg Config) (*Client, error) {
	base, baseErr := parseBaseURL(baseURL, cfg.AllowPlaintext)
	var tokenErr error
	if !isVisible(token) {
		tokenErr = &ConfigError{Field: "token", Reason: "must be one or more visible ASCII characters"}
	}
	cfg, cfgErr := cfg.withDefaults()
	if err := errors.Join(baseErr, tokenErr, cfgErr); err != nil {
		return nil, err
	}
	return &Client{base: base, token: &token, cfg: cfg}, nil
}

// Create makes the session of an intent. If the intent has a session already, Create returns that session as it is now, with Replayed
// true. It may be called with the same intent any number of times.
//
// After most errors there may or may not be a session: call Create again with the same intent, now or later. Two kinds of errors are
// definite. An [*Error] of status 0 (nothing was sent), 400, 413 or 415 says that this intent has no session: correct its Params, and
// use the same Key or a new one. Status 422 with code [CodeIdempotencyKeyReused] says that the key has a session with other Params.
func (c *Client) Create(ctx context.Context, intent Intent) (Session, error) {
	const name = "create a session"
	body, err := intent.body()
	if err != nil {
		return Session{}, fmt.Errorf("client: %s: %w", name, err)
	}
	header := http.Header{"Idempotency-Key": {intent.Key}, "Content-Type": {"application/json"}}
	var s Session
	err = c.do(ctx, call{
		name: name, method: http.MethodPost, path: "/v1/checkouts", header: header, body: body, limit: maxSessionBytes,
		decode: func(a answer) (err error) {
			if a.status != http.StatusCreated && a.status != http.StatusOK {
				return a.fault("is neither 200 nor 201")
			}
			if s, err = a.session(); err != nil {
				return err
			}
			if s.Amount != intent.Params.Amount || !strings.EqualFold(s.Currency, intent.Params.Currency) {
				return a.fault("is a session of another amount or currency")
			}
			return nil
		},
	})
	return s, err
}

// Get returns the session as it is now. If the account has no session with this ID, the error is an [*Error] of code [CodeNotFound].
func (c *Client) Get(ctx context.Context, id string) (Session, error) {
	return c.one(ctx, "get a session", http.MethodGet, id, "")
}

// Cancel cancels a session that is created or pending. If the session is cancelled already, Cancel changes nothing and returns no
// error. If the session is processing, completed, failed or expired, the error is an [*Error] of code [CodeInvalidTransition].
func (c *Client) Cancel(ctx context.Context, id string) (Session, error) {
	return c.one(ctx, "cancel a session", http.MethodPost, id, "/cancel")
}

func (c *Client) one(ctx context.Context, name, method, id, action string) (s Session, err error) {
	path, err := sessionPath(id)
	if err != nil {
		return Session{}, fmt.Errorf("client: %s: %w", name, err)
	}
	err = c.do(ctx, call{
		name: name, method: method, path: path + action, limit: maxSessionBytes,
		decode: func(a answer) (err error) {
			s, err = a.sessionOf(id)
			return err
		},
	})
	return s, err
}

// Events returns the creation of a session and every change of it, each with the session as the change left it.
func (c *Client) Events(ctx context.Context, id string) ([]Event, error) {
	const name = "get a session's events"
	path, err := sessionPath(id)
	if err != nil {
		return nil, fmt.Errorf("client: %s: %w", name, err)
	}
	var history struct {
		Events []Event `json:"events"`
	}
	err = c.do(ctx, call{
		name: name, method: http.MethodGet, path: path + "/events", limit: maxListBytes,
		decode: func(a answer) error {
			if err := a.into(&history); err != nil {
				return err
			}
			if history.Events == nil {
				return a.fault("is not a list of events")
			}
			for i := range history.Events {
				if e := &history.Events[i]; e.ID == "" || e.Type == "" || !e.Data.valid() || e.Data.ID != id {
					return a.fault("has an event of another session")
				}
			}
			return nil
		},
	})
	if err != nil {
		return nil, err
	}
	return history.Events, nil
}

// sessionPath refuses an ID that a server might take for another path.
func sessionPath(id string) (string, error) {
	if !isVisible(id) || id == "." || id == ".." {
		return "", notSent(CodeNotFound, "a session's ID must be one or more visible ASCII characters, other than . and ..")
	}
	return "/v1/checkouts/" + url.PathEscape(id), nil
}

// String returns the base URL only.
func (c Client) String() string { return "client.Client(" + c.base + ")" }

// Format implements [fmt.Formatter]: every verb, %#v too, shows what String does.
func (c Client) Format(f fmt.State, _ rune) { io.WriteString(f, c.String()) }

// LogValue implements [slog.LogValuer].
func (c Client) LogValue() slog.Value { return slog.StringValue(c.String()) }
