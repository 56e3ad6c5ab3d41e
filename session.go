package checkout

import (
	"fmt"
	"io"
	"log/slog"
	"slices"
	"time"

	"github.com/caisse/checkout/idempotency"
)

// Status is the state of a session. Its values are the words in the session's JSON.
type Status string

// The seven statuses of the page.
const (
	// StatusCreated is a mobile-money session whose payment has not begun. The clock expires it.
	StatusCreated Status = "created"
	// StatusPending is a session whose payer is being asked for the payment. A card session begins here. The clock expires it.
	StatusPending Status = "pending"
	// StatusProcessing is a session for which the operator holds the payer's money. Neither the clock nor Cancel ends it, because only
	// the operator knows what becomes of the money.
	StatusProcessing Status = "processing"
	// StatusCompleted is a session that was paid. It is final: no other status can follow.
	StatusCompleted Status = "completed"
	// StatusFailed is a session whose payment the operator has refused. A payment may still come, late.
	StatusFailed Status = "failed"
	// StatusExpired is a session that was not paid in time. A payment may still come, late.
	StatusExpired Status = "expired"
	// StatusCancelled is a session that the merchant or the payer has given up. A payment may still come, late.
	StatusCancelled Status = "cancelled"
)

// transitions is the table of what each status can become. Nothing changes it. Completed is reachable from every other status: a payment
// that comes after expiry, cancellation or refusal has moved money, so the session must say completed, marked as late.
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

// CanBecome reports whether [Transitions] allows the step from s to next. A status cannot become itself.
func (s Status) CanBecome(next Status) bool { return slices.Contains(transitions[s], next) }

// known reports whether s is one of the seven statuses.
func (s Status) known() bool { _, ok := transitions[s]; return ok }

// expires reports whether the clock alone moves a session of this status to expired.
func (s Status) expires() bool { return s == StatusCreated || s == StatusPending }

// ended reports whether a session of this status has ended. At most a late payment can still change it.
func (s Status) ended() bool {
	return s == StatusCompleted || s == StatusFailed || s == StatusExpired || s == StatusCancelled
}

// PaymentMethod says how a session is paid. The page documents requests and sessions separately for each method; this package
// calls these two forms dialects.
type PaymentMethod string

// The two dialects of the page.
const (
	// MobileMoney needs a UserPhone, and is in XOF. Its sessions begin as created.
	MobileMoney PaymentMethod = "mobile_money"
	// Card needs a SuccessURL and a CancelURL, and is in one of Config.CardCurrencies. Its sessions begin as pending, because the
	// payer is sent to the card processor's page at once.
	Card PaymentMethod = "card"
)

// Account says for whom a call is made: for a merchant, in live or in test mode. Every session belongs to one account in one
// mode, and every method that reads or changes a session names it. The test and the live sessions of a merchant have nothing in
// common: neither mode finds the sessions of the other, and a key that was used in one is free in the other.
type Account struct {
	// ID is the host's name for the merchant, 1 to 255 code points. Take it from credentials that you have checked, never from data
	// that the client sends about itself.
	ID string
	// Test is the mode. Sessions of test mode have "test" in their ID, and no money moves for them.
	Test bool
}

// Session is a merchant's request for money. It is a copy: changing its fields changes nothing that is stored.
//
// As JSON it has the form that clients get, without the fields that only a [Store] needs. Through log/slog and fmt it shows what a reader
// of the log needs, with the phone number masked. But [slog.JSONHandler] writes a slice of sessions as JSON, with the full number.
type Session struct {
	// ID is "cs_", then "test", the payer's country in lower case or "live", then "_" and a UUIDv7 (RFC 9562) without hyphens, such
	// as cs_ci_0193f0c2a7b47c5e9d3a1b2c3d4e5f60. The UUID begins with the time in milliseconds. So of two sessions of one country
	// the later one has the greater ID, unless two processes created them at nearly the same time.
	ID string
	// Account is the merchant whom the session belongs to.
	Account Account
	// Status is the state of the session. Checkouts shows a session that is due as expired, whether or not a sweep has stored the
	// expiry.
	Status Status

	// Amount is what the payer pays, in the smallest unit of Currency. The merchant gets Amount - TransactionFee.
	Amount int64
	// Currency is an ISO 4217 code in upper case.
	Currency string
	// PaymentMethod is the dialect in which the session was created.
	PaymentMethod PaymentMethod
	// UserPhone is the payer's number in E.164 form, as it was sent but without separators; "" where there is none. To an operator,
	// send Phone().Dialable: the number under today's numbering plan.
	UserPhone string
	// PaymentID is the payment that the session is waiting for, or that has paid it; "" until the host has named one. It changes
	// with each new attempt.
	PaymentID string
	// CustomerID is the host's own name for the payer; "" where there is none. A card session always has one.
	CustomerID string
	// Description is what the payer is shown; it may be "".
	Description string
	// SuccessURL and CancelURL are where the payer is sent afterwards; "" where there is none.
	SuccessURL, CancelURL string

	// CreatedAt is when the session was created. This and the other times are in UTC and in whole microseconds.
	CreatedAt time.Time
	// ExpiresAt is the instant from which a session that is created or pending counts as expired.
	ExpiresAt time.Time
	// CompletedAt is when the payment was recorded; zero until then.
	CompletedAt time.Time
	// UpdatedAt is when the last change was decided; CreatedAt until there is one. It is not on the wire.
	UpdatedAt time.Time

	// FailureReason is the reason that Fail was given, or "". It stays after a late payment.
	FailureReason string
	// TransactionFee is in the smallest unit of Currency. It is fixed when the session is created, by Config.Fees of that moment.
	TransactionFee int64
	// Late says that the session was completed after it had expired, failed or been cancelled. The money has come: deliver if you
	// still can, and pay it back if not.
	Late bool

	// ClientReference is the merchant's own name for the payment; "" where there is none.
	ClientReference string
	// Metadata has names and values of the merchant's own; nil where there is none.
	Metadata map[string]string

	// IdempotencyKey is the key under which the session was created; "" where it was created without one. It is not on the wire.
	IdempotencyKey idempotency.Key
	// Fingerprint is a digest of what the request meant that created the session. It is not on the wire.
	Fingerprint idempotency.Fingerprint
	// Version is 1 when the session is created, and one more with every change. It is the sequence number of events and webhooks, and
	// part of the ETag.
	Version int64
}

// StatusAt returns the status at an instant: expired from ExpiresAt on if the session is created or pending, and otherwise Status. A
// processing session never expires by the clock, because the operator holds the payer's money.
func (s Session) StatusAt(now time.Time) Status {
	if s.Status.expires() && !now.Before(s.ExpiresAt) {
		return StatusExpired
	}
	return s.Status
}

// Phone returns what the numbering plan says about UserPhone, or the zero Phone if there is none.
func (s Session) Phone() Phone {
	p, err := ParsePhone(s.UserPhone)
	if err != nil {
		return Phone{}
	}
	return p
}

// String returns what LogValue shows, as text.
func (s Session) String() string { return s.LogValue().String() }

// Format implements [fmt.Formatter]: every verb, %#v too, shows what LogValue does.
func (s Session) Format(f fmt.State, _ rune) { io.WriteString(f, s.String()) }

// LogValue implements [slog.LogValuer]. It leaves out the key, the fingerprint and all free texts, and masks the phone number.
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
