package checkout

import (
	"cmp"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/caisse/checkout/idempotency"
)

// Limits of the contract. A host can narrow some of them by its [Config], but cannot widen any. Lengths are in Unicode code points: "é"
// counts as one, although it has two bytes in UTF-8.
const (
	// MinAmount is the smallest amount, in the smallest unit of the currency: 100 francs, or one dollar. The page sets it.
	MinAmount = 100
	// MaxAmount is the greatest amount, 2^53-1. It is the greatest integer that every JSON parser reads exactly: above it a
	// JavaScript client might read another amount than the one that was sent (RFC 8259, section 6).
	MaxAmount = 9007199254740991

	// MinExpiresIn to MaxExpiresIn is how long a session may be payable, in whole seconds. The default is DefaultExpiresIn.
	MinExpiresIn     = 5 * time.Minute
	MaxExpiresIn     = 24 * time.Hour
	DefaultExpiresIn = 30 * time.Minute

	// MaxDescriptionLength is the greatest length of a description.
	MaxDescriptionLength = 200
	// MaxURLLength is the greatest length of a success or cancel URL. Browsers and proxies take at least as much.
	MaxURLLength = 2048
	// MaxIDLength is the greatest length of an account's, a payment's or a customer's identifier.
	MaxIDLength = 255
	// MaxReasonLength is the greatest length of a failure reason.
	MaxReasonLength = 1000
	// MaxReferenceLength is the greatest length of a client reference.
	MaxReferenceLength = 255

	// MaxMetadata is how many members metadata may have. Their names have 1 to MaxMetadataName characters, their values 1 to
	// MaxMetadataValue code points. So the metadata of a session is bounded by some 40 KB, and cannot serve as a file store.
	MaxMetadata      = 20
	MaxMetadataName  = 40
	MaxMetadataValue = 500

	// MaxListLimit is the greatest number of sessions on one page of a list. The default is DefaultListLimit.
	MaxListLimit     = 100
	DefaultListLimit = 50
	// MaxListOffset is the greatest offset of a list. Beyond it, a list is walked by cursor, which costs the same at any depth.
	MaxListOffset = 10_000
	// MaxListTotal is how far a list counts. A greater total is reported as "this many or more".
	MaxListTotal = 10_000
	// MaxPhoneScan is how many sessions one page of a list by phone number looks at.
	MaxPhoneScan = 10_000
)

// currencyXOF is the only currency of mobile money.
const currencyXOF = "XOF"

