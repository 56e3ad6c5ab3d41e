package oracle_test

import (
	"github.com/caisse/checkout/faults/history"
)

const (
	opening  = 1_000_000_000           // the clock when histories begin
	lifetime = int64(1800) * 1_000_000 // of a session
	expires  = opening + lifetime      // of a session
	never    = history.Never           // the return of a call that did not come back
)

// story is a history in the making. Each call is made after the one before has returned.
type story []history.Operation

// tell adds a call and its answer.
func (s *story) tell(kind history.Kind, edits ...func(*history.Operation)) *history.Operation {
	n := int64(len(*s) + 1)
	op := history.Operation{
		Call:   history.Call{ID: n, Client: "c1", At: 10 * n, Clock: opening, Kind: kind, Account: "acct"},
		Return: history.Return{ID: n, At: 10*n + 5, Clock: opening, Outcome: history.OK},
	}
	if kind == history.Expire {
		op.Account, op.Limit = "", 10
	}
	if kind == history.List {
		op.Query = &history.Query{Limit: 50}
	}
	for _, edit := range edits {
		edit(&op)
	}
	*s = append(*s, op)
	return &(*s)[len(*s)-1]
}

func (s story) history() history.History {
	return history.History{Header: history.Header{Test: "story"}, Operations: s}
}

// session is what the first Create makes, as edited.
func session(edits ...func(*history.Session)) history.Session {
	s := history.Session{
		ID: "cs_1", Account: "acct", Key: "k1", Status: "created", Amount: 5000, Currency: "XOF", Method: "mobile_money",
		Created: opening, Expires: expires, Version: 1, Rest: "phone",
	}
	for _, edit := range edits {
		edit(&s)
	}
	return s
}

func shows(sessions ...history.Session) func(*history.Operation) {
	return func(op *history.Operation) {
		op.Return.Sessions = sessions
		if op.Kind == history.List {
			op.Return.Total = len(sessions)
		}
	}
}

func of(id string) func(*history.Operation) { return func(op *history.Operation) { op.Session = id } }

func by(account string) func(*history.Operation) {
	return func(op *history.Operation) { op.Account = account }
}

func under(key string) func(*history.Operation) {
	return func(op *history.Operation) {
		op.Request = &history.Request{Key: key, Amount: 5000, Currency: "XOF", Method: "mobile_money", ExpiresIn: lifetime, Rest: "phone"}
	}
}

func replayed(op *history.Operation) { op.Return.Replayed = true }

func paying(payment string) func(*history.Operation) {
	return func(op *history.Operation) { op.Payment = payment }
}

func meant(intent string) func(*history.Operation) {
	return func(op *history.Operation) { op.Intent = intent }
}

func fails(code history.Code) func(*history.Operation) {
	return func(op *history.Operation) {
		op.Return.Outcome, op.Return.Code = history.Error, code
		switch code {
		case history.OutcomeUnknown, history.Panicked:
			op.Return.Outcome = history.Unknown
		case history.NoAnswer:
			op.Return.Outcome, op.Return.At, op.Return.Clock = history.Unknown, never, 0
		}
	}
}

// clock is what the service's clock tells before and after a call.
func clock(before, after int64) func(*history.Operation) {
	return func(op *history.Operation) { op.Clock, op.Return.Clock = before, after }
}

// during lets a call begin at one instant and return at another: those of the nth call are 10n and 10n+5.
func during(call, ret int64) func(*history.Operation) {
	return func(op *history.Operation) { op.At, op.Return.At = call, ret }
}

// The edits of a session that transitions make.

func is2(status string) func(*history.Session) {
	return func(s *history.Session) { s.Status, s.Version = status, 2 }
}

func version(v int64) func(*history.Session) { return func(s *history.Session) { s.Version = v } }

func status(st string) func(*history.Session) { return func(s *history.Session) { s.Status = st } }

func paid(payment string) func(*history.Session) {
	return func(s *history.Session) { s.Payment = payment }
}

func completed(s *history.Session) { s.Completed = opening }

func named(id, key string) func(*history.Session) {
	return func(s *history.Session) { s.ID, s.Key = id, key }
}

func owned(account string) func(*history.Session) {
	return func(s *history.Session) { s.Account = account }
}

// begun is a story in which one session was created.
func begun() *story {
	s := &story{}
	s.tell(history.Create, under("k1"), shows(session()))
	return s
}

func because(reason string) func(*history.Operation) {
	return func(op *history.Operation) { op.Reason = reason }
}

func failed(reason string) func(*history.Session) {
	return func(s *history.Session) { s.Reason = reason }
}
