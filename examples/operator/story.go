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
		if err := run(w, play.scene); err != nil {
			return fmt.Errorf("%s %w", play.title, err)
		}
	}
	return nil
}

type play struct {
	title string
	scene func(*Scene)
}

// story is what can happen to a payment of 5000 francs. Each scene has a session, a host and an operator of its own.
func story() []play {
	return []play{
		{"The payer confirms.", func(s *Scene) {
			s.operator.Will("P-1", held(20*time.Second), paid(40*time.Second))
			s.pay("P-1", 0)
		}},
		{"The payer refuses.", func(s *Scene) {
			s.operator.Will("P-1", refused(20*time.Second, "insufficient funds"))
			s.pay("P-1", 0)
		}},
		{"The operator tells everything twice, and not in order.", func(s *Scene) {
			s.operator.Will("P-1", paid(30*time.Second), held(31*time.Second), paid(32*time.Second), held(33*time.Second))
			s.pay("P-1", 0)
		}},
		{"Our store is away when the operator calls.", func(s *Scene) {
			s.operator.Will("P-1", paid(40*time.Second))
			s.pay("P-1", 0)
			s.timeline.After(30*time.Second, func() { s.store.away = true })
			s.timeline.After(2*time.Minute, func() { s.store.away = false })
		}},
		{"The operator never says a word.", func(s *Scene) {
			s.pay("P-1", 0)
			s.sweep(30 * time.Minute)
		}},
		{"The operator takes the money, and its last call gets lost.", func(s *Scene) {
			s.operator.Will("P-1", held(20*time.Second), untold(paid(40*time.Second)))
			s.pay("P-1", 0)
			s.sweep(30 * time.Minute)
			s.reconcile(time.Hour)
		}},
		{"The payment comes late.", func(s *Scene) {
			s.operator.Will("P-1", paid(35*time.Minute))
			s.pay("P-1", 0)
			s.sweep(30 * time.Minute)
		}},
		{"The payer is asked twice, and pays twice.", func(s *Scene) {
			s.operator.Will("P-1", paid(6*time.Minute))
			s.operator.Will("P-2", paid(30*time.Second))
			s.pay("P-1", 0)
			s.pay("P-2", 5*time.Minute)
		}},
		{"The payer is asked twice, and the first try is refused meanwhile.", func(s *Scene) {
			s.operator.Will("P-1", refused(6*time.Minute, "no answer from the payer"))
			s.operator.Will("P-2", paid(90*time.Second))
			s.pay("P-1", 0)
			s.pay("P-2", 5*time.Minute)
		}},
		{"The operator takes its refusal back.", func(s *Scene) {
			s.operator.Will("P-1", refused(20*time.Second, "wrong code"), paid(50*time.Second))
			s.pay("P-1", 0)
		}},
		{"The operator takes its confirmation back.", func(s *Scene) {
			s.operator.Will("P-1", paid(20*time.Second), refused(50*time.Second, "reversed"))
			s.pay("P-1", 0)
		}},
		{"A stranger says that it was paid.", func(s *Scene) {
			s.pay("P-1", 0)
			s.forge("P-1", 10*time.Second)
		}},
	}
}

func held(after time.Duration) Turn { return Turn{After: after, Outcome: Held} }

func paid(after time.Duration) Turn { return Turn{After: after, Outcome: Paid} }

func refused(after time.Duration, reason string) Turn {
	return Turn{After: after, Outcome: Refused, Reason: reason}
}

func untold(t Turn) Turn {
	t.Untold = true
	return t
}
