package oracle

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/caisse/checkout/faults/history"
)

// Linearize looks, for each session, for one order of the calls on it that explains every answer.
func Linearize(h history.History, o Options) []Violation {
	var violations []Violation
	model := register()
	for _, p := range partition(h) {
		operations := make([]porcupine.Operation, len(p.operations))
		for i, op := range p.operations {
			end := op.Return.At
			if op.Return.Outcome == history.Unknown {
				end = history.Never // it may take effect after the caller gave up
			}
			operations[i] = porcupine.Operation{ClientId: p.client(op.Client), Input: op, Call: op.At, Output: op, Return: end}
		}
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

// Visualize writes a page that shows, for the first session whose history is not linearizable, how far an order could
// be found. It reports whether there is one.
func Visualize(h history.History, path string) (bool, error) {
	model := register()
	for _, p := range partition(h) {
		operations := make([]porcupine.Operation, len(p.operations))
		for i, op := range p.operations {
			operations[i] = porcupine.Operation{ClientId: p.client(op.Client), Input: op, Call: op.At, Output: op, Return: op.Return.At}
			if op.Return.Outcome == history.Unknown {
				operations[i].Return = history.Never
			}
		}
		result, info := porcupine.CheckOperationsVerbose(model, operations, time.Minute)
		if result == porcupine.Illegal {
			return true, porcupine.VisualizePath(model, info, path)
		}
	}
	return false, nil
}

// object is all that happened to one session.
type object struct {
	name       string
	operations []*history.Operation
	clients    map[string]int
}

func (p *object) add(op *history.Operation) {
	p.operations = append(p.operations, op)
}

// client numbers the callers, as porcupine wants them.
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

// partition sorts the operations of a history by the session that they are about: by key where there is one, for a
// session has no ID before it is created, else by ID. Of a list and of a sweep each session that was returned is an
// operation of its own, with the same call and return: what holds of the whole holds of each.
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
