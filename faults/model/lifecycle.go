package model

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/caisse/checkout"
)

// allowed is the published table of transitions.
func allowed(from, to checkout.Status) bool {
	switch from {
	case "created":
		return to != "created"
	case "pending":
		return to != "created" && to != "pending"
	case "processing":
		return to == "completed" || to == "failed"
	case "expired", "cancelled", "failed":
		return to == "completed"
	}
	return false
}

// Begin models Checkouts.Begin: on a pending session another payment is a new attempt.
func (m *Model) Begin(c Call, account checkout.Account, id, payment string) Answer {
	s, answer := m.find(c, account, id, textFaults("payment_id", payment, 255)...)
	if s == nil {
		return answer
	}
	if s.statusAt(c.Now) == "pending" {
		if payment != "" && payment != s.PaymentID {
			if s.Version >= checkout.MaxChanges {
				return invalid([]string{"payment_id " + checkout.CodeOutOfRange})
			}
			s.PaymentID = payment
			s.Version++
			s.UpdatedAt = c.Now
		}
		return Answer{Sessions: []checkout.Session{s.at(c.Now)}}
	}
	return s.move(c.Now, "pending", func() { s.PaymentID = cmp.Or(payment, s.PaymentID) })
}

// Process models Checkouts.Process.
func (m *Model) Process(c Call, account checkout.Account, id, payment string) Answer {
	s, answer := m.find(c, account, id, textFaults("payment_id", payment, 255)...)
	if s == nil {
		return answer
	}
	if conflict := s.conflict(payment); conflict != nil {
		return *conflict
	}
	if s.statusAt(c.Now) == "processing" && payment != "" && s.PaymentID == "" {
		s.PaymentID = payment
		s.Version++
		s.UpdatedAt = c.Now
	}
	return s.move(c.Now, "processing", func() { s.PaymentID = cmp.Or(payment, s.PaymentID) })
}

// conflict returns the answer to a call about another payment than the session's, or nil.
func (s *session) conflict(payment string) *Answer {
	if payment == "" || s.PaymentID == "" || payment == s.PaymentID {
		return nil
	}
	return &Answer{Error: fmt.Sprintf("payment conflict, %s: have %q, got %q", s.ID, s.PaymentID, payment)}
}

// Complete models Checkouts.Complete: on a completed session another payment is a conflict.
func (m *Model) Complete(c Call, account checkout.Account, id, payment string) Answer {
	s, answer := m.find(c, account, id, textFaults("payment_id", payment, 255)...)
	if s == nil {
		return answer
	}
	from := s.statusAt(c.Now)
	if from == "completed" && payment != "" && payment != s.PaymentID {
		return Answer{Error: fmt.Sprintf("payment conflict, %s: have %q, got %q", s.ID, s.PaymentID, payment)}
	}
	return s.move(c.Now, "completed", func() {
		s.PaymentID = cmp.Or(payment, s.PaymentID)
		s.CompletedAt = c.Now
		s.Late = from == "expired" || from == "cancelled" || from == "failed"
	})
}

// Fail models Checkouts.Fail.
func (m *Model) Fail(c Call, account checkout.Account, id, payment, reason string) Answer {
	faults := append(textFaults("payment_id", payment, 255), textFaults("failure_reason", reason, 1000)...)
	s, answer := m.find(c, account, id, faults...)
	if s == nil {
		return answer
	}
	if conflict := s.conflict(payment); conflict != nil {
		return *conflict
	}
	return s.move(c.Now, "failed", func() {
		s.PaymentID = cmp.Or(payment, s.PaymentID)
		s.FailureReason = reason
	})
}

// Cancel models Checkouts.Cancel.
func (m *Model) Cancel(c Call, account checkout.Account, id string) Answer {
	s, answer := m.find(c, account, id)
	if s == nil {
		return answer
	}
	return s.move(c.Now, "cancelled", func() {})
}

func textFaults(field, text string, most int) []string {
	if code := textFault(text, most); code != "" {
		return []string{field + " " + code}
	}
	return nil
}

// move changes the status as the table allows. A session that has the status already stays as it is.
func (s *session) move(now time.Time, to checkout.Status, apply func()) Answer {
	from := s.statusAt(now)
	switch {
	case from == to:
	case !allowed(from, to):
		return Answer{Error: fmt.Sprintf("refused: from %s to %s", from, to)}
	default:
		apply()
		s.Status = to
		s.Version++
		s.UpdatedAt = now
	}
	return Answer{Sessions: []checkout.Session{s.at(now)}}
}

// ExpireDue models Checkouts.ExpireDue: sessions of all accounts, the longest due first. Sessions of the same expiry are
// in the order of their IDs.
func (m *Model) ExpireDue(c Call, limit int) Answer {
	if limit < 1 {
		return invalid([]string{"limit " + checkout.CodeOutOfRange})
	}
	if c.Over {
		return gaveUp
	}
	var due []*session
	for _, s := range m.sessions {
		if s.Status != "expired" && s.statusAt(c.Now) == "expired" {
			due = append(due, s)
		}
	}
	slices.SortFunc(due, func(a, b *session) int {
		return cmp.Or(a.ExpiresAt.Compare(b.ExpiresAt), strings.Compare(a.real, b.real))
	})
	var answer Answer
	for _, s := range due[:min(limit, len(due))] {
		s.Status = "expired"
		s.Version++
		s.UpdatedAt = s.ExpiresAt
		answer.Sessions = append(answer.Sessions, s.Session)
	}
	return answer
}
