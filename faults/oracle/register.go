package oracle

import (
	"fmt"

	"github.com/anishathalye/porcupine"

	"github.com/caisse/checkout/faults/history"
)

// state is a session as the store has it between two calls.
type state struct {
	exists  bool
	request history.Request // that created it
	first   string          // payment of the request
	id      string          // "" until an answer shows it
	expires int64           // 0 until an answer shows it
	from    int64           // the earliest time at which it can have been created
	to      int64           // the latest
	row     row
}

// row has the fields that transitions change.
type row struct {
	status    string
	payment   string
	completed int64 // 0 also until an answer shows it
	reason    string
	late      bool
	version   int64
}

// register is the sequential specification of one session, for porcupine. It is nondeterministic: nobody knows at which instant
// a call read the clock, or whether a call of unknown outcome took effect.
func register() porcupine.Model {
	model := porcupine.NondeterministicModel{
		Init: func() []any { return []any{state{}} },
		Step: func(s, input, _ any) []any {
			next := step(s.(state), input.(*history.Operation))
			all := make([]any, len(next))
			for i := range next {
				all[i] = next[i]
			}
			return all
		},
		DescribeOperation: func(input, _ any) string { return describe(input.(*history.Operation)) },
		DescribeState:     func(s any) string { return fmt.Sprintf("%+v", s.(state).row) },
	}
	return model.ToModel()
}

// step returns the states that can follow s when op takes effect. There is none if s does not allow the answer of op.
func step(s state, op *history.Operation) []state {
	if op.Return.Outcome == history.Error && !op.Return.Code.Answer() || op.Return.Code == history.Invalid {
		return []state{s} // nothing changed, and the answer says nothing about the session
	}
	switch op.Kind {
	case history.Create:
		return create(s, op)
	case history.Get, history.List:
		return read(s, op)
	}
	return transition(s, op)
}

func create(s state, op *history.Operation) []state {
	unknown, replayed := op.Return.Outcome == history.Unknown, op.Return.Replayed
	same := s.request == *op.Request && s.first == op.Payment
	switch {
	case op.Return.Code == history.KeyReused:
		if s.exists && !same && (s.id == "" || s.id == op.Return.Held) {
			return []state{s}
		}
		return nil
	case s.exists && unknown:
		return []state{s}
	case s.exists:
		if !replayed || !same {
			return nil
		}
		return read(s, op)
	case replayed, op.Return.Code.Answer():
		return nil
	}
	next := state{exists: true, request: *op.Request, first: op.Payment}
	next.row = row{status: "created", payment: op.Payment, version: 1}
	if op.Request.Method == "card" {
		next.row.status = "pending"
	}
	next.from, next.to = clocks(op)
	if unknown {
		return []state{next}
	}
	if op.Return.Sessions[0].Status != next.row.status {
		return nil
	}
	return next.told(&op.Return.Sessions[0])
}

// read is the step of a Get, of a replay, or of a list for one of its sessions.
func read(s state, op *history.Operation) []state {
	switch {
	case op.Return.Outcome == history.Unknown:
		return []state{s}
	case op.Return.Code == history.NotFound:
		if s.exists {
			return nil
		}
		return []state{s}
	case op.Return.Outcome != history.OK || !s.exists:
		return nil
	}
	var all []state
	for _, known := range s.told(&op.Return.Sessions[0]) {
		for _, status := range known.statuses(op) {
			if status == op.Return.Sessions[0].Status {
				all = append(all, known)
			}
		}
	}
	return all
}

// statuses returns each status that the session has at some instant at which op may have read the clock.
func (s state) statuses(op *history.Operation) []string {
	if s.row.status != "created" && s.row.status != "pending" {
		return []string{s.row.status}
	}
	from, to := clocks(op)
	if s.expires == 0 { // no answer has shown when it was created
		s.expires = plus(s.from, s.request.ExpiresIn)
		if to >= s.expires && from < plus(s.to, s.request.ExpiresIn) {
			return []string{s.row.status, "expired"}
		}
	}
	switch {
	case to < s.expires:
		return []string{s.row.status}
	case from >= s.expires:
		return []string{"expired"}
	}
	return []string{s.row.status, "expired"}
}

// told returns the state after an answer has shown the session, or none if the answer contradicts s. The caller must check the
// status.
func (s state) told(shown *history.Session) []state {
	if s.id == "" {
		s.id, s.expires = shown.ID, shown.Expires
		if shown.Created < s.from || shown.Created > s.to || shown.Expires-shown.Created != s.request.ExpiresIn {
			return nil
		}
	}
	if s.row.status == "completed" && s.row.completed == 0 && shown.Completed != 0 {
		s.row.completed = shown.Completed
	}
	want := s.row
	want.status = shown.Status
	if shown.Version == 0 {
		want.version = 0
	}
	visible := row{shown.Status, shown.Payment, shown.Completed, shown.Reason, shown.Late, shown.Version}
	if shown.ID != s.id || visible != want || (s.row.status == "completed") != (shown.Completed != 0) {
		return nil
	}
	return []state{s}
}

// plus is a sum that does not overflow.
func plus(at, d int64) int64 {
	if at > history.Never-d {
		return history.Never
	}
	return at + d
}
