package storetest

import (
	"fmt"
	"reflect"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/idempotency"
)

var (
	merchant = checkout.Account{ID: "acct_1"}
	sandbox  = checkout.Account{ID: "acct_1", Test: true}
	stranger = checkout.Account{ID: "acct_2"}
)

// morning is when the first sample is created. The six digits of its fraction are different, so that a test sees if one is lost.
var morning = time.Date(2026, time.November, 22, 7, 31, 56, 123456000, time.UTC)

// sample returns the nth session of the merchant. It was created n seconds after the first, and is due half an hour after its creation.
// It has only the fields that the smallest request sets.
func sample(n int) checkout.Session {
	created := morning.Add(time.Duration(n) * time.Second)
	return checkout.Session{
		ID:             sampleID("ci", n),
		Account:        merchant,
		Status:         checkout.StatusCreated,
		Amount:         5000 + int64(n),
		Currency:       "XOF",
		PaymentMethod:  checkout.MobileMoney,
		UserPhone:      "+22507987654",
		CreatedAt:      created,
		ExpiresAt:      created.Add(30 * time.Minute),
		UpdatedAt:      created,
		IdempotencyKey: sampleKey(n),
		Fingerprint:    idempotency.Sum(1, fmt.Sprint(n)),
		Version:        1,
	}
}

// sampleID returns an id of the documented form, which ends with a UUIDv7 without hyphens. IDs of one scope sort by n.
func sampleID(scope string, n int) string {
	return fmt.Sprintf("cs_%s_0193f0c2a7b47c5e9d3a%012x", scope, n)
}

func sampleKey(n int) idempotency.Key {
	return idempotency.Key(fmt.Sprintf("0193f0c2-a7b4-4c5e-9d3a-%012x", n))
}

// samples returns sessions as [checkout.Checkouts] creates them. Together they have a value for every field that a create may set.
func samples() []checkout.Session {
	bare := sample(1)

	card := sample(2)
	card.ID = sampleID("live", 2)
	card.Status = checkout.StatusPending
	card.Currency = "USD"
	card.PaymentMethod = checkout.Card
	card.UserPhone = ""
	card.CustomerID = "cus_0193f0c2a7b47c5e"
	card.Description = "Two baskets of attieke"
	card.SuccessURL = "https://shop.example/thanks?order=123"
	card.CancelURL = "https://shop.example/cart"
	card.TransactionFee = 25

	named := sample(3)
	named.Account = sandbox
	named.ID = sampleID("test", 3)
	named.PaymentID = "ORDER_123"
	named.ClientReference = "order 123"
	named.Metadata = map[string]string{"size": "XL", "__proto__": `{"a": "b"}`}

	unkeyed := sample(4)
	unkeyed.IdempotencyKey = ""
	unkeyed.Fingerprint = idempotency.Fingerprint{}
	unkeyed.Metadata = map[string]string{"only": "metadata"}

	return []checkout.Session{bare, card, named, unkeyed}
}

// forms returns sessions after changes. Together they have a value for every field that successor copies.
func forms() []checkout.Session {
	begun := sample(1)
	begun.Status = checkout.StatusPending
	begun.PaymentID = "ORDER_1"

	late := sample(1)
	late.Status = checkout.StatusCompleted
	late.PaymentID = "ORDER_2"
	late.FailureReason = "insufficient funds"
	late.Late = true

	failed := sample(1)
	failed.Status = checkout.StatusFailed
	failed.FailureReason = "wrong PIN"

	cancelled := sample(1)
	cancelled.Status = checkout.StatusCancelled

	return []checkout.Session{begun, late, failed, cancelled}
}

// successor returns the next version of from, with the status, payment, failure reason and lateness of form. Its UpdatedAt is later
// than CreatedAt by as many seconds and microseconds as its version says.
func successor(from, form checkout.Session) checkout.Session {
	from.Version++
	from.UpdatedAt = from.CreatedAt.Add(time.Duration(from.Version) * (time.Second + time.Microsecond))
	from.Status, from.PaymentID, from.FailureReason, from.Late = form.Status, form.PaymentID, form.FailureReason, form.Late
	from.CompletedAt = time.Time{}
	if form.Status == checkout.StatusCompleted {
		from.CompletedAt = from.UpdatedAt
	}
	return from
}

// completed returns the next version of s, paid by the payment ORDER_123.
func completed(s checkout.Session) checkout.Session {
	s.Status, s.PaymentID = checkout.StatusCompleted, "ORDER_123"
	return successor(s, s)
}

// began returns the next version of s, pending with a payment.
func began(s checkout.Session, payment string) checkout.Session {
	s.Status, s.PaymentID = checkout.StatusPending, payment
	return successor(s, s)
}

// fields are all fields of a session. They are read by reflection, so a field that is added later is compared too.
var fields = reflect.VisibleFields(reflect.TypeFor[checkout.Session]())

// differences describes each field of got that differs from want.
func differences(got, want checkout.Session) []string {
	g, w := reflect.ValueOf(got), reflect.ValueOf(want)
	var all []string
	for _, f := range fields {
		have, should := g.FieldByIndex(f.Index).Interface(), w.FieldByIndex(f.Index).Interface()
		if !reflect.DeepEqual(have, should) {
			all = append(all, fmt.Sprintf("%s is %s, want %s", f.Name, show(have), show(should)))
		}
	}
	return all
}

// show formats a value. If two times are the same instant and yet differ, it shows why: their zones differ, or one has a monotonic reading.
func show(v any) string {
	at, ok := v.(time.Time)
	switch {
	case !ok:
		return fmt.Sprintf("%#v", v)
	case at.Location() != time.UTC:
		return at.String() + ", not in time.UTC"
	}
	return at.String()
}

func ids(sessions []checkout.Session) []string {
	all := make([]string, len(sessions))
	for i, s := range sessions {
		all[i] = s.ID
	}
	return all
}
