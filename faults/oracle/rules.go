package oracle

import (
	"fmt"
	"math"
	"slices"

	"github.com/caisse/checkout/faults/history"
)

// Rules checks a history against the rules that hold however calls overlap.
func Rules(h history.History, o Options) []Violation {
	e := newEvidence(h, o)
	for _, rule := range []func(*evidence){
		oneSession, onePayment, acknowledged, ghosts, isolation, constant, versions, fresh, table, expiry, answers, pages, failures,
		histories, feeds,
	} {
		rule(e)
	}
	return e.violations
}

// evidence is a history with the indexes that the rules need.
type evidence struct {
	options    Options
	operations []*history.Operation            // in the order of the calls
	owners     map[string]account              // of sessions, as first seen
	seen       map[string][]sight              // by session, in the order of the returns
	calls      map[string][]*history.Operation // by the session that they name
	sweeps     map[string][]*history.Operation // by a session that they returned
	lostSweeps []*history.Operation            // sweeps of unknown outcome
	keys       map[scopedKey]*keyed
	violations []Violation
}

type account struct {
	id   string
	test bool
}

type scopedKey struct {
	account
	key string // digest
}

// sight is one session in one answer.
type sight struct {
	op      *history.Operation
	session *history.Session
}

// keyed is what the history shows of one key.
type keyed struct {
	creates  []*history.Operation
	sessions []string // IDs in the order in which they were seen
}

func newEvidence(h history.History, o Options) *evidence {
	e := &evidence{
		options: o,
		owners:  make(map[string]account),
		seen:    make(map[string][]sight),
		calls:   make(map[string][]*history.Operation),
		sweeps:  make(map[string][]*history.Operation),
		keys:    make(map[scopedKey]*keyed),
	}
	for i := range h.Operations {
		e.operations = append(e.operations, &h.Operations[i])
	}
	slices.SortStableFunc(e.operations, func(a, b *history.Operation) int { return compare(a.At, b.At) })
	returned := slices.Clone(e.operations)
	slices.SortStableFunc(returned, func(a, b *history.Operation) int { return compare(a.Return.At, b.Return.At) })

	for _, op := range e.operations {
		if op.Kind == history.Expire {
			for _, s := range op.Return.Sessions {
				e.sweeps[s.ID] = append(e.sweeps[s.ID], op)
			}
			if op.Return.Outcome == history.Unknown {
				e.lostSweeps = append(e.lostSweeps, op)
			}
		}
		if op.Session != "" {
			e.calls[op.Session] = append(e.calls[op.Session], op)
		}
		if r := op.Request; r != nil && r.Key != "" {
			k := e.keyed(scopedKey{asked(op), r.Key})
			k.creates = append(k.creates, op)
		}
	}
	for _, op := range returned {
		for i := range op.Return.Sessions {
			s := &op.Return.Sessions[i]
			if _, ok := e.owners[s.ID]; !ok {
				e.owners[s.ID] = owner(s)
			}
			e.seen[s.ID] = append(e.seen[s.ID], sight{op, s})
			if s.Key == "" {
				continue
			}
			if k := e.keyed(scopedKey{owner(s), s.Key}); !slices.Contains(k.sessions, s.ID) {
				k.sessions = append(k.sessions, s.ID)
			}
		}
	}
	return e
}

func (e *evidence) keyed(k scopedKey) *keyed {
	if e.keys[k] == nil {
		e.keys[k] = &keyed{}
	}
	return e.keys[k]
}

func (e *evidence) violated(rule Rule, operations []*history.Operation, format string, args ...any) {
	v := Violation{Rule: rule, Detail: fmt.Sprintf(format, args...)}
	for _, op := range operations {
		v.Operations = append(v.Operations, op.ID)
	}
	e.violations = append(e.violations, v)
}

func compare(a, b int64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// asked returns the account that an operation was for.
func asked(op *history.Operation) account { return account{op.Account, op.Test} }

func owner(s *history.Session) account { return account{s.Account, s.Test} }

// before reports whether a had returned when b was called.
func before(a, b *history.Operation) bool { return a.Return.At < b.At }

// effective reports whether an operation took effect, or may have.
func effective(op *history.Operation) bool { return op.Return.Outcome != history.Error }

// clocks returns the earliest and the latest instant at which an operation may have read the service's clock. An operation
// that never returned may have read the clock at any later time.
func clocks(op *history.Operation) (from, to int64) {
	if op.Return.At == history.Never {
		return op.Clock, math.MaxInt64
	}
	return min(op.Clock, op.Return.Clock), max(op.Clock, op.Return.Clock)
}
