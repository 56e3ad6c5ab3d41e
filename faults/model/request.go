package model

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/idempotency"
)

// Request asks for a session.
type Request struct {
	Account             checkout.Account
	Key                 string
	Amount              int64
	Currency            string
	Method              string
	Phone               Phone
	Success, Cancel     URL
	Description         string
	ExpiresIn           time.Duration
	PaymentID, Customer string
}

func (r Request) String() string {
	return fmt.Sprintf("{%v key %q, %d %q by %q from %q, to %.60q and %.60q, %.30q, for %s, payment %.30q, customer %.30q}",
		r.Account, r.Key, r.Amount, r.Currency, r.Method, r.Phone.Sent, r.Success.Sent, r.Cancel.Sent, r.Description,
		r.ExpiresIn, r.PaymentID, r.Customer)
}

// params returns the request in the types of the code.
func (r Request) params() checkout.CreateParams {
	return checkout.CreateParams{
		Account:        r.Account,
		IdempotencyKey: idempotency.Key(r.Key),
		Amount:         r.Amount,
		Currency:       r.Currency,
		PaymentMethod:  checkout.PaymentMethod(r.Method),
		UserPhone:      r.Phone.Sent,
		Description:    r.Description,
		ExpiresIn:      r.ExpiresIn,
		SuccessURL:     r.Success.Sent,
		CancelURL:      r.Cancel.Sent,
		PaymentID:      r.PaymentID,
		CustomerID:     r.Customer,
	}
}

// meaning is a request in the form in which requests are compared.
type meaning struct {
	amount            int64
	currency          string
	phone             string
	method            checkout.PaymentMethod
	success, cancel   string
	description       string
	expiresIn         time.Duration
	payment, customer string
}

// normal returns the key and the meaning of a request without faults.
func (r Request) normal() (key string, m meaning) {
	m = meaning{
		amount: r.Amount, currency: r.Currency, phone: r.Phone.Number, method: checkout.PaymentMethod(r.Method),
		success: r.Success.Sent, cancel: r.Cancel.Sent, description: r.Description, expiresIn: r.ExpiresIn,
		payment: r.PaymentID, customer: r.Customer,
	}
	if m.method == "" {
		m.method = checkout.MobileMoney
	}
	if m.method == checkout.Card {
		m.currency, _ = isoCode(r.Currency)
	}
	if m.expiresIn == 0 {
		m.expiresIn = 30 * time.Minute
	}
	if key = r.Key; isUUID(key) {
		key = strings.ToLower(key)
	}
	return key, m
}

// differs returns the names of the members in which two requests differ, in the order of fieldOrder in validate.go.
func (m meaning) differs(o meaning) []string {
	var names []string
	for _, member := range []struct {
		name string
		same bool
	}{
		{"amount", m.amount == o.amount},
		{"currency", m.currency == o.currency},
		{"user_phone", m.phone == o.phone},
		{"payment_method", m.method == o.method},
		{"success_url", m.success == o.success},
		{"cancel_url", m.cancel == o.cancel},
		{"description", m.description == o.description},
		{"expires_in", m.expiresIn == o.expiresIn},
		{"payment_id", m.payment == o.payment},
		{"customer_id", m.customer == o.customer},
	} {
		if !member.same {
			names = append(names, member.name)
		}
	}
	return names
}

// faults returns what the contract refuses, as "field code".
func (r Request) faults() []string {
	var all []string
	add := func(field, code string) {
		if code != "" {
			all = append(all, field+" "+code)
		}
	}
	mobile := r.Method == "" || r.Method == string(checkout.MobileMoney)
	card := r.Method == string(checkout.Card)

	if r.Amount < 100 || r.Amount > 9007199254740991 {
		add("amount", checkout.CodeOutOfRange)
	}
	_, iso := isoCode(r.Currency)
	switch {
	case r.Currency == "":
		add("currency", checkout.CodeMissing)
	case mobile && r.Currency != "XOF", card && !iso:
		add("currency", checkout.CodeUnsupported)
	}
	if r.Phone.Sent == "" && mobile {
		add("user_phone", checkout.CodeMissing)
	} else {
		add("user_phone", r.Phone.Fault)
	}
	if !mobile && !card {
		add("payment_method", checkout.CodeUnsupported)
	}
	for _, u := range []struct {
		field string
		url   URL
	}{{"success_url", r.Success}, {"cancel_url", r.Cancel}} {
		if u.url.Sent == "" && card {
			add(u.field, checkout.CodeMissing)
		} else {
			add(u.field, u.url.Fault)
		}
	}
	add("description", textFault(r.Description, 200))
	switch {
	case r.ExpiresIn == 0:
	case r.ExpiresIn < 300*time.Second || r.ExpiresIn > 86400*time.Second:
		add("expires_in", checkout.CodeOutOfRange)
	case r.ExpiresIn%time.Second != 0:
		add("expires_in", checkout.CodeWrongType)
	}
	add("account", accountFault(r.Account))
	add("customer_id", textFault(r.Customer, 255))
	add("idempotency_key", keyFault(r.Key))
	add("payment_id", textFault(r.PaymentID, 255))
	return all
}

// refused returns what the host's settings refuse in a request without faults.
func (r Request) refused(s Settings) []string {
	var all []string
	_, m := r.normal()
	if s.MaxAmount > 0 && m.amount > s.MaxAmount {
		all = append(all, "amount "+checkout.CodeOutOfRange)
	}
	if m.method == checkout.Card && !slices.Contains(s.CardCurrencies, m.currency) {
		all = append(all, "currency "+checkout.CodeUnsupported)
	}
	if m.phone != "" && !slices.Contains(s.PhoneRegions, r.Phone.Region) {
		all = append(all, "user_phone "+checkout.CodeUnsupported)
	}
	return all
}

func textFault(s string, most int) string {
	switch {
	case !utf8.ValidString(s), strings.ContainsRune(s, 0):
		return checkout.CodeMalformed
	case len([]rune(s)) > most:
		return checkout.CodeTooLong
	}
	return ""
}

func accountFault(a checkout.Account) string {
	if a.ID == "" {
		return checkout.CodeMissing
	}
	return textFault(a.ID, 255)
}

// keyFault returns the fault of a key. A key may have visible ASCII characters except the comma, and must not be the nil or the max
// UUID. "" means no
// key, and has no fault.
func keyFault(key string) string {
	for _, c := range key {
		if c <= ' ' || c > '~' || c == ',' {
			return checkout.CodeMalformed
		}
	}
	if isUUID(key) && strings.Trim(strings.ToLower(key), "0-") == "" || isUUID(key) && strings.Trim(strings.ToLower(key), "f-") == "" {
		return checkout.CodeMalformed
	}
	return ""
}

// isUUID reports whether s has the form 8-4-4-4-12 of hex digits.
func isUUID(s string) bool {
	groups := strings.Split(s, "-")
	if len(groups) != 5 {
		return false
	}
	for i, length := range []int{8, 4, 4, 4, 12} {
		if len(groups[i]) != length || strings.Trim(groups[i], "0123456789abcdefABCDEF") != "" {
			return false
		}
	}
	return true
}
