package checkout

import (
	"cmp"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/caisse/checkout/idempotency"
)

// What the contract fixes. Amounts are in the currency's smallest unit.
const (
	MinAmount            = 100
	MaxAmount            = 9007199254740991 // 2^53-1, the largest integer that every JSON reader holds exactly
	MinExpiresIn         = 5 * time.Minute
	MaxExpiresIn         = 24 * time.Hour
	DefaultExpiresIn     = 30 * time.Minute
	MaxDescriptionLength = 200  // Unicode code points
	MaxURLLength         = 2048 // Unicode code points
	MaxIDLength          = 255  // Unicode code points of an account, payment or customer identifier
	MaxReasonLength      = 1000 // Unicode code points of a failure reason
	MaxListLimit         = 100
	DefaultListLimit     = 50
)

// currencyXOF is the one currency of mobile money.
const currencyXOF = "XOF"

// CreateParams asks for a session. What has no comment is as the contract's table of members says.
type CreateParams struct {
	_ struct{} // keyed literals only

	Account Account
	// IdempotencyKey makes it safe to send the request again. Choose it once for a payment, before the first try: a
	// fresh key for every try is a fresh payment for every try. "" is not deduplicated. A UUID, or 1 to 1000
	// visible ASCII characters without comma.
	IdempotencyKey idempotency.Key
	Amount         int64         // in the smallest unit, 100 to 9007199254740991 or the host's maximum
	Currency       string        // ISO 4217
	PaymentMethod  PaymentMethod // "" is MobileMoney
	UserPhone      string
	Description    string        // at most 200 code points, no U+0000
	ExpiresIn      time.Duration // whole seconds, 5 minutes to 24 hours; 0 is 30 minutes
	SuccessURL     string
	CancelURL      string
	PaymentID      string // the host's own, at most 255 code points; "" until it is known
	CustomerID     string // the host's own, at most 255 code points; a card session without one gets one
}

// LogValue implements [slog.LogValuer]: no key, no free text, and the phone number masked.
func (p CreateParams) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("account", p.Account.ID),
		slog.Bool("test", p.Account.Test),
		slog.Int64("amount", p.Amount),
		slog.String("currency", p.Currency),
		slog.String("user_phone", MaskPhone(p.UserPhone)),
		slog.String("payment_id", p.PaymentID),
	)
}

// fieldOrder is the order in which faults are told: the contract's table, then what only in-process calls have.
var fieldOrder = []string{
	"amount", "currency", "user_phone", "payment_method", "success_url", "cancel_url", "description", "expires_in",
	"account", "idempotency_key", "payment_id", "customer_id", "failure_reason", "status", "limit", "offset",
}

// faults collects what is wrong with a request, the first fault of each field.
type faults []FieldError

func (f *faults) add(field, code, detail string) {
	if !f.has(field) {
		*f = append(*f, FieldError{Field: field, Code: code, Detail: detail})
	}
}

func (f *faults) has(field string) bool {
	return slices.ContainsFunc(*f, func(e FieldError) bool { return e.Field == field })
}

func (f faults) err() error {
	if len(f) == 0 {
		return nil
	}
	rank := func(e FieldError) int {
		if i := slices.Index(fieldOrder, e.Field); i >= 0 {
			return i
		}
		return len(fieldOrder)
	}
	slices.SortStableFunc(f, func(a, b FieldError) int { return cmp.Compare(rank(a), rank(b)) })
	return &ValidationError{Fields: f}
}

// text adds a fault unless s is valid UTF-8 without U+0000 of at most limit code points.
func (f *faults) text(field, s string, limit int) {
	switch {
	case !utf8.ValidString(s):
		f.add(field, CodeMalformed, "must be valid UTF-8")
	case strings.IndexByte(s, 0) >= 0:
		f.add(field, CodeMalformed, "must not contain U+0000")
	case len(s) > limit && utf8.RuneCountInString(s) > limit:
		f.add(field, CodeTooLong, "must have at most "+strconv.Itoa(limit)+" characters")
	}
}

