package memory

import (
	"strings"
	"time"

	"github.com/caisse/checkout"
)

// record is one session as the store keeps it. Its session is read and replaced under the store's lock.
type record struct {
	session checkout.Session
	place   int // in the heap of what will be due, or unplaced
}

// newRecord copies all that s refers to. A text that a host cut out of a request would otherwise keep the whole
// request in memory, or change with it where the host reuses its buffers.
//
// The account is left as it is: its one copy is the store's.
func newRecord(s checkout.Session) *record {
	r := &record{session: s, place: unplaced}
	own((*string)(&r.session.IdempotencyKey), &r.session.ID)
	r.session.CreatedAt = normal(s.CreatedAt)
	r.ownDetails()
	return r
}

// replace makes s the session, save for what never changes.
func (r *record) replace(s checkout.Session) {
	first := r.session
	r.session = s
	r.session.ID = first.ID
	r.session.Account = first.Account
	r.session.CreatedAt = first.CreatedAt
	r.session.IdempotencyKey = first.IdempotencyKey
	r.session.Fingerprint = first.Fingerprint
	r.ownDetails()
}

// ownDetails copies what an update may change.
func (r *record) ownDetails() {
	s := &r.session
	own((*string)(&s.Status), &s.Currency, (*string)(&s.PaymentMethod), &s.UserPhone, &s.PaymentID, &s.CustomerID,
		&s.Description, &s.SuccessURL, &s.CancelURL, &s.FailureReason)
	s.ExpiresAt = normal(s.ExpiresAt)
	s.CompletedAt = normal(s.CompletedAt)
}

// own moves texts into one new string: one allocation for all of them, and no size class to fill for each.
func own(texts ...*string) {
	size := 0
	for _, text := range texts {
		size += len(*text)
	}
	var b strings.Builder
	b.Grow(size)
	for _, text := range texts {
		b.WriteString(*text)
	}
	all := b.String()
	for _, text := range texts {
		*text, all = all[:len(*text)], all[len(*text):]
	}
}

// normal is t as every store answers it: in UTC, cut to whole microseconds, without a monotonic reading.
func normal(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }
