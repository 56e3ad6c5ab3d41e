package oracle

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/caisse/checkout/faults/history"
)

// Linearize searches, for each session, for an order of its calls that explains every answer.
func Linearize(h history.History, o Options) []Violation {
	var violations []Violation
	model := register()
	for _, p := range partition(h) {
		operations := p.search()
		rule := Linearizable
		switch porcupine.CheckOperationsTimeout(model, operations, cmp.Or(o.Timeout, time.Minute)) {
		case porcupine.Ok:
			continue
		case porcupine.Unknown:
			rule = Undecided
		}
		v := Violation{Rule: rule, Detail: p.name}
		for _, op := range p.operations {
			v.Operations = append(v.Operations, op.ID)
		}
		violations = append(violations, v)
	}
	return violations
}

// Visualize writes an HTML page about the first session that is not linearizable. The page shows how far the search for an
// order came. Visualize reports whether there is such a session.
func Visualize(h history.History, path string) (bool, error) {
	model := register()
	for _, p := range partition(h) {
		operations := p.search()
		result, info := porcupine.CheckOperationsVerbose(model, operations, time.Minute)
		if result == porcupine.Illegal {
			return true, porcupine.VisualizePath(model, info, path)
		}
	}
	return false, nil
}

// object is all calls about one session.
type object struct {
	name       string
	operations []*history.Operation
	clients    map[string]int
}

func (p *object) add(op *history.Operation) {
	p.operations = append(p.operations, op)
}

// search returns the operations in the form in which porcupine takes them. An operation of unknown outcome has no end,
// because it may take effect after its caller has given up.
//
// Creates of unknown outcome that cannot have created the session are left out: their clock never showed the time at which an answer
// says that it was created. That changes no result. They have no end, so they can be put back at the end of any order, where the
// session exists and they change nothing. Callers who try again during an outage leave hundreds of them, and the search would go
// through every subset.
func (p *object) search() []porcupine.Operation {
	created := int64(0)
	for _, op := range p.operations {
		if op.Return.Outcome == history.OK && len(op.Return.Sessions) > 0 {
			created = op.Return.Sessions[0].Created
		}
	}
	var operations []porcupine.Operation
	for _, op := range p.operations {
		end := op.Return.At
		if op.Return.Outcome == history.Unknown {
			end = history.Never
			from, to := clocks(op)
			if op.Kind == history.Create && created != 0 && (created < from || created > to) {
				continue
			}
		}
		operations = append(operations, porcupine.Operation{ClientId: p.client(op.Client), Input: op, Call: op.At, Output: op, Return: end})
	}
	return operations
}

// client returns the number of a caller, by which porcupine knows it.
func (p *object) client(name string) int {
	if p.clients == nil {
		p.clients = make(map[string]int)
	}
	n, ok := p.clients[name]
	if !ok {
		n = len(p.clients)
		p.clients[name] = n
	}
	return n
}

// partition groups the operations of a history by session. A session is known by its key, since it has no ID before it is
// created, or by its ID if it has no key. A list or a sweep that returned several sessions becomes one operation for each.
func partition(h history.History) []*object {
	e := newEvidence(h, Options{})
	keyOf := make(map[string]scopedKey) // by session ID
	for k, used := range e.keys {
		for _, id := range used.sessions {
			keyOf[id] = k
		}
	}
	objects := make(map[string]*object)
	var order []*object
	at := func(name string) *object {
		if objects[name] == nil {
			objects[name] = &object{name: name}
			order = append(order, objects[name])
		}
		return objects[name]
	}
	byID := func(of account, id string) *object {
		if k, ok := keyOf[id]; ok && k.account == of {
			return at(fmt.Sprintf("key %s of %s (test %t)", k.key, k.id, k.test))
		}
		return at(fmt.Sprintf("session %s of %s (test %t)", id, of.id, of.test))
	}
	for _, op := range e.operations {
		switch op.Kind {
		case history.Create:
			switch {
			case op.Request.Key != "":
				at(fmt.Sprintf("key %s of %s (test %t)", op.Request.Key, op.Account, op.Test)).add(op)
			case op.Return.Outcome == history.OK:
				byID(asked(op), op.Return.Sessions[0].ID).add(op)
			}
		case history.List, history.Expire:
			for _, s := range op.Return.Sessions {
				of := asked(op)
				if op.Kind == history.Expire {
					of = owner(&s)
				}
				part := *op
				part.Return.Sessions = []history.Session{s}
				byID(of, s.ID).add(&part)
			}
		case history.Past, history.Feed: // the rules judge them
		default:
			byID(asked(op), op.Session).add(op)
		}
	}
	for _, sweep := range e.lostSweeps {
		for _, p := range order {
			p.add(sweep)
		}
	}
	for _, p := range order {
		slices.SortStableFunc(p.operations, func(a, b *history.Operation) int { return compare(a.At, b.At) })
	}
	return order
}
