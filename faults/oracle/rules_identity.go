package oracle

import (
	"slices"

	"github.com/caisse/checkout/faults/history"
)

// oneSession: a key of an account, live or test, has one session, and at most one caller is told that the session is new.
func oneSession(e *evidence) {
	for _, k := range e.keys {
		if len(k.sessions) > 1 {
			e.violated(OneSession, e.firstSights(k.sessions), "a key names the sessions %v", k.sessions)
		}
		var told []*history.Operation
		for _, op := range k.creates {
			if op.Return.Outcome == history.OK && !op.Return.Replayed {
				told = append(told, op)
			}
		}
		if len(told) > 1 {
			e.violated(OneSession, told, "%d callers with one key were told that the session is new", len(told))
		}
	}
}

// onePayment: an intent leads to one session at most, however often the caller tried.
func onePayment(e *evidence) {
	sessions := make(map[string][]string)
	for _, k := range e.keys {
		for _, op := range k.creates {
			if op.Intent == "" {
				continue
			}
			for _, id := range k.sessions {
				if !slices.Contains(sessions[op.Intent], id) {
					sessions[op.Intent] = append(sessions[op.Intent], id)
				}
			}
		}
	}
	for intent, ids := range sessions {
		if len(ids) > 1 {
			slices.Sort(ids)
			e.violated(OnePayment, e.firstSights(ids), "%q ended in the sessions %v", intent, ids)
		}
	}
}

func (e *evidence) firstSights(ids []string) []*history.Operation {
	var ops []*history.Operation
	for _, id := range ids {
		ops = append(ops, e.seen[id][0].op)
	}
	return ops
}

// acknowledged: a session that an answer showed is found by every later call that asks for it.
func acknowledged(e *evidence) {
	for id, sights := range e.seen {
		first := sights[0].op
		for _, op := range e.calls[id] {
			if asked(op) == e.owners[id] && op.Return.Code == history.NotFound && before(first, op) {
				e.violated(Lost, []*history.Operation{first, op}, "session %s was answered, then not found", id)
				break
			}
		}
	}
	// A list of all sessions of an account must have every session that an answer showed before the list was asked for.
	ids := make(map[account][]string)
	for id, sights := range e.seen {
		if first := sights[0]; first.op.Return.At != history.Never {
			ids[e.owners[id]] = append(ids[e.owners[id]], id)
		}
	}
	missed := make(map[string]bool)
	for _, op := range e.operations {
		if !listsAll(op) {
			continue
		}
		shown := make(map[string]bool)
		for _, s := range op.Return.Sessions {
			shown[s.ID] = true
		}
		for _, id := range ids[asked(op)] {
			if first := e.seen[id][0].op; before(first, op) && !shown[id] && !missed[id] {
				missed[id] = true
				e.violated(Lost, []*history.Operation{first, op}, "session %s was answered, then not listed", id)
			}
		}
	}
}

// listsAll reports whether a list has all sessions of its account.
func listsAll(op *history.Operation) bool {
	return op.Kind == history.List && op.Return.Outcome == history.OK && op.Query.Status == "" && op.Payment == "" &&
		op.Query.Offset == 0 && !op.Return.More
}

// ghosts: every session and every change was written by a call that took effect or may have. A call with a definite error wrote
// nothing.
func ghosts(e *evidence) {
	for scope, k := range e.keys {
		for _, id := range k.sessions {
			first := e.seen[id][0].op
			by := func(op *history.Operation) bool {
				wrote := op.Return.Outcome == history.OK && !op.Return.Replayed || op.Return.Outcome == history.Unknown
				return wrote && op.At <= first.Return.At
			}
			if !slices.ContainsFunc(k.creates, by) {
				e.violated(Ghost, append(slices.Clone(k.creates), first), "session %s of account %s exists, and no call can have made it", id, scope.id)
			}
		}
	}
	for id, sights := range e.seen {
		changes := e.changes(id)
		told := make(map[int64]bool)
		for _, at := range sights {
			v := at.session.Version
			if v <= 1 || told[v] {
				continue
			}
			told[v] = true
			if !slices.ContainsFunc(changes, func(op *history.Operation) bool {
				return op.At <= at.op.Return.At && canMake(op, at.session)
			}) {
				e.violated(Ghost, []*history.Operation{at.op}, "session %s has the version %d, %s, and no call can have made this change", id, v, at.session.Status)
			}
		}
	}
}

// changes are the calls that changed the session, or may have.
func (e *evidence) changes(id string) []*history.Operation {
	ops := slices.Concat(e.sweeps[id], e.lostSweeps)
	for _, op := range e.calls[id] {
		if effective(op) && !op.Kind.Reads() {
			ops = append(ops, op)
		}
	}
	return ops
}

// canMake reports whether a call can have left the session as an answer showed it. A session that is shown as expired may be
// stored as created or pending.
func canMake(op *history.Operation, s *history.Session) bool {
	switch op.Kind {
	case history.Begin:
		return s.Status == "pending" || s.Status == "expired"
	case history.Expire:
		return s.Status == "expired"
	}
	return s.Status == target(op.Kind)
}

// target is the status that a transition leads to, "" for other calls.
func target(k history.Kind) string {
	switch k {
	case history.Begin:
		return "pending"
	case history.Process:
		return "processing"
	case history.Complete:
		return "completed"
	case history.Fail:
		return "failed"
	case history.Cancel:
		return "cancelled"
	}
	return ""
}

// isolation: an account sees only sessions of its own.
func isolation(e *evidence) {
	for _, op := range e.operations {
		if op.Kind == history.Expire {
			continue
		}
		for _, s := range op.Return.Sessions {
			if owner(&s) != asked(op) {
				e.violated(Isolation, []*history.Operation{op}, "account %s (test %t) was shown session %s of %s (test %t)", op.Account, op.Test, s.ID, s.Account, s.Test)
			}
		}
	}
	for id, owner := range e.owners {
		for _, op := range e.calls[id] {
			strange := asked(op) != owner && op.Return.Code != history.NotFound
			if strange && (op.Return.Outcome == history.OK || op.Return.Code.Answer() && op.Return.Code != history.Invalid) {
				e.violated(Isolation, []*history.Operation{op}, "account %s (test %t) was told of session %s of %s (test %t)", op.Account, op.Test, id, owner.id, owner.test)
			}
		}
		for _, at := range e.seen[id] {
			if other := (account{at.session.Account, at.session.Test}); other != owner {
				e.violated(Isolation, []*history.Operation{e.seen[id][0].op, at.op}, "session %s is of %v, then of %v", id, owner, other)
			}
		}
	}
}