func (f *faults) account(a Account) {
	if a.ID == "" {
		f.add("account", CodeMissing, "is required")
	}
	f.text("account", a.ID, MaxIDLength)
}

// normalize brings a request into the one form in which requests are compared and kept, and adds to f whatever the
// contract itself refuses, for the fields that have no fault yet.
func (p CreateParams) normalize(f *faults) request {
	if p.PaymentMethod == "" {
		p.PaymentMethod = MobileMoney
	}
	known := !f.has("payment_method")
	if known && p.PaymentMethod != MobileMoney && p.PaymentMethod != Card {
		f.add("payment_method", CodeUnsupported, "must be mobile_money or card")
		known = false
	}
	mobileMoney, card := known && p.PaymentMethod == MobileMoney, known && p.PaymentMethod == Card

	if p.Amount < MinAmount {
		f.add("amount", CodeOutOfRange, "must be at least "+strconv.Itoa(MinAmount))
	} else if p.Amount > MaxAmount {
		f.add("amount", CodeOutOfRange, "must be at most "+strconv.FormatInt(MaxAmount, 10))
	}

	switch {
	case p.Currency == "":
		f.add("currency", CodeMissing, "is required")
	case mobileMoney && p.Currency != currencyXOF:
		f.add("currency", CodeUnsupported, "must be XOF")
	case card:
		code, ok := currencyCode(p.Currency)
		if !ok {
			f.add("currency", CodeUnsupported, "must be an ISO 4217 code")
		}
		p.Currency = code
	}

	var phone Phone
	switch {
	case p.UserPhone != "":
		var fault *FieldError
		if phone, fault = parsePhone(p.UserPhone); fault != nil {
			f.add(fault.Field, fault.Code, fault.Detail)
		}
		p.UserPhone = phone.Number
	case mobileMoney:
		f.add("user_phone", CodeMissing, "is required")
	}

	f.redirect("success_url", p.SuccessURL, card)
	f.redirect("cancel_url", p.CancelURL, card)
	f.text("description", p.Description, MaxDescriptionLength)

	switch {
	case p.ExpiresIn == 0:
		p.ExpiresIn = DefaultExpiresIn
	case p.ExpiresIn < MinExpiresIn || p.ExpiresIn > MaxExpiresIn:
		f.add("expires_in", CodeOutOfRange, expiresInRange)
	case p.ExpiresIn%time.Second != 0:
		f.add("expires_in", CodeWrongType, "must be whole seconds")
	}

	f.account(p.Account)
	if p.IdempotencyKey != "" {
		key, err := p.IdempotencyKey.Normalize(idempotency.Any)
		if err != nil {
			f.add("idempotency_key", CodeMalformed, "must be a UUID, or 1 to 1000 visible ASCII characters without comma")
		}
		p.IdempotencyKey = key
	}
	f.text("payment_id", p.PaymentID, MaxIDLength)
	f.text("customer_id", p.CustomerID, MaxIDLength)
	return request{CreateParams: p, phone: phone}
}

var expiresInRange = fmt.Sprintf("must be %d to %d seconds", MinExpiresIn/time.Second, MaxExpiresIn/time.Second)

// redirect adds a fault unless s is a URL that a browser can be sent to and that says where it leads: no user info,
// which hides the host, no backslash or white space, which browsers repair each in their own way.
func (f *faults) redirect(field, s string, required bool) {
	if s == "" {
		if required {
			f.add(field, CodeMissing, "is required")
		}
		return
	}
	f.text(field, s, MaxURLLength)
	const detail = "must be an absolute http or https URL with a host and without user info"
	u, err := url.Parse(s)
	switch {
	case err != nil, u.Hostname() == "", u.User != nil,
		!strings.EqualFold(u.Scheme, "http") && !strings.EqualFold(u.Scheme, "https"),
		strings.ContainsFunc(s, func(r rune) bool { return r == '\\' || unicode.IsSpace(r) || unicode.IsControl(r) }):
		f.add(field, CodeMalformed, detail)
	case u.Port() != "":
		if port, err := strconv.Atoi(u.Port()); err != nil || port < 1 || port > 65535 {
			f.add(field, CodeMalformed, detail)
		}
	}
}
