package storetest

import (
	"strings"
	"time"

	"github.com/caisse/checkout"
)

var fieldChecks = []check{
	{"keeps every field that it creates", func(t *trial) {
		for _, s := range samples() {
			t.kept(t.create(s))
		}
	}},
	{"keeps every field that it updates", func(t *trial) {
		// One session takes the form of each sample and sheds it, so that every field both gains and loses a value.
		bare := samples()[0]
		s := t.create(bare)
		for _, form := range samples()[1:] {
			s = t.update(successor(s, form))
			t.kept(s)
			s = t.update(successor(s, bare))
			t.kept(s)
		}
	}},
	{"keeps text as it was sent", func(t *trial) {
		for n, text := range []string{
			strings.Repeat("é", 200),
			strings.Repeat("\U0001F6D2", 200), // the longest code points, four bytes each
			"  spaces at both ends \t\r\n",
			`'; DROP TABLE sessions; -- \\ \" % _ $1 ? :a @b \x00 \u0000`,
			"e\u0301 is not \u00e9, nor is \ufeff nothing", // one look, two spellings
			"\u202eتعادل\u202c \U000E0001 \x01\x7f",
		} {
			s := sample(n)
			s.Description = text
			s = t.create(s)
			t.kept(s)
			s.Status, s.FailureReason, s.Version = checkout.StatusFailed, text, 2
			t.kept(t.update(s))
		}
	}},
	{"keeps identifiers and addresses at their longest", func(t *trial) {
		s := sample(1)
		s.PaymentID = strings.Repeat("\U0001F6D2", 255)
		s.CustomerID = strings.Repeat("\u00e9", 255)
		s.SuccessURL = "https://shop.example/" + strings.Repeat("s", 2048-len("https://shop.example/"))
		s.CancelURL = "https://shop.example/" + strings.Repeat("c", 2048-len("https://shop.example/"))
		s = t.create(s)
		t.kept(s)
		t.lists(merchant, checkout.Query{PaymentID: s.PaymentID}, s)
	}},
	{"keeps amounts beyond 32 bits", func(t *trial) {
		for n, amount := range []int64{100, 1<<31 + 1, 1<<53 - 1} {
			s := sample(n)
			s.Amount, s.TransactionFee = amount, amount
			t.kept(t.create(s))
		}
	}},
	{"keeps times to the microsecond and no finer", func(t *trial) {
		second := morning.Truncate(time.Second)
		for n, fraction := range []time.Duration{1000, 999, 999_999_000, 999_999_999, 123_456_789} {
			s := sample(n)
			s.CreatedAt = second.Add(fraction)
			s.ExpiresAt = second.Add(time.Hour + fraction)
			s = t.create(s)
			t.kept(s)
			s = completed(s)
			s.CompletedAt = second.Add(time.Minute + fraction)
			t.kept(t.update(s))
		}
	}},
	{"answers times in UTC whatever zone they came in", func(t *trial) {
		zone := time.FixedZone("half past", 5*3600+1800)
		s := sample(1)
		s.CreatedAt, s.ExpiresAt = s.CreatedAt.In(zone), s.ExpiresAt.In(zone)
		s = t.create(s)
		t.kept(s)
		paid := completed(s)
		paid.CompletedAt, paid.ExpiresAt = paid.CompletedAt.In(zone), paid.ExpiresAt.In(zone)
		t.kept(t.update(paid))
	}},
}

// successor is the next version of from, with all of to that an update may change.
func successor(from, to checkout.Session) checkout.Session {
	to.ID, to.Account, to.CreatedAt = from.ID, from.Account, from.CreatedAt
	to.IdempotencyKey, to.Fingerprint = from.IdempotencyKey, from.Fingerprint
	to.Version = from.Version + 1
	return to
}
