package storetest_test

import (
	"math"
	"reflect"
	"strings"
	"time"

	"github.com/caisse/checkout"
)

var fieldFaults = []fault{
	{"keeps a value that an update removes", "keeps every field of a session that it updates",
		part(func(n *naive) {
			right := n.replaced
			n.replaced = func(was, s checkout.Session) checkout.Session {
				s = right(was, s)
				old, now := reflect.ValueOf(was), reflect.ValueOf(&s).Elem()
				for i := range now.NumField() {
					if now.Field(i).IsZero() {
						now.Field(i).Set(old.Field(i))
					}
				}
				return s
			}
		})},
	{"trims text", "keeps text as it was sent", texts(strings.TrimSpace)},
	{"cuts text at 200 bytes", "keeps text as it was sent",
		texts(func(s string) string { return s[:min(len(s), 200)] })},
	{"normalizes accents", "keeps text as it was sent",
		texts(func(s string) string { return strings.ReplaceAll(s, "e\u0301", "\u00e9") })},
	{"drops control characters", "keeps text as it was sent",
		texts(func(s string) string { return strings.ReplaceAll(s, "\x01", "") })},
	{"drops a byte-order mark", "keeps text as it was sent",
		texts(func(s string) string { return strings.ReplaceAll(s, "\ufeff", "") })},
	{"interprets escapes", "keeps text as it was sent",
		texts(func(s string) string { return strings.ReplaceAll(s, `\"`, `"`) })},
	{"cuts a payment id at 255 bytes", "keeps identifiers and URLs of the greatest length",
		changes(func(s *checkout.Session) { s.PaymentID = s.PaymentID[:min(len(s.PaymentID), 255)] })},
	{"cuts an address at 255 bytes", "keeps identifiers and URLs of the greatest length",
		changes(func(s *checkout.Session) { s.CancelURL = s.CancelURL[:min(len(s.CancelURL), 255)] })},
	{"keeps amounts in 32 bits", "keeps amounts beyond 32 bits",
		changes(func(s *checkout.Session) { s.Amount = int64(int32(s.Amount)) })},
	{"keeps fees in a 32-bit float", "keeps amounts beyond 32 bits",
		changes(func(s *checkout.Session) { s.TransactionFee = int64(float32(s.TransactionFee)) })},
	{"keeps milliseconds", "keeps times to the microsecond",
		times(func(at time.Time) time.Time { return at.UTC().Truncate(time.Millisecond) })},
	{"keeps seconds in a float", "keeps times to the microsecond",
		times(func(at time.Time) time.Time {
			second, fraction := math.Modf(float64(at.UnixNano()) / 1e9)
			return time.Unix(int64(second), int64(fraction*1e9)).UTC().Truncate(time.Microsecond)
		})},
	{"returns times in another time zone", "keeps times to the microsecond",
		times(func(at time.Time) time.Time { return at.In(time.FixedZone("here", 3600)) })},
	{"keeps the metadata map of the caller of a create", "shares no metadata map with its callers",
		part(func(n *naive) { n.written = func(s checkout.Session) checkout.Session { return s } })},
	{"keeps the metadata map of the caller of an update", "shares no metadata map with its callers",
		part(func(n *naive) {
			n.replaced = func(_, s checkout.Session) checkout.Session { return s }
		})},
	{"returns the metadata map that it keeps", "shares no metadata map with its callers",
		part(func(n *naive) { n.copied = func(s checkout.Session) checkout.Session { return s } })},
}

// changes makes a fault: every session is changed when it is written.
func changes(change func(s *checkout.Session)) func(*naive) checkout.Store {
	return part(func(n *naive) {
		written, replaced := n.written, n.replaced
		n.written = func(s checkout.Session) checkout.Session {
			s = written(s)
			change(&s)
			return s
		}
		n.replaced = func(was, s checkout.Session) checkout.Session {
			s = replaced(was, s)
			change(&s)
			return s
		}
	})
}

// texts makes a fault: the description and the failure reason of a session are kept as keep returns them.
func texts(keep func(string) string) func(*naive) checkout.Store {
	return changes(func(s *checkout.Session) {
		s.Description, s.FailureReason = keep(s.Description), keep(s.FailureReason)
	})
}

// times makes a fault: the times of a session are kept as keep returns them.
func times(keep func(time.Time) time.Time) func(*naive) checkout.Store {
	all := func(s checkout.Session) checkout.Session {
		for _, at := range []*time.Time{&s.CreatedAt, &s.ExpiresAt, &s.CompletedAt, &s.UpdatedAt} {
			if !at.IsZero() {
				*at = keep(*at)
			}
		}
		return s
	}
	return part(func(n *naive) {
		n.written = all
		n.replaced = func(was, s checkout.Session) checkout.Session {
			s.CreatedAt, s.IdempotencyKey, s.Fingerprint = was.CreatedAt, was.IdempotencyKey, was.Fingerprint
			return all(s)
		}
	})
}
