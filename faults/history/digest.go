package history

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strings"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/idempotency"
)

// digest identifies texts without revealing them. The digest of a single empty text is "".
func digest(texts ...string) string {
	if len(texts) == 1 && texts[0] == "" {
		return ""
	}
	h := sha256.New()
	for _, text := range texts {
		var length [8]byte
		binary.BigEndian.PutUint64(length[:], uint64(len(text)))
		h.Write(length[:])
		h.Write([]byte(text))
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// spelled returns the key as the store keeps it.
func spelled(key idempotency.Key) string {
	if normal, err := key.Normalize(idempotency.Any); err == nil {
		key = normal
	}
	return string(key)
}

// requestOf returns a request in the form in which requests are compared. Spellings that mean the same according to the contract
// (docs/contract.md, Idempotency) become one.
func requestOf(p checkout.CreateParams) *Request {
	r := &Request{
		Key:       digest(spelled(p.IdempotencyKey)),
		Amount:    p.Amount,
		Currency:  strings.ToUpper(p.Currency),
		Method:    string(p.PaymentMethod),
		ExpiresIn: p.ExpiresIn.Microseconds(),
	}
	if r.Method == "" {
		r.Method = string(checkout.MobileMoney)
	}
	if p.ExpiresIn == 0 {
		r.ExpiresIn = (30 * time.Minute).Microseconds()
	}
	phone := strings.Map(func(c rune) rune {
		if strings.ContainsRune(" .-()", c) {
			return -1
		}
		return c
	}, p.UserPhone)
	r.Rest = digest(spelled(p.IdempotencyKey), phone, p.CustomerID, p.Description, p.SuccessURL, p.CancelURL)
	return r
}

func sessionOf(s checkout.Session) Session {
	return Session{
		ID:        s.ID,
		Account:   s.Account.ID,
		Test:      s.Account.Test,
		Key:       digest(spelled(s.IdempotencyKey)),
		Status:    string(s.Status),
		Amount:    s.Amount,
		Currency:  s.Currency,
		Method:    string(s.PaymentMethod),
		Fee:       s.TransactionFee,
		Payment:   s.PaymentID,
		Created:   micros(s.CreatedAt),
		Expires:   micros(s.ExpiresAt),
		Completed: micros(s.CompletedAt),
		Reason:    digest(s.FailureReason),
		Late:      s.Late,
		Version:   s.Version,
		Rest: digest(string(s.IdempotencyKey), s.UserPhone, s.CustomerID, s.Description, s.SuccessURL, s.CancelURL,
			string(s.Fingerprint[:])),
	}
}

func sessionsOf(sessions []checkout.Session) []Session {
	all := make([]Session, len(sessions))
	for i, s := range sessions {
		all[i] = sessionOf(s)
	}
	return all
}

func eventsOf(events []checkout.Event) []Event {
	all := make([]Event, len(events))
	for i, e := range events {
		all[i] = Event{ID: e.ID, Type: e.Type, At: micros(e.At), Cursor: string(e.Cursor), Session: sessionOf(e.Session)}
	}
	return all
}

func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}
