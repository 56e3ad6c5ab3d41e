package oracle

import (
	"github.com/caisse/checkout/faults/history"
)

// Tally counts what a history shows. Tallies of several runs can be added.
type Tally struct {
	Operations   int `json:"operations"`
	Acknowledged int `json:"acknowledged"` // creates and changes that were acknowledged, repeated changes too
	Lost         int `json:"lost"`         // of those, the ones that a later answer contradicts
	Doubled      int `json:"doubled"`      // sessions beyond one for a key, or for an intent
	Unknown      int `json:"unknown"`      // calls of unknown outcome
	Converged    int `json:"converged"`    // of those, the ones after which a later answer showed what happened
	Events       int `json:"events"`       // changes that the feed had
	Missing      int `json:"missing"`      // changes that it or a session's history lacked, or had wrong
}

// Add adds the tally of another run.
func (t *Tally) Add(o Tally) {
	t.Operations += o.Operations
	t.Acknowledged += o.Acknowledged
	t.Lost += o.Lost
	t.Doubled += o.Doubled
	t.Unknown += o.Unknown
	t.Converged += o.Converged
	t.Events += o.Events
	t.Missing += o.Missing
}

func count(h history.History, violations []Violation) Tally {
	e := newEvidence(h, Options{})
	t := Tally{Operations: len(h.Operations)}
	for _, v := range violations {
		switch v.Rule {
		case Lost, Stale:
			t.Lost++
		case OneEvent, Feed:
			t.Missing++
		}
	}
	t.Events = e.told()
	intents := make(map[string]map[string]bool)
	for _, k := range e.keys {
		intent := ""
		for _, op := range k.creates {
			if op.Intent != "" {
				intent = op.Intent
			}
		}
		if intent == "" {
			t.Doubled += max(len(k.sessions)-1, 0)
			continue
		}
		if intents[intent] == nil {
			intents[intent] = make(map[string]bool)
		}
		for _, id := range k.sessions {
			intents[intent][id] = true
		}
	}
	for _, ids := range intents {
		t.Doubled += max(len(ids)-1, 0)
	}
	for _, op := range e.operations {
		switch op.Return.Outcome {
		case history.OK:
			t.Acknowledged += acknowledgements(op)
		case history.Unknown:
			t.Unknown++
			if e.converged(op) {
				t.Converged++
			}
		}
	}
	return t
}

// told counts the events of the feed about sessions of this history.
func (e *evidence) told() int {
	events := make(map[string]bool)
	for _, op := range e.operations {
		if op.Kind != history.Feed {
			continue
		}
		for _, event := range op.Return.Events {
			if _, known := e.owners[event.Session.ID]; known {
				events[event.ID] = true
			}
		}
	}
	return len(events)
}

// acknowledgements returns how many writes an answer acknowledged.
func acknowledgements(op *history.Operation) int {
	if op.Kind.Reads() {
		return 0
	}
	switch op.Kind {
	case history.Create:
		if op.Return.Replayed {
			return 0
		}
	case history.Expire:
		return len(op.Return.Sessions)
	}
	return 1
}

// converged reports whether a later call found out what happened to a call of unknown outcome. After a create there must be one session.
func (e *evidence) converged(op *history.Operation) bool {
	later := e.calls[op.Session]
	if op.Kind == history.Create {
		k := e.keys[scopedKey{asked(op), op.Request.Key}]
		if k == nil || len(k.sessions) != 1 {
			return false
		}
		later = k.creates
	} else if op.Session == "" {
		later = e.operations
	}
	for _, next := range later {
		asksAgain := op.Kind == history.Create || op.Session != "" || next.Kind == op.Kind
		if asksAgain && next.At > op.At && next.Return.Outcome != history.Unknown && (next.Return.Outcome == history.OK || next.Return.Code.Answer()) {
			return true
		}
	}
	return false
}
