package oracle

import (
	"fmt"
	"slices"

	"github.com/caisse/checkout/faults/history"
)

// transition is the step of a compare-and-swap. The call takes effect when it writes, and only if the row has not changed since the call
// read it. The call read the clock at some instant between its start and its return.
func transition(s state, op *history.Operation) []state {
	if op.Return.Code == history.NotFound {
		if s.exists {
			return nil
		}
		return []state{s}
	}
	unknown := op.Return.Outcome == history.Unknown
	if !s.exists {
		if unknown {
			return []state{s}
		}
		return nil
	}
	var all []state
	for _, from := range s.statuses(op) {
		next, changed, refused := s.move(from, op)
		switch {
		case unknown && refused != "":
			all = append(all, s)
		case unknown:
			all = append(all, next)
		case op.Return.Outcome == history.Error:
			if refused == op.Return.Code && (refused != history.Refused || op.Return.From == from) &&
				(refused != history.PaymentConflict || op.Return.Held == s.row.payment) {
				all = append(all, s)
			}
		case refused == "":
			shown := &op.Return.Sessions[0]
			if op.Kind == history.Expire && !changed || shown.Status != next.row.status {
				continue // a sweep returns only sessions that it expired
			}
			if first, last := clocks(op); op.Kind == history.Complete && changed && (shown.Completed < first || shown.Completed > last) {
				continue
			}
			all = append(all, next.told(shown)...)
		}
	}
	return all
}

// move returns the session after the operation, if its status was from when the operation read the clock.
func (s state) move(from string, op *history.Operation) (next state, changed bool, refused history.Code) {
	to := target(op.Kind)
	if op.Kind == history.Expire {
		if from != "expired" || s.row.status == "expired" {
			return s, false, "" // not due
		}
		s.row.status = "expired"
		s.row.version++
		return s, true, ""
	}
	if (op.Kind == history.Process || op.Kind == history.Fail) && op.Payment != "" && s.row.payment != "" && op.Payment != s.row.payment {
		return s, false, history.PaymentConflict // the call is about another payment
	}
	if from == to {
		another := op.Payment != "" && op.Payment != s.row.payment
		switch {
		case (op.Kind == history.Begin || op.Kind == history.Process) && another:
			s.row.payment = op.Payment
			s.row.version++
			return s, true, ""
		case op.Kind == history.Complete && another:
			return s, false, history.PaymentConflict
		}
		return s, false, ""
	}
	if !slices.Contains(edges(from), to) {
		return s, false, history.Refused
	}
	s.row.status = to
	s.row.version++
	if op.Payment != "" {
		s.row.payment = op.Payment
	}
	switch op.Kind {
	case history.Complete:
		s.row.late = from == "expired" || from == "cancelled" || from == "failed"
	case history.Fail:
		s.row.reason = op.Reason
	}
	return s, true, ""
}

func describe(op *history.Operation) string {
	asked := fmt.Sprintf("%s %s%s", op.Kind, op.Session, op.Payment)
	switch {
	case op.Return.Outcome != history.OK:
		return fmt.Sprintf("%s: %s %s%s", asked, op.Return.Code, op.Return.From, op.Return.Held)
	case len(op.Return.Sessions) == 0:
		return asked
	}
	s := op.Return.Sessions[0]
	return fmt.Sprintf("%s: %s, version %d, payment %q, late %t, replayed %t", asked, s.Status, s.Version, s.Payment, s.Late, op.Return.Replayed)
}
