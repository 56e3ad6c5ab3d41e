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
	"github.com/caisse/checkout/store/memory"
	"github.com/shopspring/decimal"
)

// Scene is one session and those around it.
type Scene struct {
	timeline  *Timeline
	store     *store
	host      *Host
	books     *MemoryBooks
	operator  *Operator
	sessionID string

	began  time.Time
	known  []string // of the books
	w      io.Writer
	failed error
}

func run(w io.Writer, scene func(*Scene)) error {
	began := time.Date(2026, 11, 22, 7, 30, 0, 0, time.UTC)
	timeline := &Timeline{now: began}
	store := &store{Store: memory.New()}
	checkouts, err := checkout.New(store, checkout.Config{
		Clock: timeline,
		Fees:  map[string]checkout.FeeSchedule{"XOF": {Rate: decimal.RequireFromString("0.005")}},
	})
	if err != nil {
		return err
	}
	account := checkout.Account{ID: "acct_1"}
	session, _, err := checkouts.Create(context.Background(), checkout.CreateParams{
		Account:        account,
		IdempotencyKey: "order-1", // the order's own, so that a retry finds the session again
		Amount:         5000,
		Currency:       "XOF",
		UserPhone:      "+2250707987654",
		Description:    "Two baskets of attieke",
	})
	if err != nil {
		return err
	}

	s := &Scene{timeline: timeline, store: store, books: new(MemoryBooks), sessionID: session.ID, began: began, w: w}
	s.operator = &Operator{Timeline: timeline, Secret: []byte("shared with the operator alone"), Heard: s.heard}
	s.host = &Host{Checkouts: checkouts, Account: account, Operator: s.operator, Books: s.books}
	s.operator.Callbacks, err = NewCallbacks(s.host, s.operator.Secret, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	scene(s)
	timeline.Run()
	return s.failed
}

func (s *Scene) pay(paymentID string, after time.Duration) {
	s.timeline.After(after, func() {
		s.check(s.host.Pay(context.Background(), s.sessionID, paymentID))
		s.tell("host: asks for "+paymentID, "")
	})
}

func (s *Scene) sweep(after time.Duration) {
	s.timeline.After(after, func() {
		n, err := s.host.Sweep(context.Background(), 100)
		s.check(err)
		s.tell(fmt.Sprintf("host: sweeps, %d expired", n), "")
	})
}

func (s *Scene) reconcile(after time.Duration) {
	s.timeline.After(after, func() {
		s.check(s.host.Reconcile(context.Background()))
		s.tell("host: asks what became", "")
	})
}

// forge calls back as somebody would who knows everything but the secret.
func (s *Scene) forge(paymentID string, after time.Duration) {
	s.timeline.After(after, func() {
		e := Event{PaymentID: paymentID, Reference: s.sessionID, Outcome: Paid, Amount: 5000, Currency: "XOF"}
		status := s.operator.Send(e, []byte("a secret that was guessed"))
		s.tell(fmt.Sprintf("stranger: %s %s", e.PaymentID, e.Outcome), fmt.Sprint(status))
	})
}

func (s *Scene) heard(e Event, status int) {
	s.tell(fmt.Sprintf("operator: %s %s", e.PaymentID, e.Outcome), fmt.Sprint(status))
}

// tell writes one line: when, what, what the operator was answered, what became of the session, what is new beside it.
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
	passed := s.timeline.Now().Sub(s.began)
	line := fmt.Sprintf("%4d:%02d  %-26s %3s  %-16s %s",
		int(passed.Minutes()), int(passed.Seconds())%60, what, answer, became, strings.Join(news, "; "))
	fmt.Fprintln(s.w, strings.TrimRight(line, " "))
}

// news is what the books hold since it was last asked.
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

// store is a store that can be away.
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
