package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"

	"github.com/caisse/checkout"
)

// SignatureHeader carries the HMAC-SHA256 of a callback's body, in lower-case hex.
const SignatureHeader = "X-Operator-Signature"

const (
	minSecretBytes   = 16
	maxCallbackBytes = 64 << 10
)

// Callbacks receives what the operator tells of its payments. An answer says one thing to the operator, whether to call
// again:
//
//	200  what was told is kept, in the session or in the books, or changes nothing: do not call again
//	400  signed by the operator, but not understood: somebody has to look, and until then it may call again
//	401  not signed by the operator; this tells a stranger nothing, since no session is looked at
//	500  a fault of ours: call again, it may have been mended
//	503  not kept, or not surely: call again
//
// Nothing is answered 200 before it is kept: the operator forgets what it has told. And what will never be otherwise,
// such as a second payment, is kept in the books and answered 200, rather than refused until the operator gives up: some
// stop calling a host altogether that refuses too often.
//
// The operator may call again as often as it likes, since whatever [Host.Apply] does can be done twice. So a callback
// that somebody recorded and sends again does no harm either, and no time-stamp is asked for.
type Callbacks struct {
	host   *Host
	secret []byte
	log    *slog.Logger
}

// NewCallbacks makes the handler of the callbacks about one account. Each account has a secret of its own with the
// operator, so what verifies a signature also says whose sessions may be moved: the account is never read from a body.
// The secret has 16 bytes or more.
func NewCallbacks(host *Host, secret []byte, log *slog.Logger) (*Callbacks, error) {
	if len(secret) < minSecretBytes {
		return nil, fmt.Errorf("the operator's secret must have at least %d bytes: anybody can sign with an empty one", minSecretBytes)
	}
	return &Callbacks{host: host, secret: secret, log: log}, nil
}

// ServeHTTP implements [http.Handler].
func (c *Callbacks) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "callbacks are sent by POST", http.StatusMethodNotAllowed)
		return
	}
	// The signature is over these bytes. Parsing first and signing what was understood would let a body through that two
	// parsers read differently.
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxCallbackBytes))
	if err != nil {
		http.Error(w, "the body is too large, or was cut off", http.StatusBadRequest)
		return
	}
	if !signedBy(c.secret, body, r.Header.Get(SignatureHeader)) {
		http.Error(w, "the signature does not match", http.StatusUnauthorized)
		return
	}
	event, err := parseEvent(body)
	if err == nil {
		err = c.host.Apply(r.Context(), event)
	}
	status := statusOf(err)
	if err != nil {
		c.log.ErrorContext(r.Context(), "callback not applied", "payment_id", event.PaymentID, "status", status, "error", err)
	}
	w.WriteHeader(status)
}

// Sign is the signature of a body.
func Sign(secret, body []byte) string {
	mac := hmac.New(sha256.New, secret)
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

// signedBy compares in constant time: the time that == takes tells how many leading characters of a guess are right.
func signedBy(secret, body []byte, signature string) bool {
	return hmac.Equal([]byte(Sign(secret, body)), []byte(signature))
}

// statusOf is the one place where an error becomes an answer to the operator.
func statusOf(err error) int {
	if err == nil {
		return http.StatusOK
	}
	if errors.Is(err, errNotUnderstood) {
		return http.StatusBadRequest
	}
	if _, ok := errors.AsType[*checkout.ValidationError](err); ok {
		return http.StatusBadRequest // an identifier that no payment of ours can have
	}
	switch {
	case errors.Is(err, checkout.ErrUnavailable), // surely not written
		errors.Is(err, checkout.ErrOutcomeUnknown), // may be written: doing it again finds out, and harms nothing
		errors.Is(err, checkout.ErrConflict):       // lost every race: others are busy with this session
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// Outcome is the operator's word for what became of a payment. Each operator has its own.
type Outcome string

// The words of this operator.
const (
	Held    Outcome = "HELD"    // the payer agreed, the operator holds the money
	Paid    Outcome = "PAID"    // the money is the merchant's
	Refused Outcome = "REFUSED" // by payer or operator, for good
)

// Event is what the operator tells of one payment.
type Event struct {
	PaymentID string  `json:"payment_id"` // as the host asked for it
	Reference string  `json:"reference"`  // the session's ID, which the host sent along
	Outcome   Outcome `json:"outcome"`
	Amount    int64   `json:"amount"` // in the smallest unit
	Currency  string  `json:"currency"`
	Reason    string  `json:"reason,omitempty"` // of a refusal
}

var errNotUnderstood = errors.New("the callback is not understood")

// parseEvent passes over members that it does not know: operators add some without a word.
func parseEvent(body []byte) (Event, error) {
	var e Event
	if err := json.Unmarshal(body, &e); err != nil {
		return Event{}, fmt.Errorf("%w: %w", errNotUnderstood, err)
	}
	switch e.Outcome {
	case Held, Paid, Refused:
	default:
		// Not a guess and not a 200: the new word may mean that money has moved.
		return e, fmt.Errorf("%w: no known outcome", errNotUnderstood)
	}
	if e.PaymentID == "" || e.Reference == "" {
		return e, fmt.Errorf("%w: payment_id and reference are required", errNotUnderstood)
	}
	return e, nil
}
