package client

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"
	"unicode/utf8"
)

// Intent is one payment that a program wants: what to ask for, and the idempotency key that makes it happen only once.
//
// Store its JSON with the order, before the first [Client.Create]. The JSON contains everything, including the payer's phone number, and
// is read back unchanged.
type Intent struct {
	// Key is sent as Idempotency-Key with every try. A change of Params needs a new Intent.
	Key    string `json:"key"`
	Params Params `json:"params"`
}

// NewIntent returns an Intent with a new key, a UUID of version 7 (RFC 9562).
func NewIntent(p Params) Intent { return Intent{Key: newKey(), Params: p} }

// newKey makes a UUIDv7. Keys that are made one after the other are neighbours in the server's index.
func newKey() string {
	var u [16]byte
	rand.Read(u[6:]) // never fails
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(time.Now().UnixMilli()))
	copy(u[:6], ms[2:])
	u[6] = u[6]&0x0f | 0x70
	u[8] = u[8]&0x3f | 0x80
	h := hex.EncodeToString(u[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// body returns the body of the create. It refuses text that JSON would silently change, and a key that a header cannot contain.
func (i Intent) body() ([]byte, error) {
	if i.Key == "" {
		return nil, notSent(CodeIdempotencyKeyMissing, "the Intent has no Key: make it with NewIntent")
	}
	if !isVisible(i.Key) || len(i.Key) > 1000 {
		return nil, notSent(CodeIdempotencyKeyInvalid, "the Intent's Key must have 1 to 1000 visible ASCII characters")
	}
	if faults := i.Params.faults(); faults != nil {
		refused := notSent(CodeValidationFailed, "the Intent's Params are not valid")
		refused.Fields = faults
		return nil, refused
	}
	return json.Marshal(i.Params)
}

// String returns the intent with its key and its phone number masked.
func (i Intent) String() string { return i.LogValue().String() }

// Format implements [fmt.Formatter]: every verb, %#v too, shows what String does.
func (i Intent) Format(f fmt.State, _ rune) { io.WriteString(f, i.String()) }

// LogValue implements [slog.LogValuer].
func (i Intent) LogValue() slog.Value {
	return slog.GroupValue(append([]slog.Attr{slog.String("key", mask(i.Key, 0, 4))}, i.Params.attrs()...)...)
}

// Params say what session to create. The server checks them: if it does not accept them, the error is an [*Error] of code
// [CodeValidationFailed], with a [FieldError] for each fault.
type Params struct {
	_ struct{} // keyed literals only

	// Amount is in the currency's smallest unit: XOF has none below the franc, USD counts cents. 100 or more.
	Amount int64
	// Currency is "XOF" for mobile money; for a card an ISO 4217 code that the server accepts.
	Currency string
	// PaymentMethod is [MobileMoney] or [Card]; "" is MobileMoney.
	PaymentMethod PaymentMethod
	// UserPhone is the payer's number, in international form with its +. Required for mobile money.
	UserPhone string
	// SuccessURL and CancelURL are the pages to which the payer is sent in the end. Required for a card.
	SuccessURL, CancelURL string
	// Description has at most 200 characters.
	Description string
	// ExpiresIn is how long the session can be paid, in whole seconds from 5 minutes to 24 hours; 0 is 30 minutes.
	ExpiresIn time.Duration
	// ClientReference is your own name for the payment, such as the order's number, of at most 255 characters. A list can be
	// filtered by it. It need not be unique, and does not make a request idempotent.
	ClientReference string
	// Metadata has names and values of your own, which are stored with the session: at most 20 members, names of 1 to 40
	// characters out of A-Z a-z 0-9 _ . -, values of 1 to 500 characters.
	Metadata map[string]string
}

// paramsJSON is the body of a create.
type paramsJSON struct {
	Amount          int64             `json:"amount"`
	Currency        string            `json:"currency"`
	PaymentMethod   PaymentMethod     `json:"payment_method,omitempty"`
	UserPhone       string            `json:"user_phone,omitempty"`
	SuccessURL      string            `json:"success_url,omitempty"`
	CancelURL       string            `json:"cancel_url,omitempty"`
	Description     string            `json:"description,omitempty"`
	ExpiresIn       int64             `json:"expires_in,omitempty"`
	ClientReference string            `json:"client_reference,omitempty"`
	Metadata        map[string]string `json:"metadata,omitempty"`
}

// MarshalJSON returns the body of a create. It refuses an ExpiresIn that is not in whole seconds, and text that is not UTF-8.
func (p Params) MarshalJSON() ([]byte, error) {
	if faults := p.faults(); faults != nil {
		return nil, errors.New("client: Params." + faults[0].String())
	}
	return json.Marshal(paramsJSON{
		p.Amount, p.Currency, p.PaymentMethod, p.UserPhone, p.SuccessURL, p.CancelURL, p.Description,
		int64(p.ExpiresIn / time.Second), p.ClientReference, p.Metadata,
	})
}

// UnmarshalJSON reads what MarshalJSON writes.
func (p *Params) UnmarshalJSON(text []byte) error {
	var j paramsJSON
	if err := json.Unmarshal(text, &j); err != nil {
		return err
	}
	const longest = int64(1<<63-1) / int64(time.Second)
	if j.ExpiresIn > longest || j.ExpiresIn < -longest {
		return errors.New("client: expires_in is too large")
	}
	*p = Params{
		Amount: j.Amount, Currency: j.Currency, PaymentMethod: j.PaymentMethod, UserPhone: j.UserPhone, SuccessURL: j.SuccessURL,
		CancelURL: j.CancelURL, Description: j.Description, ExpiresIn: time.Duration(j.ExpiresIn) * time.Second,
		ClientReference: j.ClientReference, Metadata: j.Metadata,
	}
	return nil
}

// faults returns the faults that the server could not see, because JSON cannot express them.
func (p Params) faults() (faults []FieldError) {
	text := func(member, s string) {
		if !utf8.ValidString(s) {
			faults = append(faults, FieldError{"#/" + member, CodeMalformed, "must be valid UTF-8"})
		}
	}
	text("currency", p.Currency)
	text("payment_method", string(p.PaymentMethod))
	text("user_phone", p.UserPhone)
	text("success_url", p.SuccessURL)
	text("cancel_url", p.CancelURL)
	text("description", p.Description)
	if p.ExpiresIn%time.Second != 0 {
		faults = append(faults, FieldError{"#/expires_in", CodeWrongType, "must be of whole seconds"})
	}
	text("client_reference", p.ClientReference)
	for name, value := range p.Metadata {
		if !utf8.ValidString(name) || !utf8.ValidString(value) {
			faults = append(faults, FieldError{"#/metadata", CodeMalformed, "must be valid UTF-8"})
			break
		}
	}
	return faults
}

// String shows no phone number in full.
func (p Params) String() string { return p.LogValue().String() }

// Format implements [fmt.Formatter]: every verb, %#v too, shows what String does.
func (p Params) Format(f fmt.State, _ rune) { io.WriteString(f, p.String()) }

// LogValue implements [slog.LogValuer].
func (p Params) LogValue() slog.Value { return slog.GroupValue(p.attrs()...) }

func (p Params) attrs() []slog.Attr {
	return []slog.Attr{
		slog.Int64("amount", p.Amount),
		slog.String("currency", p.Currency),
		slog.String("user_phone", maskPhone(p.UserPhone)),
		slog.String("client_reference", p.ClientReference),
	}
}

func maskPhone(s string) string { return mask(s, 4, 2) }

// mask shows the first and the last characters of a text, if it is long enough to hide the rest.
func mask(s string, first, last int) string {
	if len(s) < 2*(first+last) {
		return strings.Repeat("*", len(s))
	}
	return s[:first] + strings.Repeat("*", len(s)-first-last) + s[len(s)-last:]
}