// CreateParams is a request for a session. Text must be valid UTF-8 without U+0000; its length is counted in code points. All faults
// are reported at once, in a [*ValidationError].
//
// Two requests under one key are the same if every field but the key means the same: "+225 07 98 76 54" means the same as
// "+22507987654", and an ExpiresIn of 0 the same as one of 30 minutes.
type CreateParams struct {
	_ struct{} // keyed literals only

	// Account is the merchant whom the payment is for, in live or in test mode. Its ID is required, at most 255 code points.
	Account Account

	// IdempotencyKey makes it safe to repeat the request: two requests with one key make one session. Choose it once for a payment,
	// and store it with the order before the first try:
	//
	//	order.CheckoutKey = idempotency.Key(uuid.NewString()) // saved with the order, in the transaction that creates it
	//
	// A program that chooses a new key for each try makes a new session for each try, and may charge its customer twice. A key that is
	// used for different payments is as bad. If the key is the order's number, a second attempt to pay the order, with another amount,
	// is refused. If it is the customer's number, the customer's second order is refused, or is taken for a retry of the first.
	//
	// A key has 1 to 1000 visible ASCII characters without comma. A UUID is best; the nil UUID and the max UUID are refused. "" makes
	// a new session every time; over HTTP a key is required.
	IdempotencyKey idempotency.Key

	// Amount is in the smallest unit of the currency, at least [MinAmount] and at most Config.MaxAmount. XOF has no unit below the
	// franc: 5000 is 5000 francs. USD has cents: 5000 is 50 dollars. Code that was written for dollars and multiplies by 100 asks
	// for a hundred times too much in XOF; Config.MaxAmount stops some of that. [Session.AmountMajor] converts back, exactly.
	//
	// Take the amount from the order in your database, never from the payer's browser.
	Amount int64

	// Currency is an ISO 4217 code. Mobile money takes "XOF" only, in upper case, as the page says. Cards take Config.CardCurrencies,
	// in any letter case, because the page writes them in lower case.
	Currency string

	// PaymentMethod is [MobileMoney] or [Card]. "" is MobileMoney.
	PaymentMethod PaymentMethod

	// UserPhone is the payer's mobile number in international form, such as "+225 07 07 98 76 54": see [ParsePhone], which
	// refuses 00 in place of the plus. It is required for mobile money, and its country must be one of Config.PhoneRegions. It is
	// answered as it was sent, without separators.
	UserPhone string

	// Description is shown to the payer, at most 200 code points. It may be empty. It is plain text: package paypage escapes it, and any
	// other program that shows it in HTML must escape it too. It is never logged.
	Description string

	// ExpiresIn is how long the session can be paid, in whole seconds, 5 minutes to 24 hours. 0 is 30 minutes. Choose it no longer
	// than you reserve the goods: a payment that comes later is still recorded, marked late.
	ExpiresIn time.Duration

	// SuccessURL and CancelURL are where the payer is sent afterwards: absolute http or https URLs of at most 2048 code points.
	// Cards need both. Package paypage replaces "{CHECKOUT_SESSION_ID}" in them by the session's ID.
	//
	// A payer who arrives at SuccessURL has not necessarily paid: anybody can open a URL. Read the session there, and deliver only if its
	// status is completed. URLs that may lead elsewhere than they seem to are refused: those with user information
	// (https://bank.example@evil.example), and those with backslashes, double quotes, angle brackets, white space or invisible
	// characters. Other schemes are refused too, such as javascript:, which would run code on the payer's page.
	SuccessURL, CancelURL string

	// PaymentID is the payment's identifier at the operator, at most 255 code points; "" until it is known. Usually it comes later, by
	// [Checkouts.Begin]. Over HTTP a create cannot set it, because it is the host's business and not the merchant's.
	PaymentID string

	// CustomerID is the host's own name for the payer, at most 255 code points. If a card request has none, one is generated.
	CustomerID string

	// ClientReference is the merchant's own name for the payment, such as an order number, at most 255 code points. Several sessions
	// may have the same reference, such as two attempts to pay one order. List finds them: Query{ClientReference: "order 7"}. The
	// reference does not make a request idempotent; IdempotencyKey does.
	ClientReference string

	// Metadata has names and values of the merchant's own: at most 20 members, with names of 1 to 40 characters out of
	// A-Z a-z 0-9 _ . - and values of 1 to 500 code points. An empty map is the same as no map. Put no card number and no password
	// into it: it is stored and answered as it is.
	Metadata map[string]string
}

// String returns what LogValue shows, as text.
func (p CreateParams) String() string { return p.LogValue().String() }

// Format implements [fmt.Formatter]: every verb, %#v too, shows what LogValue does.
func (p CreateParams) Format(f fmt.State, _ rune) { io.WriteString(f, p.String()) }

// LogValue implements [slog.LogValuer]. It leaves out the key and all free texts, and masks the phone number.
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

// fieldOrder is the order in which faults are reported: first the members of the JSON, then the fields that only calls in Go have.
// It does not depend on the order of members in the JSON, so that equal requests get equal answers.
var fieldOrder = []string{
	"amount", "currency", "user_phone", "payment_method", "success_url", "cancel_url", "description", "expires_in",
	"client_reference", "metadata",
	"account", "idempotency_key", "payment_id", "customer_id", "failure_reason", "status", "created_after", "created_before",
	"limit", "offset", "cursor",
}

// faults collects what is wrong with a request. All faults are reported at once, so that a developer corrects a request in one go
// rather than in ten. Only the first fault of each field counts: "too long" says nothing new about text that is not UTF-8.
type faults []FieldError

func (f *faults) add(field, code, detail string) {
	if !f.has(field) {
		*f = append(*f, FieldError{Field: field, Code: code, Detail: detail})
	}
}

// addIn adds a fault of one member of an object: field names the object, such as metadata, and name the member in it.
func (f *faults) addIn(field, name, code, detail string) {
	*f = append(*f, FieldError{Field: field + "/" + name, Code: code, Detail: detail, nested: true})
}

func (f *faults) has(field string) bool {
	return slices.ContainsFunc(*f, func(e FieldError) bool { return e.Field == field })
}

func (f faults) err() error {
	if len(f) == 0 {
		return nil
	}
	// Unknown members, of which there may be thousands, come last, in the order in which they were sent.
	var known, unknown []FieldError
	for _, e := range f {
		if e.Code == CodeUnknownField {
			unknown = append(unknown, e)
		} else {
			known = append(known, e)
		}
	}
	slices.SortStableFunc(known, func(a, b FieldError) int {
		return cmp.Compare(slices.Index(fieldOrder, a.member()), slices.Index(fieldOrder, b.member()))
	})
	return &ValidationError{Fields: append(known, unknown...)}
}

// text adds a fault unless s is valid UTF-8 without U+0000 of at most limit code points. PostgreSQL cannot store U+0000 or invalid
// UTF-8, and no store may refuse a text that another store accepts.
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

// metadata adds a fault for each member that is not valid, in the order of their names. With too many members it adds one fault for
// all of them.
func (f *faults) metadata(m map[string]string) {
	if f.has("metadata") {
		return
	}
	if len(m) > MaxMetadata {
		f.add("metadata", CodeTooLong, "must have at most "+strconv.Itoa(MaxMetadata)+" members")
		return
	}
	if len(m) == 0 {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(m)) {
		switch value := m[name]; {
		case len(name) > MaxMetadataName && utf8.RuneCountInString(name) > MaxMetadataName:
			f.addIn("metadata", name, CodeTooLong, "must have a name of at most "+strconv.Itoa(MaxMetadataName)+" characters")
		case !isMetadataName(name):
			f.addIn("metadata", name, CodeMalformed, "must have a name of 1 to 40 characters out of A-Z a-z 0-9 _ . -")
		case value == "":
			f.addIn("metadata", name, CodeMalformed, "must not be empty")
		default:
			var unusable faults
			if unusable.text("", value, MaxMetadataValue); unusable != nil {
				f.addIn("metadata", name, unusable[0].Code, unusable[0].Detail)
			}
		}
	}
}

func isMetadataName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '.' || c == '-') {
			return false
		}
	}
	return s != ""
}

func (f *faults) account(a Account) {
	if a.ID == "" {
		f.add("account", CodeMissing, "is required")
	}
	f.text("account", a.ID, MaxIDLength)
}

// normalize brings a request into the form in which requests are compared and stored: with its defaults filled in, the currency
// in upper case, the phone number without separators, and a UUID key in lower case. So two requests that mean the same become
// equal, and get the same fingerprint.
//
// It adds to f every fault against the contract, for fields that have none yet. It does not check a host's own limits: see
// Checkouts.accepts. If the payment method is not valid, neither dialect's rules are applied, since they would report faults of a
// dialect that the client may not have meant.
func (p CreateParams) normalize(f *faults) request {
	if p.PaymentMethod == "" {
		p.PaymentMethod = MobileMoney
	}
	known := !f.has("payment_method")
	if known && p.PaymentMethod != MobileMoney && p.PaymentMethod != Card {
		f.add("payment_method", CodeUnsupported, "must be mobile_money or card")
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

	f.text("client_reference", p.ClientReference, MaxReferenceLength)
	f.metadata(p.Metadata)
	if len(p.Metadata) == 0 {
		p.Metadata = nil
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

var amountRange = fmt.Sprintf("must be %d to %d", MinAmount, int64(MaxAmount))

var expiresInRange = fmt.Sprintf("must be %d to %d seconds", MinExpiresIn/time.Second, MaxExpiresIn/time.Second)

const redirectRule = "must be an absolute http or https URL with a host and without user info"

// redirect adds a fault unless s is an absolute http or https URL that leads where it seems to lead. The payer's page sends browsers
// there, so a URL such as javascript:… or https://bank.example@evil.example must not get through.
func (f *faults) redirect(field, s string, required bool) {
	if s == "" {
		if required {
			f.add(field, CodeMissing, "is required")
		}
		return
	}
	f.text(field, s, MaxURLLength)
	if !isRedirect(s) {
		f.add(field, CodeMalformed, redirectRule)
	}
}

func isRedirect(s string) bool {
	if strings.ContainsFunc(s, misleads) {
		return false
	}
	u, err := url.Parse(s) // returns the scheme in lower case
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || !isHost(u.Hostname()) {
		return false
	}
	port, err := strconv.Atoi(cmp.Or(u.Port(), "443"))
	return err == nil && 1 <= port && port <= 65535
}

// misleads reports whether r can make a URL lead elsewhere than it seems to: browsers differ in how they repair backslashes and white
// space, quotes and angle brackets end an HTML attribute, and control and format characters are invisible.
func misleads(r rune) bool {
	return strings.ContainsRune("\\<>\"`", r) || unicode.IsSpace(r) || unicode.IsControl(r) || unicode.Is(unicode.Cf, r)
}

// isHost accepts IP addresses and names, including names in other scripts, such as "boutique-thiès.example". A name needs a letter:
// browsers read "2130706433" as an IP address.
func isHost(s string) bool {
	if _, err := netip.ParseAddr(s); err == nil {
		return true
	}
	inName := func(r rune) bool {
		return unicode.IsLetter(r) || unicode.IsMark(r) || unicode.IsDigit(r) || r == '.' || r == '-' || r == '_'
	}
	return strings.ContainsFunc(s, unicode.IsLetter) && !strings.ContainsFunc(s, func(r rune) bool { return !inName(r) })
}
