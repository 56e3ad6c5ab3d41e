package storetest

import (
	"fmt"
	"strings"
	"time"

	"github.com/caisse/checkout"
)

var fieldChecks = []check{
	{"keeps every field of a session that it creates", func(t *trial) {
		for _, s := range samples() {
			t.kept(t.create(s))
		}
	}},
	{"keeps every field of a session that it updates", func(t *trial) {
		// One session is changed to each form and back, so that every field that an update may change both gains and loses a value.
		s := t.create(sample(1))
		for _, form := range forms() {
			s = t.update(successor(s, form))
			t.kept(s)
			s = t.update(successor(s, sample(1)))
			t.kept(s)
		}
	}},
	{"shares no metadata map with its callers", func(t *trial) {
		s := sample(1)
		s.Metadata = map[string]string{"size": "XL"}
		held, _, err := t.store.Create(t.Context(), s)
		if err != nil {
			t.Fatalf("Create: %v", err)
		}
		want := s
		want.Metadata = map[string]string{"size": "XL"}
		sessions := []checkout.Session{s, held, t.get(merchant, s.ID)}
		page, _ := t.list(merchant, checkout.Query{})
		events, err := t.store.History(t.Context(), merchant, s.ID)
		if err != nil || len(events) == 0 {
			t.Fatalf("History: %d events, %v", len(events), err)
		}
		for _, s := range append(append(sessions, page...), events[0].Session) {
			if s.Metadata != nil {
				s.Metadata["size"] = "scribble"
			}
			t.kept(want)
		}
		next := completed(want)
		next.Metadata = map[string]string{"size": "XL"}
		after := completed(want)
		t.update(next)
		next.Metadata["size"] = "scribble"
		t.kept(after)
		t.history(want, after)
	}},
	{"keeps text as it was sent", func(t *trial) {
		for n, text := range []string{
			strings.Repeat("é", 200),
			strings.Repeat("\U0001F6D2", 200), // the longest code points, four bytes each
			"  spaces at both ends \t\r\n",
			`'; DROP TABLE sessions; -- \\ \" % _ $1 ? :a @b \x00 \u0000`,
			"e\u0301 is not \u00e9, nor is \ufeff nothing", // two spellings that look the same
			"\u202eتعادل\u202c \U000E0001 \x01\x7f",
		} {
			s := sample(n)
			s.Description, s.ClientReference = text, text
			s.Metadata = map[string]string{"text": text}
			s = t.create(s)
			t.kept(s)
			s.Status, s.FailureReason = checkout.StatusFailed, text
			t.kept(t.update(successor(s, s)))
		}
	}},
	{"keeps identifiers and URLs of the greatest length", func(t *trial) {
		s := sample(1)
		s.PaymentID = strings.Repeat("\U0001F6D2", 255)
		s.CustomerID = strings.Repeat("\u00e9", 255)
		s.ClientReference = strings.Repeat("\U0001F6D2", 255)
		s.Metadata = make(map[string]string)
		for n := range checkout.MaxMetadata {
			s.Metadata[fmt.Sprintf("%040d", n)] = strings.Repeat("\U0001F6D2", checkout.MaxMetadataValue)
		}
		s.SuccessURL = "https://shop.example/" + strings.Repeat("s", 2048-len("https://shop.example/"))
		s.CancelURL = "https://shop.example/" + strings.Repeat("c", 2048-len("https://shop.example/"))
		s = t.create(s)
		t.kept(s)
		t.lists(merchant, checkout.Query{PaymentID: s.PaymentID}, s)
		t.lists(merchant, checkout.Query{ClientReference: s.ClientReference}, s)
	}},
	{"keeps amounts beyond 32 bits", func(t *trial) {
		for n, amount := range []int64{100, 1<<31 + 1, 1<<53 - 1} {
			s := sample(n)
			s.Amount, s.TransactionFee = amount, amount
			t.kept(t.create(s))
		}
	}},
	{"keeps times to the microsecond", func(t *trial) {
		second := morning.Truncate(time.Second)
		for n, fraction := range []time.Duration{1000, 999_000, 999_999_000, 123_456_000} {
			s := sample(n)
			s.CreatedAt = second.Add(fraction)
			s.ExpiresAt = second.Add(time.Hour + fraction)
			s.UpdatedAt = s.CreatedAt
			s = t.create(s)
			t.kept(s)
			s = completed(s)
			s.UpdatedAt = second.Add(time.Minute + fraction)
			s.CompletedAt = s.UpdatedAt
			t.kept(t.update(s))
		}
	}},
}
