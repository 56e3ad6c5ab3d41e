package memory

import (
	"maps"
	"strings"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/idempotency"
)

// record is a session as the store keeps it. The store's lock guards it. Its texts are joined into two strings, because the
// garbage collector follows every pointer of every session in each run. With half a million sessions and a string for each text,
// the collector took 22 % of a server's processor time, and with two strings 18 %.
//
// The texts are copies. A part of a request would keep the whole request in memory, or would change if the host reuses its buffers.
type record struct {
	owner    *account
	place    int        // its index in dueHeap, or unplaced
	idLength uint32     // within identity, which begins with the id
	keyEnd   uint32     // within identity, where the idempotency key ends and the client reference begins
	ends     [10]uint32 // where each detail ends within details
	identity string
	details  string
	metadata map[string]string // nil where there is none
	last     *state            // the state after the last change; nil until there is one

	created, expires   int64 // microseconds since 1970, like completed and updated
	completed, updated int64
	amount, fee        int64
	version            int64
	late               bool
	fingerprint        idempotency.Fingerprint
}

// newRecord makes a record. The caller sets the owner.
func newRecord(s checkout.Session) *record {
	r := &record{
		place:       unplaced,
		idLength:    uint32(len(s.ID)),
		keyEnd:      uint32(len(s.ID) + len(s.IdempotencyKey)),
		identity:    join(s.ID, string(s.IdempotencyKey), s.ClientReference),
		metadata:    cloneTexts(s.Metadata),
		created:     s.CreatedAt.UnixMicro(),
		fingerprint: s.Fingerprint,
	}
	r.change(s)
	return r
}

// change copies from s what an update may change.
func (r *record) change(s checkout.Session) {
	var texts [len(r.ends)]string
	end := 0
	for i, text := range detailsOf(&s) {
		texts[i] = *text
		end += len(*text)
		r.ends[i] = uint32(end)
	}
	r.details = join(texts[:]...)
	r.expires, r.completed, r.updated = s.ExpiresAt.UnixMicro(), s.CompletedAt.UnixMicro(), s.UpdatedAt.UnixMicro()
	r.amount, r.fee, r.version, r.late = s.Amount, s.TransactionFee, s.Version, s.Late
}

// session returns the session as it is stored.
func (r *record) session() checkout.Session {
	s := checkout.Session{
		ID:             r.id(),
		Account:        r.owner.Account,
		Amount:         r.amount,
		CreatedAt:      timeOf(r.created),
		ExpiresAt:      timeOf(r.expires),
		CompletedAt:    timeOf(r.completed),
		TransactionFee: r.fee,
		Late:           r.late,
		IdempotencyKey: r.key(),
		Fingerprint:    r.fingerprint,
		Version:        r.version,
		UpdatedAt:      timeOf(r.updated),

		ClientReference: r.reference(),
		Metadata:        maps.Clone(r.metadata),
	}
	for i, text := range detailsOf(&s) {
		*text = r.detail(i)
	}
	return s
}

// cloneTexts copies a map with its names and values. It returns nil for an empty one.
func cloneTexts(m map[string]string) map[string]string {
	if len(m) == 0 {
		return nil
	}
	texts := make(map[string]string, len(m))
	for name, value := range m {
		texts[strings.Clone(name)] = strings.Clone(value)
	}
	return texts
}

// join copies texts into one new string.
func join(texts ...string) string {
	size := 0
	for _, text := range texts {
		size += len(text)
	}
	var all strings.Builder
	all.Grow(size)
	for _, text := range texts {
		all.WriteString(text)
	}
	return all.String()
}

// The indexes in detailsOf of those texts that are also read one at a time.
const (
	statusDetail  = 0
	paymentDetail = 1
	phoneDetail   = 2
	reasonDetail  = 3
)

// detailsOf returns the texts of a session that are joined into details.
func detailsOf(s *checkout.Session) [10]*string {
	return [...]*string{
		statusDetail:  (*string)(&s.Status),
		paymentDetail: &s.PaymentID,
		phoneDetail:   &s.UserPhone,
		reasonDetail:  &s.FailureReason,
		&s.Currency, (*string)(&s.PaymentMethod), &s.CustomerID, &s.Description, &s.SuccessURL, &s.CancelURL,
	}
}

func (r *record) detail(i int) string {
	begin := uint32(0)
	if i > 0 {
		begin = r.ends[i-1]
	}
	return r.details[begin:r.ends[i]]
}

func (r *record) id() string              { return r.identity[:r.idLength] }
func (r *record) key() idempotency.Key    { return idempotency.Key(r.identity[r.idLength:r.keyEnd]) }
func (r *record) reference() string       { return r.identity[r.keyEnd:] }
func (r *record) status() checkout.Status { return checkout.Status(r.detail(statusDetail)) }

// timeOf returns the time of a record's microseconds. The zero time stays zero.
func timeOf(micros int64) time.Time { return time.UnixMicro(micros).UTC() }
