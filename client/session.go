package client

import (
	"fmt"
	"io"
	"log/slog"
	"maps"
	"time"
)

// Status is the status of a session.
type Status string

// The seven statuses.
const (
	StatusCreated    Status = "created"    // a mobile-money session waits for its payment to begin
	StatusPending    Status = "pending"    // the payer was asked; a card session starts here
	StatusProcessing Status = "processing" // the operator holds the payer's money
	StatusCompleted  Status = "completed"  // paid; no other status follows
	StatusFailed     Status = "failed"     // refused
	StatusExpired    Status = "expired"    // not paid in time
	StatusCancelled  Status = "cancelled"  // cancelled by the merchant or the payer
)

// Ended reports whether s is completed, failed, expired or cancelled. A session that has ended unpaid may still become completed
// if the payer's money comes late; Session.Late is then true.
func (s Status) Ended() bool {
	return s == StatusCompleted || s == StatusFailed || s == StatusExpired || s == StatusCancelled
}

// PaymentMethod is how a session is paid.
type PaymentMethod string

// The two payment methods.
const (
	MobileMoney PaymentMethod = "mobile_money"
	Card        PaymentMethod = "card"
)

// Session is a merchant's request for money, as it was in the server's last answer. A text that the session does not have is "", and a
// time that it does not have is zero.
type Session struct {
	ID       string `json:"id"`
	Status   Status `json:"status"`
	Amount   int64  `json:"amount"`   // in the currency's smallest unit
	Currency string `json:"currency"` // "XOF" for mobile money; for a card in lower case, such as "usd"
	// PaymentMethod is Card, or "" for mobile money: see Method.
	PaymentMethod PaymentMethod `json:"payment_method,omitempty"`
	UserPhone     string        `json:"user_phone,omitempty"` // E.164, as it was sent
	PaymentID     string        `json:"payment_id,omitempty"` // the payment's own identifier, once the server knows it
	CustomerID    string        `json:"customer_id,omitempty"`
	Description   string        `json:"description,omitempty"`
	SuccessURL    string        `json:"success_url,omitempty"`
	CancelURL     string        `json:"cancel_url,omitempty"`
	// CheckoutURL is the page on which the payer pays. It is "" if the session can no longer be paid, or the server has no such
	// page. Anybody who has the URL can pay and cancel the session: send it to the payer, and keep it out of logs.
	CheckoutURL     string            `json:"checkout_url,omitempty"`
	ClientReference string            `json:"client_reference,omitempty"`
	Metadata        map[string]string `json:"metadata,omitempty"`
	CreatedAt       time.Time         `json:"created_at"`
	ExpiresAt       time.Time         `json:"expires_at"`
	CompletedAt     time.Time         `json:"completed_at,omitzero"`
	FailureReason   string            `json:"failure_reason,omitempty"`
	TransactionFee  int64             `json:"transaction_fee"` // in the currency's smallest unit; part of Amount
	Late            bool              `json:"late,omitempty"`  // paid after it had expired, failed or been cancelled

	// ETag identifies this state of the session, for [Client.Wait]. It is "" in a list and in an event, and not part of the JSON.
	ETag string `json:"-"`
	// Replayed is true if [Client.Create] found an existing session. An earlier try of the same call, whose answer was lost, may have
	// created it.
	Replayed bool `json:"-"`
}

// Method returns PaymentMethod, or [MobileMoney] if that is "".
func (s Session) Method() PaymentMethod {
	if s.PaymentMethod == "" {
		return MobileMoney
	}
	return s.PaymentMethod
}

// valid reports whether s can be an answer of this API, and not an empty object or the answer of a proxy.
func (s *Session) valid() bool {
	return s.ID != "" && s.Status != "" && s.Amount > 0 && s.Currency != "" && !s.CreatedAt.IsZero() && !s.ExpiresAt.IsZero()
}

// same reports whether a and b are the same state of a session. It ignores CheckoutURL, which may differ between answers, ETag, which
// a proxy may change, and Replayed.
func same(a, b *Session) bool {
	return a.ID == b.ID && a.Status == b.Status && a.Amount == b.Amount && a.Currency == b.Currency &&
		a.Method() == b.Method() && a.UserPhone == b.UserPhone && a.PaymentID == b.PaymentID &&
		a.CustomerID == b.CustomerID && a.Description == b.Description && a.SuccessURL == b.SuccessURL &&
		a.CancelURL == b.CancelURL && a.ClientReference == b.ClientReference && maps.Equal(a.Metadata, b.Metadata) &&
		a.CreatedAt.Equal(b.CreatedAt) && a.ExpiresAt.Equal(b.ExpiresAt) && a.CompletedAt.Equal(b.CompletedAt) &&
		a.FailureReason == b.FailureReason && a.TransactionFee == b.TransactionFee && a.Late == b.Late
}

// String returns the session with its phone number masked, and without CheckoutURL, Description and Metadata.
func (s Session) String() string { return s.LogValue().String() }

// Format implements [fmt.Formatter]: every verb, %#v too, shows what String does.
func (s Session) Format(f fmt.State, _ rune) { io.WriteString(f, s.String()) }

// LogValue implements [slog.LogValuer].
func (s Session) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("id", s.ID),
		slog.String("status", string(s.Status)),
		slog.Int64("amount", s.Amount),
		slog.String("currency", s.Currency),
		slog.String("user_phone", maskPhone(s.UserPhone)),
		slog.String("payment_id", s.PaymentID),
		slog.String("client_reference", s.ClientReference),
	)
}

// Event is one change of a session, or its creation.
type Event struct {
	ID        string    `json:"id"`
	Type      string    `json:"type"` // "checkout." and the status that the session then had
	Timestamp time.Time `json:"timestamp"`
	Sequence  int64     `json:"sequence"` // 1 is the creation, and each change has one more
	Livemode  bool      `json:"livemode"`
	Data      Session   `json:"data"` // as the change left it, without CheckoutURL
}

// LogValue implements [slog.LogValuer]. The session is shown as its own LogValue shows it.
func (e Event) LogValue() slog.Value {
	return slog.GroupValue(slog.String("id", e.ID), slog.String("type", e.Type), slog.Time("timestamp", e.Timestamp), slog.Any("data", e.Data))
}
