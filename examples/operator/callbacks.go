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

// Callbacks receives the operator's callbacks about payments. The status tells the operator whether to call again:
//
//	200  the news is stored, in the session or in the books, or changes nothing: do not call again
//	400  too large, cut off, or signed but not understood: a person has to look, and until then the operator may call again
//	401  not signed by the operator; no session is read before this, so a stranger learns nothing
//	500  a fault of this program: call again, it may be repaired
//	503  certainly or perhaps not stored: call again
//
// Nothing is answered 200 before it is stored, because the operator then forgets it. News that will never be applied, such as a
// second payment, is stored in the books and answered 200. If it were refused again and again, some operators would stop calling
// this host at all.
//
// The operator may call again as often as it likes, because [Host.Apply] may be repeated. So it also does no harm
// if somebody records a callback and sends it again. Callbacks therefore need no time-stamp.
type Callbacks struct {
	host   *Host
	secret []byte
	log    *slog.Logger
}

// NewCallbacks makes the handler of the callbacks for one account. Each account has its own secret with the operator. So the secret
// that verifies a signature also determines whose sessions may be changed, and the account is never read from a body. The secret
// must have at least 16 bytes.
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
	// The signature is over these bytes. Parsing before verifying could accept a body that two parsers read differently.
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

// Sign returns the signature of a body.
func Sign(secret, body []byte) string {
	mac := hmac.New(sha256.New, secret)
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

// signedBy compares in constant time. The time that == takes would show how many leading characters of a guess are right.
func signedBy(secret, body []byte, signature string) bool {
	return hmac.Equal([]byte(Sign(secret, body)), []byte(signature))
}

// statusOf returns the status that answers an error of parseEvent or Apply. It is the only place that decides on that.
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
	case errors.Is(err, checkout.ErrUnavailable), // not written
		errors.Is(err, checkout.ErrOutcomeUnknown), // perhaps written: a repetition finds out and does no harm
		errors.Is(err, checkout.ErrConflict):       // other calls have changed this session again and again
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// Outcome is the operator's word for the outcome of a payment. Each operator has its own words.
type Outcome string

// The words of this operator.
const (
	Held    Outcome = "HELD"    // the payer has agreed, and the operator holds the money
	Paid    Outcome = "PAID"    // the money is the merchant's
	Refused Outcome = "REFUSED" // the payer or the operator has refused. This is final
)

// Event is the operator's news about a payment.
type Event struct {
	PaymentID string  `json:"payment_id"` // as the host asked for it
	Reference string  `json:"reference"`  // the session's ID, which the host sent along
	Outcome   Outcome `json:"outcome"`
	Amount    int64   `json:"amount"` // in the smallest unit
	Currency  string  `json:"currency"`
	Reason    string  `json:"reason,omitempty"` // of a refusal
}

var errNotUnderstood = errors.New("the callback is not understood")

// parseEvent ignores members that it does not know, because operators add some without notice.
func parseEvent(body []byte) (Event, error) {
	var e Event
	if err := json.Unmarshal(body, &e); err != nil {
		return Event{}, fmt.Errorf("%w: %w", errNotUnderstood, err)
	}
	switch e.Outcome {
	case Held, Paid, Refused:
	default:
		// Do not guess, and do not answer 200: the new word may mean that money has moved.
		return e, fmt.Errorf("%w: no known outcome", errNotUnderstood)
	}
	if e.PaymentID == "" || e.Reference == "" {
		return e, fmt.Errorf("%w: payment_id and reference are required", errNotUnderstood)
	}
	return e, nil
}
