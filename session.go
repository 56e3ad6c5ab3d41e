package checkout

import (
	"fmt"
	"io"
	"log/slog"
	"slices"
	"time"

	"github.com/caisse/checkout/idempotency"
)

// Status is where a session stands. Its values are the words of the wire.
type Status string

// The seven statuses of the page.
const (
	StatusCreated    Status = "created"    // a mobile-money session waits for its payment to begin
	StatusPending    Status = "pending"    // the payer was asked; a card session starts here
	StatusProcessing Status = "processing" // the operator holds the payer's money
	StatusCompleted  Status = "completed"  // paid, for good
	StatusFailed     Status = "failed"     // refused
	StatusExpired    Status = "expired"    // not paid in time
	StatusCancelled  Status = "cancelled"  // called off by merchant or payer
)

// transitions is the table; nothing writes to it. A payment that comes after expiry, cancellation or
// refusal has moved money, so
// the session must say completed; it is then marked late.
var transitions = map[Status][]Status{
	StatusCreated:    {StatusPending, StatusProcessing, StatusCompleted, StatusFailed, StatusCancelled, StatusExpired},
	StatusPending:    {StatusProcessing, StatusCompleted, StatusFailed, StatusCancelled, StatusExpired},
	StatusProcessing: {StatusCompleted, StatusFailed},
	StatusCompleted:  {},
	StatusFailed:     {StatusCompleted},
	StatusExpired:    {StatusCompleted},
	StatusCancelled:  {StatusCompleted},
}

// Statuses lists the seven statuses in the order of a session's life.
func Statuses() []Status {
	return []Status{StatusCreated, StatusPending, StatusProcessing, StatusCompleted, StatusFailed, StatusExpired, StatusCancelled}
}

// Transitions is the table of what each status can become, as a copy:
//
//	created     pending, processing, completed, failed, cancelled, expired
//	pending     processing, completed, failed, cancelled, expired
//	processing  completed, failed
//	expired     completed (late)
//	cancelled   completed (late)
//	failed      completed (late)
//	completed   nothing
func Transitions() map[Status][]Status {
	table := make(map[Status][]Status, len(transitions))
	for from, to := range transitions {
		table[from] = slices.Clone(to)
	}
	return table
}

// CanBecome reports whether the table has an edge from s to next. A status cannot become itself.
func (s Status) CanBecome(next Status) bool { return slices.Contains(transitions[s], next) }

// known reports whether s is one of the seven statuses.
func (s Status) known() bool { _, ok := transitions[s]; return ok }

// expires reports whether the clock alone moves a session of this status to expired.
func (s Status) expires() bool { return s == StatusCreated || s == StatusPending }

// ended reports whether nothing more is to be expected of a session of this status: only a late payment can change it.
func (s Status) ended() bool {
	return s == StatusCompleted || s == StatusFailed || s == StatusExpired || s == StatusCancelled
}

// PaymentMethod chooses the dialect of the page.
type PaymentMethod string

// The two dialects of the page.
const (
	MobileMoney PaymentMethod = "mobile_money"
	Card        PaymentMethod = "card"
)

// Account is who a call is made for. A session belongs to one account in one mode: the test and the live sessions of
// one account are strangers to each other.
type Account struct {
	ID   string
	Test bool
}

// Session is one attempt to take one payment.
//
// Its JSON is the shape of the wire, which leaves out what a [Store] must keep. Through log/slog and fmt it shows what an
// operator needs, with the phone number masked; a slice of sessions in a JSON log shows the number, as JSON does.
type Session struct {
	// ID is "cs_", then "test", the payer's country or "live", "_", and a UUIDv7 (RFC 9562) without hyphens.
	ID      string
	Account Account
	Status  Status
	// Amount is in the smallest unit of Currency. Amount = net + TransactionFee.
	Amount        int64
	Currency      string // ISO 4217, upper case
	PaymentMethod PaymentMethod
	UserPhone     string // E.164, as it was sent; "" where there is none
	PaymentID     string // the payment's own identifier; "" until the host tells it
	CustomerID    string // "" where there is none; never for a card session
	Description   string
	SuccessURL    string
	CancelURL     string

	// Times are in UTC and whole microseconds.
	CreatedAt   time.Time
	ExpiresAt   time.Time
	CompletedAt time.Time // zero until completed
	UpdatedAt   time.Time // of the last change, CreatedAt until there is one; not on the wire

	FailureReason  string // set by Fail; a late payment keeps it
	TransactionFee int64  // in the smallest unit of Currency, fixed at creation
	Late           bool   // completed after it had expired, failed or been cancelled

	ClientReference string            // the merchant's own; "" where there is none
	Metadata        map[string]string // the merchant's own; nil where there is none

	IdempotencyKey idempotency.Key         // "" where the session was created without one
	Fingerprint    idempotency.Fingerprint // of the request that created it
	Version        int64                   // 1 when created, one more with every change
}

// StatusAt is the status at an instant: expired from ExpiresAt on if the session was created or pending, else Status.
// A processing session never expires by the clock: the operator holds the payer's money.
func (s Session) StatusAt(now time.Time) Status {
	if s.Status.expires() && !now.Before(s.ExpiresAt) {
		return StatusExpired
	}
	return s.Status
}

// Phone is what the numbering plans tell of UserPhone, the zero Phone where there is none.
func (s Session) Phone() Phone {
	p, err := ParsePhone(s.UserPhone)
	if err != nil {
		return Phone{}
	}
	return p
}

// String is what LogValue shows.
func (s Session) String() string { return s.LogValue().String() }

// Format implements [fmt.Formatter]: every verb, %#v too, shows what LogValue does.
func (s Session) Format(f fmt.State, _ rune) { io.WriteString(f, s.String()) }

// LogValue implements [slog.LogValuer]: no key, no fingerprint, no free text, and the phone number masked.
func (s Session) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("id", s.ID),
		slog.String("account", s.Account.ID),
		slog.Bool("test", s.Account.Test),
		slog.String("status", string(s.Status)),
		slog.Int64("amount", s.Amount),
		slog.String("currency", s.Currency),
		slog.String("user_phone", MaskPhone(s.UserPhone)),
		slog.String("payment_id", s.PaymentID),
		slog.Int64("version", s.Version),
	)
}
