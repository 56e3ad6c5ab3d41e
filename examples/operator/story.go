package main

import (
	"fmt"
	"io"
	"time"
)

// Tell plays every scene and writes what happened.
func Tell(w io.Writer) error {
	for i, play := range story() {
		if i > 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintln(w, play.title)
		if err := run(w, play.digits, play.scene); err != nil {
			return fmt.Errorf("%s %w", play.title, err)
		}
	}
	return nil
}

// play is one scene. The last two digits of the payer's phone decide what the simulated operator does with the payment.
type play struct {
	title  string
	digits string
	scene  func(*Scene)
}

// story is what can happen to a payment of 5000 francs. Each scene has a session, a host and an operator of its own.
func story() []play {
	pay := func(s *Scene) { s.pay("P-1", 0) }
	return []play{
		{"The payer confirms.", "54", pay},
		{"The payer has not enough money.", "01", pay},
		{"The operator tells everything twice.", "06", pay},
		{"Our store is away when the operator calls.", "54", func(s *Scene) {
			s.pay("P-1", 0)
			s.after(2*time.Second, func() { s.store.away = true })
			s.after(5*time.Second, func() { s.store.away = false })
		}},
		{"The operator never says a word.", "03", func(s *Scene) {
			s.pay("P-1", 0)
			s.sweep(30 * time.Minute)
		}},
		{"The operator takes the money, and its last call gets lost.", "05", func(s *Scene) {
			s.pay("P-1", 0)
			s.sweep(30 * time.Minute)
			s.reconcile(time.Hour)
		}},
		{"The payment comes late.", "04", func(s *Scene) {
			s.pay("P-1", 0)
			s.sweep(30 * time.Minute)
		}},
		{"The payer is asked twice, and pays twice.", "08", pay},
		{"The payer is asked twice, and the first try is refused meanwhile.", "07", pay},
		{"The operator takes its refusal back.", "01", func(s *Scene) {
			s.pay("P-1", 0)
			s.says(Event{PaymentID: "P-1", Outcome: Paid}, 50*time.Second)
		}},
		{"The operator takes its confirmation back.", "54", func(s *Scene) {
			s.pay("P-1", 0)
			s.says(Event{PaymentID: "P-1", Outcome: Refused, Reason: "reversed"}, 50*time.Second)
		}},
		{"A stranger says that it was paid.", "03", func(s *Scene) {
			s.pay("P-1", 0)
			s.forge("P-1", 10*time.Second)
		}},
	}
}
