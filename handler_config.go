package checkout

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"

	"github.com/caisse/checkout/idempotency"
)

// DefaultMaxBodyBytes is the size of the largest body that is read, unless the host sets another limit.
const DefaultMaxBodyBytes = 64 << 10

const maxMaxBodyBytes = 16 << 20

// DefaultMaxWaiting is how many requests may wait for a change at once, unless the host sets another number.
const DefaultMaxWaiting = 10_000

// HandlerConfig has the settings of a host for HTTP. The zero HandlerConfig works. [NewHandler] checks all of it and reports each
// fault as a [*ConfigError].
type HandlerConfig struct {
	_ struct{} // keyed literals only

	// AnyIdempotencyKey accepts every key of 1 to 1000 visible ASCII characters without comma. false, the default, accepts UUIDs only
	// (RFC 9562), as the page says.
	//
	// Leave it false if you can. Otherwise some merchants use order numbers as keys, and then a second attempt to pay order 7, with
	// another amount, is refused as a reused key. Or they use the time of day, and two payers share a key.
	AnyIdempotencyKey bool

	// BasePath is a prefix that the host strips before it calls the handler:
	//
	//	handler, err := checkout.NewHandler(checkouts, auth, checkout.HandlerConfig{BasePath: "/pay"})
	//	mux.Handle("/pay/v1/", http.StripPrefix("/pay", handler))
	//
	// The handler needs it for the Location header, which must name the path that the client sees. "", the default, says that the
	// handler sees the client's path. It must begin with "/", must not end with it, and must be escaped as in a URL.
	BasePath string

	// MaxBodyBytes is the size of the largest body that is read, at most 16 MiB; a larger one is answered 413. 0 is 64 KiB, which
	// is enough for every valid request in UTF-8. Leave it at 0 if you can: strict reading takes up to 35 times the body's size
	// in memory for a moment, and anybody with a token can send a body as large as this.
	MaxBodyBytes int64

	// MaxInFlight is how many requests may use the store at once. Further ones are answered 503 with Retry-After at once, without a
	// look at the store. 0, the default, sets no limit.
	//
	// Without a limit, requests queue when more come than the disk can write. Each then waits longer than its client does, and the
	// server works for clients that have left. Set the limit well above what is in flight on a good day, such as 512. Then an
	// overloaded server answers as many requests in time as it can, and the others are retried with the same key.
	//
	// It protects the server, not one merchant from another: a merchant who sends too much leaves no room for the others. For that, put a
	// rate limit by account in front of the handler.
	MaxInFlight int

	// MaxWaiting is how many requests with "Prefer: wait" (RFC 7240) may wait for a change at once. Further ones are answered at
	// once, with the session as it is and without Preference-Applied. 0 is 10,000. A waiting request takes some 20 KB of memory with its
	// connection, and no place of MaxInFlight.
	MaxWaiting int

	// CheckoutURL returns the URL at which the payer pays a session, such as the Link of a paypage.Page, or "" for none. If it is nil,
	// the default, answers have no checkout_url.
	//
	//	HandlerConfig{CheckoutURL: page.Link}
	//
	// Every answer calls it for each of its sessions that can still be paid, up to a hundred times for a page of a list, so it
	// must be fast and must not ask a database.
	//
	// The URL is a credential: everybody who has it can pay and cancel the session. Merchants should send it to the payer, and keep it
	// out of logs.
	CheckoutURL func(Session) string

	// Logger gets a line for every answer with status 500 or 503, with its cause, its route and its Request-Id: as an error, or as
	// Info if the client has gone. While the store is unavailable, only the first such answer is logged; the others are counted, and one line
	// (Info) says when requests succeed again. Answers that MaxInFlight caused are not logged. No key, token or phone number is
	// logged. nil logs nothing.
	Logger *slog.Logger
}

// NewHandler makes a Handler. The error joins a [*ConfigError] for each fault of cfg and for each argument that is nil.
func NewHandler(c *Checkouts, auth Authenticator, cfg HandlerConfig) (*Handler, error) {
	var errs []error
	fault := func(field, reason string) {
		errs = append(errs, &ConfigError{Field: field, Reason: reason})
	}
	if c == nil || c.store == nil {
		fault("Checkouts", "must be made with New")
	}
	if f, ok := auth.(AuthenticatorFunc); auth == nil || ok && f == nil {
		fault("Authenticator", "must not be nil")
	}
	if p := cfg.BasePath; p != "" {
		if u, err := url.Parse(p); err != nil || p[0] != '/' || strings.HasSuffix(p, "/") || u.EscapedPath() != p {
			fault("HandlerConfig.BasePath", `must be "", or an escaped path that begins with / and does not end with it`)
		}
	}
	if cfg.MaxBodyBytes < 0 || cfg.MaxBodyBytes > maxMaxBodyBytes {
		fault("HandlerConfig.MaxBodyBytes", fmt.Sprintf("must be 0 to %d", maxMaxBodyBytes))
	}
	if cfg.MaxInFlight < 0 {
		fault("HandlerConfig.MaxInFlight", "must be 0 or more")
	}
	if cfg.MaxWaiting < 0 {
		fault("HandlerConfig.MaxWaiting", "must be 0 or more")
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	h := &Handler{
		checkouts: c, auth: auth, basePath: cfg.BasePath, maxBody: cfg.MaxBodyBytes, log: cfg.Logger,
		waiting:     make(chan struct{}, cmp.Or(cfg.MaxWaiting, DefaultMaxWaiting)),
		checkoutURL: cfg.CheckoutURL,
	}
	if cfg.AnyIdempotencyKey {
		h.policy = idempotency.Any
	}
	if h.maxBody == 0 {
		h.maxBody = DefaultMaxBodyBytes
	}
	if cfg.MaxInFlight > 0 {
		h.inFlight = make(chan struct{}, cfg.MaxInFlight)
	}
	if h.log == nil {
		h.log = slog.New(slog.DiscardHandler)
	}
	return h, nil
}
