package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/simulator"
	"github.com/caisse/checkout/store/memory"
	"github.com/shopspring/decimal"
)

// Scene is one session with its host and its operator, on a clock that moves from one planned event to the next.
type Scene struct {
	now       time.Time
	plans     []plan
	store     *store
	host      *Host
	books     *MemoryBooks
	operator  *Operator
	sessionID string

	began  time.Time
	known  []string // entries of the books that news has returned
	w      io.Writer
	failed error
}

// plan is one thing that the scene does, at a given time.
type plan struct {
	at time.Time
	do func()
}

// account is the account of the host in the story.
var account = checkout.Account{ID: "acct_1"}

func run(w io.Writer, digits string, scene func(*Scene)) error {
	began := time.Date(2026, 11, 22, 7, 30, 0, 0, time.UTC)
	s := &Scene{now: began, store: &store{Store: memory.New()}, books: new(MemoryBooks), began: began, w: w}
	clock := checkout.ClockFunc(func() time.Time { return s.now })
	checkouts, err := checkout.New(s.store, checkout.Config{
		Clock: clock,
		Fees:  map[string]checkout.FeeSchedule{"XOF": {Rate: decimal.RequireFromString("0.005")}},
	})
	if err != nil {
		return err
	}
	session, _, err := checkouts.Create(context.Background(), checkout.CreateParams{
		Account:        account,
		IdempotencyKey: "order-1", // the key of this order, so that a retry finds the session again
		Amount:         5000,
		Currency:       "XOF",
		UserPhone:      "+22507079876" + digits,
		Description:    "Two baskets of attieke",
	})
	if err != nil {
		return err
	}
	s.sessionID = session.ID
	s.operator = &Operator{Checkouts: checkouts, Secret: []byte("shared with the operator alone"), Heard: s.heard}
	s.host = &Host{Checkouts: checkouts, Account: account, Operator: s.operator, Books: s.books}
	s.operator.Callbacks, err = NewCallbacks(s.host, s.operator.Secret, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	s.operator.Simulator, err = simulator.New(checkouts, simulator.Config{Clock: clock, Tell: s.operator.Tell})
	if err != nil {
		return err
	}
	scene(s)
	s.play()
	return s.failed
}

// play runs everything that the scene and the operator have planned. It stops at the latest two hours after the scene began. By
// then the operator has forgotten its payments, and nothing more will happen.
func (s *Scene) play() {
	for {
		next, _ := s.operator.Simulator.Tick(context.Background()) // after an error the call will be made again
		if len(s.plans) > 0 && (next.IsZero() || !next.Before(s.plans[0].at)) {
			p := s.plans[0]
			s.plans = s.plans[1:]
			s.now = p.at
			p.do()
			continue
		}
		if next.IsZero() || next.After(s.began.Add(2*time.Hour)) {
			return
		}
		s.now = next
	}
}

// after plans do for the time d from now. Plans for the same instant run in the order in which they were made.
func (s *Scene) after(d time.Duration, do func()) {
	at := s.now.Add(d)
	i := len(s.plans)
	for i > 0 && s.plans[i-1].at.After(at) {
		i--
	}
	s.plans = slices.Insert(s.plans, i, plan{at, do})
}

func (s *Scene) pay(paymentID string, after time.Duration) {
	s.after(after, func() {
		s.check(s.host.Pay(context.Background(), s.sessionID, paymentID))
		s.tell("host: asks for "+paymentID, "")
	})
}

func (s *Scene) sweep(after time.Duration) {
	s.after(after, func() {
		n, err := s.host.Sweep(context.Background(), 100)
		s.check(err)
		s.tell(fmt.Sprintf("host: sweeps, %d expired", n), "")
	})
}

func (s *Scene) reconcile(after time.Duration) {
	s.after(after, func() {
		s.check(s.host.Reconcile(context.Background()))
		s.tell("host: asks what became", "")
	})
}

// forge calls the host back as an attacker who knows everything but the secret.
func (s *Scene) forge(paymentID string, after time.Duration) {
	s.after(after, func() {
		e := Event{PaymentID: paymentID, Reference: s.sessionID, Outcome: Paid, Amount: 5000, Currency: "XOF"}
		status := s.operator.Send(e, []byte("a secret that was guessed"))
		s.tell(fmt.Sprintf("stranger: %s %s", e.PaymentID, e.Outcome), fmt.Sprint(status))
	})
}

// says makes the operator call back with news that the simulator would never send.
func (s *Scene) says(e Event, after time.Duration) {
	s.after(after, func() {
		e.Reference, e.Amount, e.Currency = s.sessionID, 5000, "XOF"
		s.heard(e, s.operator.Send(e, s.operator.Secret))
	})
}

func (s *Scene) heard(e Event, status int) {
	s.tell(fmt.Sprintf("operator: %s %s", e.PaymentID, e.Outcome), fmt.Sprint(status))
}

// tell writes one line: the time, what happened, the answer to the operator, what became of the session, and what is new in the books.
func (s *Scene) tell(what, answer string) {
	became := "?"
	var news []string
	if !s.store.away {
		session, err := s.host.Checkouts.Get(context.Background(), s.host.Account, s.sessionID)
		s.check(err)
		became = string(session.Status)
		if session.Late {
			became += ", late"
		}
		if session.FailureReason != "" {
			news = append(news, session.FailureReason)
		}
	}
	news = append(news, s.news()...)
	passed := s.now.Sub(s.began)
	line := fmt.Sprintf("%4d:%02d  %-26s %3s  %-16s %s",
		int(passed.Minutes()), int(passed.Seconds())%60, what, answer, became, strings.Join(news, "; "))
	fmt.Fprintln(s.w, strings.TrimRight(line, " "))
}

// news returns the entries of the books that are new since its last call.
func (s *Scene) news() []string {
	var all []string
	for range s.books.Delivered() {
		all = append(all, "goods delivered")
	}
	for range s.books.GivenUp() {
		all = append(all, "payer told")
	}
	for _, n := range s.books.Notes() {
		all = append(all, fmt.Sprintf("noted: %s %s", n.PaymentID, n.Text))
	}
	news := slices.DeleteFunc(slices.Clone(all), func(line string) bool { return slices.Contains(s.known, line) })
	s.known = all
	return news
}

func (s *Scene) check(err error) { s.failed = errors.Join(s.failed, err) }

// store is a store that can be made unavailable.
type store struct {
	checkout.Store
	away bool
}

var errAway = fmt.Errorf("connection refused: %w", checkout.ErrUnavailable)

func (s *store) Get(ctx context.Context, account checkout.Account, id string) (checkout.Session, error) {
	if s.away {
		return checkout.Session{}, errAway
	}
	return s.Store.Get(ctx, account, id)
}
