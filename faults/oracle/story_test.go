package oracle_test

import (
	"github.com/caisse/checkout/faults/history"
)

const (
	opening  = 1_000_000_000           // the service's clock, in microseconds, when a history begins
	lifetime = int64(1800) * 1_000_000 // the microseconds from a session's creation to its expiry
	expires  = opening + lifetime      // the expiry of a session that is created at opening
	never    = history.Never           // the time of return of a call that got no answer
)

// story builds a history by hand. Each call begins after the previous call has returned, unless the edit during says otherwise.
type story []history.Operation

// tell appends a call and its answer. By default the call succeeds. The edits, which are the functions below, change the call, its
// arguments or its answer.
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

// session returns the session that the first Create of a story makes, with edits.
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

// Edits of a call.

// shows sets the sessions in the answer.
func shows(sessions ...history.Session) func(*history.Operation) {
	return func(op *history.Operation) {
		op.Return.Sessions = sessions
		if op.Kind == history.List {
			op.Return.Total = len(sessions)
		}
	}
}

// of sets the session that the call is about.
func of(id string) func(*history.Operation) { return func(op *history.Operation) { op.Session = id } }

// by sets the account that makes the call.
func by(account string) func(*history.Operation) {
	return func(op *history.Operation) { op.Account = account }
}

// under sets the request of a Create: this idempotency key, and the same values in every story.
func under(key string) func(*history.Operation) {
	return func(op *history.Operation) {
		op.Request = &history.Request{Key: key, Amount: 5000, Currency: "XOF", Method: "mobile_money", ExpiresIn: lifetime, Rest: "phone"}
	}
}

// replayed marks the answer as a replay.
func replayed(op *history.Operation) { op.Return.Replayed = true }

// paying sets the payment's ID.
func paying(payment string) func(*history.Operation) {
	return func(op *history.Operation) { op.Payment = payment }
}

// meant sets the intent: the one payment that the caller wants, whichever keys it uses for it.
func meant(intent string) func(*history.Operation) {
	return func(op *history.Operation) { op.Intent = intent }
}

// fails makes the call return an error.
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

// clock sets the service's clock at the beginning and at the end of the call.
func clock(before, after int64) func(*history.Operation) {
	return func(op *history.Operation) { op.Clock, op.Return.Clock = before, after }
}

// during sets the times at which a call begins and returns. Without it the nth call takes from 10n to 10n+5.
func during(call, ret int64) func(*history.Operation) {
	return func(op *history.Operation) { op.At, op.Return.At = call, ret }
}

// Edits of a session.

// changedTo is a session's first change: it sets the status, and the version 2.
func changedTo(status string) func(*history.Session) {
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

// oneSession returns a story in which the session cs_1 was created under the key k1.
func oneSession() *story {
	s := &story{}
	s.tell(history.Create, under("k1"), shows(session()))
	return s
}

// because sets the reason that is given to Fail.
func because(reason string) func(*history.Operation) {
	return func(op *history.Operation) { op.Reason = reason }
}

// failed sets the reason that a failed session shows.
func failed(reason string) func(*history.Session) {
	return func(s *history.Session) { s.Reason = reason }
}
