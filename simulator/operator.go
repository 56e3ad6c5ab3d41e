package simulator

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/caisse/checkout"
)

// Outcome is the operator's word for the state of a payment.
type Outcome string

// The outcomes that the operator reports.
const (
	Held    Outcome = "held"    // the payer agreed, and the operator has the money
	Paid    Outcome = "paid"    // the money is the merchant's
	Refused Outcome = "refused" // for good
)

// News is what the operator reports about a payment. It has the amount, because a host must check it.
type News struct {
	Account   checkout.Account
	SessionID string
	PaymentID string
	Outcome   Outcome
	Amount    int64 // in the smallest unit of Currency
	Currency  string
	Reason    string // of a refusal
}

// payment is what the operator knows about a payment.
type payment struct {
	id      string
	session checkout.Session // as it was when the payment was asked for
	asked   time.Time
	card    string // the processor's page; "" where there is none

	// Guarded by Simulator.mu.
	last     News // what Lookup returns; the zero News until the payer has answered
	answered bool // by Answer
}

// ask makes the operator ask the payer, and returns the payment. If there is a payment with this ID already, ask returns that.
func (s *Simulator) ask(session checkout.Session) (*payment, error) {
	s.mu.Lock()
	if p := s.payments[session.PaymentID]; p != nil {
		s.mu.Unlock()
		if p.session.ID != session.ID || p.session.Account != session.Account {
			return nil, fmt.Errorf("simulator: payment %q was asked for by another session", session.PaymentID)
		}
		return p, nil
	}
	if len(s.payments) >= MaxPayments {
		s.mu.Unlock()
		return nil, fmt.Errorf("simulator: %d payments are under way: %w", MaxPayments, checkout.ErrUnavailable)
	}
	p := &payment{id: session.PaymentID, session: session, asked: s.clock.Now()}
	byPage := session.PaymentMethod == checkout.Card && s.cardURL != ""
	if byPage {
		p.card = s.cardURL + "/" + p.id
	}
	s.payments[p.id] = p
	s.mu.Unlock()

	s.plan(session.ExpiresAt.Add(keepFor), func(context.Context) error { s.forget(p); return nil })
	if !byPage && !s.interactive {
		s.follow(p)
	}
	if s.drives {
		s.plan(p.asked.Add(askAfter), s.askWhatBecame(p, askAfter))
	}
	return p, nil
}

// follow plans what the table in the package's documentation says.
func (s *Simulator) follow(p *payment) {
	phone := p.session.UserPhone
	digits := phone[max(0, len(phone)-2):]
	switch digits {
	case "01":
		s.will(p, paidAfter, Refused, ReasonFunds)
	case "02":
		s.will(p, paidAfter, Refused, ReasonPIN)
	case "03":
	case "04":
		s.will(p, p.session.ExpiresAt.Add(lateAfter).Sub(p.asked), Paid, "")
	case "05":
		s.will(p, heldAfter, Held, "")
		s.willNotTell(p, paidAfter, Paid)
	case "06":
		for range 2 {
			s.will(p, heldAfter, Held, "")
		}
		for range 2 {
			s.will(p, paidAfter, Paid, "")
		}
	case "07", "08":
		if strings.HasSuffix(p.id, secondSuffix) {
			s.will(p, paidAfter-secondAfter, Paid, "")
			return
		}
		s.plan(p.asked.Add(secondAfter), s.beginSecond(p))
		if digits == "07" {
			s.will(p, firstEnds, Refused, ReasonReplaced)
		} else {
			s.will(p, firstEnds, Paid, "")
		}
	default:
		s.will(p, heldAfter, Held, "")
		s.will(p, paidAfter, Paid, "")
	}
}

// will plans an outcome of a payment, some time after the payment was asked for, and the callback about the outcome.
func (s *Simulator) will(p *payment, after time.Duration, o Outcome, reason string) {
	n := p.news(o, reason)
	becomes := sync.OnceFunc(func() { s.becomes(p, n) }) // once, however often the callback is repeated
	s.plan(p.asked.Add(after), func(ctx context.Context) error {
		becomes()
		return s.tell(ctx, n)
	})
}

// willNotTell is will without a callback: the callback is lost.
func (s *Simulator) willNotTell(p *payment, after time.Duration, o Outcome) {
	s.plan(p.asked.Add(after), func(context.Context) error { s.becomes(p, p.news(o, "")); return nil })
}

func (p *payment) news(o Outcome, reason string) News {
	s := p.session
	return News{Account: s.Account, SessionID: s.ID, PaymentID: p.id, Outcome: o, Amount: s.Amount, Currency: s.Currency, Reason: reason}
}

func (s *Simulator) becomes(p *payment, n News) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p.last = n
}

func (s *Simulator) forget(p *payment) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.payments, p.id)
}

// Lookup returns the last outcome of a payment, also if the operator has not reported it. ok is false if the operator does not know
// the payment, or if there is no outcome yet.
func (s *Simulator) Lookup(paymentID string) (n News, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.payments[paymentID]
	if p == nil || p.last.Outcome == "" {
		return News{}, false
	}
	return p.last, true
}

// Request is a payment that waits for the payer's answer, as the payer's phone would show it.
type Request struct {
	PaymentID string
	Session   checkout.Session // as it was when the payer was asked
	At        time.Time        // when the payer was asked
}

// Requests returns the payments of a phone that wait for an answer, the newest first. "" is every phone. Without
// Config.Interactive there are none. A number of an old plan and the number that is dialled today are the same phone.
func (s *Simulator) Requests(phone string) []Request {
	wanted := checkout.Session{UserPhone: phone}.Phone().Dialable
	now := s.clock.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Request
	for _, p := range s.payments {
		if p.answered || !s.interactive || p.card != "" || p.last.Outcome != "" || p.session.StatusAt(now) == checkout.StatusExpired {
			continue
		}
		if phone == "" || p.session.Phone().Dialable == wanted {
			all = append(all, Request{PaymentID: p.id, Session: p.session, At: p.asked})
		}
	}
	slices.SortFunc(all, func(a, b Request) int {
		if c := b.At.Compare(a.At); c != 0 {
			return c
		}
		return strings.Compare(a.PaymentID, b.PaymentID)
	})
	return all
}

// Answer gives the payer's answer, on the phone or on the card's page. If the payer agrees, the operator holds the money at once, and it is
// paid two seconds later. Otherwise the payment is refused for a reason. Answer reports whether a payment was waiting for an answer.
// The outcome happens in Tick.
func (s *Simulator) Answer(paymentID string, agreed bool, reason string) bool {
	now := s.clock.Now()
	s.mu.Lock()
	p := s.payments[paymentID]
	if p == nil || p.answered || p.last.Outcome != "" || !s.interactive && p.card == "" {
		s.mu.Unlock()
		return false
	}
	p.answered = true
	s.mu.Unlock()
	after := now.Sub(p.asked)
	if !agreed {
		s.will(p, after, Refused, reason)
		return true
	}
	s.will(p, after, Held, "")
	s.will(p, after+paidAfter-heldAfter, Paid, "")
	return true
}
