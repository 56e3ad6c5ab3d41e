package oracle

import (
	"slices"
	"strings"

	"github.com/caisse/checkout/faults/history"
)

// answers: the answer to a call fits the question.
func answers(e *evidence) {
	swept := make(map[string]*history.Operation)
	for _, op := range e.operations {
		switch {
		case op.Return.Code == history.Refused && (op.Return.From == target(op.Kind) || slices.Contains(edges(op.Return.From), target(op.Kind))):
			e.violated(Answers, []*history.Operation{op}, "%s of a session that is %s was refused, and the table allows it", op.Kind, op.Return.From)
		case op.Return.Code == history.PaymentConflict && (op.Kind != history.Complete && op.Kind != history.Process && op.Kind != history.Fail || op.Payment == "" || op.Payment == op.Return.Held):
			e.violated(Answers, []*history.Operation{op}, "payment %q conflicts with %q", op.Payment, op.Return.Held)
		case op.Kind == history.Create:
			created(e, op)
		case op.Return.Outcome != history.OK:
		case op.Kind == history.Expire:
			for _, s := range op.Return.Sessions {
				if s.Status != "expired" {
					e.violated(Answers, []*history.Operation{op}, "a sweep returned session %s as %s", s.ID, s.Status)
				}
				if other := swept[s.ID]; other != nil {
					e.violated(Answers, []*history.Operation{other, op}, "session %s was returned by two sweeps", s.ID)
				}
				swept[s.ID] = op
			}
			if len(op.Return.Sessions) > op.Limit {
				e.violated(Answers, []*history.Operation{op}, "a sweep of %d moved %d", op.Limit, len(op.Return.Sessions))
			}
		case op.Kind == history.Past: // see histories
		case op.Session != "":
			told(e, op, op.Return.Sessions[0])
		}
	}
}

// told checks the answer of a Get or a transition against what was asked.
func told(e *evidence, op *history.Operation, s history.Session) {
	switch want := target(op.Kind); {
	case s.ID != op.Session:
		e.violated(Answers, []*history.Operation{op}, "asked for session %s, told of %s", op.Session, s.ID)
	case want != "" && s.Status != want:
		e.violated(Answers, []*history.Operation{op}, "%s left session %s as %s", op.Kind, s.ID, s.Status)
	case op.Payment != "" && s.Payment != op.Payment && (op.Kind != history.Fail || s.Payment != ""): // a refusal told again records none
		e.violated(Answers, []*history.Operation{op}, "%s by payment %q left %q", op.Kind, op.Payment, s.Payment)
	}
}

// created checks the answer of a Create against its request, and against the requests that can have made the session.
func created(e *evidence, op *history.Operation) {
	if op.Return.Outcome == history.OK {
		s, r := op.Return.Sessions[0], op.Request
		if s.Key != r.Key || s.Amount != r.Amount || s.Currency != r.Currency || s.Method != r.Method || s.Expires-s.Created != r.ExpiresIn {
			e.violated(Answers, []*history.Operation{op}, "asked for %+v, told of %+v", *r, s)
		}
		from, to := clocks(op)
		if !op.Return.Replayed && (s.Version > 1 || s.Payment != op.Payment || s.Created < from || s.Created > to) {
			e.violated(Answers, []*history.Operation{op}, "a new session is %+v", s)
		}
	}
	replayed, reused := op.Return.Outcome == history.OK && op.Return.Replayed, op.Return.Code == history.KeyReused
	if op.Request.Key == "" || !replayed && !reused {
		return
	}
	same, other := false, false
	for _, by := range e.keys[scopedKey{asked(op), op.Request.Key}].creates {
		if by.At > op.Return.At || by.Return.Outcome == history.Error || by.Return.Replayed {
			continue
		}
		if *by.Request == *op.Request && by.Payment == op.Payment {
			same = true
		} else {
			other = true
		}
	}
	switch {
	case replayed && !same && other:
		e.violated(Answers, []*history.Operation{op}, "another request was replayed")
	case reused && !other:
		e.violated(Answers, []*history.Operation{op}, "the key was refused, and nobody used it for another request")
	}
}

// pages: a list is in order and has no session twice, its sessions match its filter, and its total and its next offset fit its sessions.
func pages(e *evidence) {
	for _, op := range e.operations {
		if op.Kind != history.List || op.Return.Outcome != history.OK {
			continue
		}
		sessions, q, r := op.Return.Sessions, op.Query, op.Return
		if want := min(max(r.Total-q.Offset, 0), q.Limit); len(sessions) != want {
			e.violated(Lists, []*history.Operation{op}, "the page at offset %d with limit %d has %d of %d sessions", q.Offset, q.Limit, len(sessions), r.Total)
		}
		end := q.Offset + len(sessions)
		if more := len(sessions) > 0 && end < r.Total; r.More != more || r.Next != 0 && !more || more && r.Next != end {
			e.violated(Lists, []*history.Operation{op}, "after %d of %d sessions: has more %t, next offset %d", end, r.Total, r.More, r.Next)
		}
		for i, s := range sessions {
			if q.Status != "" && s.Status != q.Status || op.Payment != "" && s.Payment != op.Payment {
				e.violated(Lists, []*history.Operation{op}, "session %s is %s by payment %q, not what was asked for", s.ID, s.Status, s.Payment)
			}
			if i > 0 && !newer(sessions[i-1], s) {
				e.violated(Lists, []*history.Operation{op}, "session %s is listed after %s", s.ID, sessions[i-1].ID)
			}
		}
	}
}

// newer reports whether a comes before b in a list.
func newer(a, b history.Session) bool {
	if a.Created != b.Created {
		return a.Created > b.Created
	}
	return strings.Compare(a.ID, b.ID) > 0
}

// failures: no call panics, and without faults no call fails.
func failures(e *evidence) {
	for _, op := range e.operations {
		switch code := op.Return.Code; {
		case code == history.Panicked:
			e.violated(Panics, []*history.Operation{op}, "%s: %s", op.Kind, op.Return.Detail)
		case e.options.Faultless && op.Return.Outcome != history.OK && !code.Answer() && code != history.GaveUp:
			e.violated(Faultless, []*history.Operation{op}, "%s: %s: %s", op.Kind, code, op.Return.Detail)
		}
	}
}
