package oracle_test

import (
	"slices"
	"testing"

	"github.com/matryer/is"

	"github.com/caisse/checkout/faults/history"
	"github.com/caisse/checkout/faults/oracle"
)

// TestJudgeRefuses proves for each of many mistakes of a store that the oracle finds it, and by which rule. It also proves which half of
// the oracle finds the mistake: the rules, the search for an order of the calls, or both.
func TestJudgeRefuses(t *testing.T) {
	const (
		rules = "only the rules"
		both  = "the rules and the order"
		order = "only the order"
	)
	for _, tt := range []struct {
		name string
		rule oracle.Rule
		by   string // rules, both or order
		tell func(*story)
	}{
		{"two sessions under one key", oracle.OneSession, both, func(s *story) {
			s.tell(history.Create, under("k1"), shows(session(named("cs_2", "k1"))))
		}},
		{"one session that two creates return as new", oracle.OneSession, both, func(s *story) {
			s.tell(history.Create, under("k1"), shows(session()))
		}},
		{"two sessions for one intent", oracle.OnePayment, rules, func(s *story) {
			s.tell(history.Create, under("k2"), meant("order 7"), fails(history.OutcomeUnknown))
			s.tell(history.Create, under("k3"), meant("order 7"), shows(session(named("cs_3", "k3"))))
			s.tell(history.Create, under("k2"), replayed, shows(session(named("cs_2", "k2"))))
		}},
		{"an acknowledged session that is not found", oracle.Lost, both, func(s *story) {
			s.tell(history.Get, of("cs_1"), fails(history.NotFound))
		}},
		{"an acknowledged session that is not listed", oracle.Lost, rules, func(s *story) {
			s.tell(history.List)
		}},
		{"an acknowledged transition that is undone", oracle.Stale, both, func(s *story) {
			s.tell(history.Cancel, of("cs_1"), shows(session(changedTo("cancelled"))))
			s.tell(history.Get, of("cs_1"), shows(session()))
		}},
		{"a create that took effect although its error was definite", oracle.Ghost, both, func(s *story) {
			s.tell(history.Create, under("k2"), fails(history.Unavailable))
			s.tell(history.Create, under("k2"), replayed, shows(session(named("cs_2", "k2"))))
		}},
		{"a transition that took effect although its error was definite", oracle.Ghost, both, func(s *story) {
			s.tell(history.Cancel, of("cs_1"), fails(history.Unavailable))
			s.tell(history.Get, of("cs_1"), shows(session(changedTo("cancelled"))))
		}},
		{"a session that is replayed before it is created", oracle.Ghost, both, func(s *story) {
			s.tell(history.Create, under("k2"), replayed, shows(session(named("cs_2", "k2"))))
			s.tell(history.Create, under("k2"), fails(history.OutcomeUnknown))
		}},
		{"a session with another lifetime than requested", oracle.Answers, both, func(s *story) {
			s.tell(history.Create, under("k2"), shows(session(named("cs_2", "k2"), func(s *history.Session) { s.Expires++ })))
		}},
		{"a transition that is visible before it is requested", oracle.Ghost, both, func(s *story) {
			s.tell(history.Get, of("cs_1"), shows(session(changedTo("cancelled"))))
			s.tell(history.Cancel, of("cs_1"), shows(session(changedTo("cancelled"))))
		}},
		{"a session that is listed for another account", oracle.Isolation, both, func(s *story) {
			s.tell(history.List, by("other"), shows(session()))
		}},
		{"a session that expires twice", oracle.Table, both, func(s *story) {
			s.tell(history.Expire, clock(expires, expires), shows(session(changedTo("expired"))))
			s.tell(history.Expire, clock(expires, expires), shows(session(version(3), status("expired"))))
		}},
		{"a failure with a reason that nobody gave", oracle.Linearizable, order, func(s *story) {
			s.tell(history.Fail, of("cs_1"), because("funds"), shows(session(changedTo("failed"), failed("limit"))))
		}},
		{"a session that is shown to another account", oracle.Isolation, both, func(s *story) {
			s.tell(history.Get, by("other"), of("cs_1"), shows(session()))
		}},
		{"a session that is shown as one of another account", oracle.Isolation, both, func(s *story) {
			s.tell(history.Get, by("other"), of("cs_1"), shows(session(owned("other"))))
		}},
		{"a refusal that reveals a session to another account", oracle.Isolation, both, func(s *story) {
			s.tell(history.Complete, of("cs_1"), shows(session(changedTo("completed"), completed)))
			s.tell(history.Cancel, by("other"), of("cs_1"), fails(history.Refused), func(op *history.Operation) { op.Return.From = "completed" })
		}},
		{"an amount that changed", oracle.Constant, rules, func(s *story) {
			s.tell(history.Get, of("cs_1"), shows(session(func(s *history.Session) { s.Amount = 4999 })))
		}},
		{"a fee that changed", oracle.Constant, rules, func(s *story) {
			s.tell(history.Get, of("cs_1"), shows(session(func(s *history.Session) { s.Fee = 25 })))
		}},
		{"a time that lost a microsecond", oracle.Constant, rules, func(s *story) {
			s.tell(history.Get, of("cs_1"), shows(session(func(s *history.Session) { s.Created-- })))
		}},
		{"one version with two contents", oracle.Versions, both, func(s *story) {
			s.tell(history.Begin, of("cs_1"), paying("p1"), shows(session(changedTo("pending"), paid("p1"))))
			s.tell(history.Begin, of("cs_1"), paying("p2"), shows(session(changedTo("pending"), paid("p2"))))
		}},
		{"a version without a change", oracle.Versions, both, func(s *story) {
			s.tell(history.Begin, of("cs_1"), shows(session(changedTo("pending"))))
			s.tell(history.Get, of("cs_1"), shows(session(version(3), status("pending"))))
		}},
		{"a change without a new version", oracle.Table, both, func(s *story) {
			s.tell(history.Cancel, of("cs_1"), shows(session(status("cancelled"))))
		}},
		{"a completed session that changed", oracle.Table, both, func(s *story) {
			s.tell(history.Complete, of("cs_1"), shows(session(changedTo("completed"), completed)))
			s.tell(history.Cancel, of("cs_1"), shows(session(version(3), status("cancelled"), completed)))
		}},
		{"a processing session with a new version and the same content", oracle.Table, both, func(s *story) {
			s.tell(history.Process, of("cs_1"), paying("p1"), shows(session(changedTo("processing"), paid("p1"))))
			s.tell(history.Process, of("cs_1"), paying("p1"), shows(session(version(3), status("processing"), paid("p1"))))
		}},
		{"a processing session that a sweep expired", oracle.Table, both, func(s *story) {
			s.tell(history.Process, of("cs_1"), shows(session(changedTo("processing"))))
			s.tell(history.Expire, clock(expires, expires), shows(session(version(3), status("expired"))))
		}},
		{"a payable session after its expiry", oracle.Expiry, both, func(s *story) {
			s.tell(history.Get, of("cs_1"), clock(expires, expires), shows(session()))
		}},
		{"an expired session before its expiry", oracle.Expiry, both, func(s *story) {
			s.tell(history.Get, of("cs_1"), clock(expires-1, expires-1), shows(session(status("expired"))))
		}},
		{"a sweep that expires a session before its expiry", oracle.Expiry, both, func(s *story) {
			s.tell(history.Expire, clock(expires-1, expires-1), shows(session(changedTo("expired"))))
		}},
		{"a cancel that succeeds after the expiry", oracle.Linearizable, order, func(s *story) {
			s.tell(history.Cancel, of("cs_1"), clock(expires, expires), shows(session(changedTo("cancelled"))))
		}},
		{"a late payment that is not marked as late", oracle.Linearizable, order, func(s *story) {
			s.tell(history.Expire, clock(expires, expires), shows(session(changedTo("expired"))))
			s.tell(history.Complete, of("cs_1"), shows(session(version(3), status("completed"), completed)))
		}},
		{"a completion at a time that the clock did not show", oracle.Linearizable, order, func(s *story) {
			s.tell(history.Complete, of("cs_1"), shows(session(changedTo("completed"), func(s *history.Session) { s.Completed = opening + 1 })))
		}},
		{"reads that no order of two concurrent payments explains", oracle.Linearizable, order, func(s *story) {
			s.tell(history.Begin, of("cs_1"), paying("p1"), during(20, 90), fails(history.OutcomeUnknown))
			s.tell(history.Begin, of("cs_1"), paying("p2"), during(21, 90), fails(history.OutcomeUnknown))
			s.tell(history.Get, of("cs_1"), during(30, 40), shows(session(changedTo("pending"), paid("p1"))))
			s.tell(history.Get, of("cs_1"), during(50, 60), shows(session(version(3), status("pending"), paid("p1"))))
		}},
		{"a refusal of a transition that the lifecycle allows", oracle.Answers, both, func(s *story) {
			s.tell(history.Cancel, of("cs_1"), fails(history.Refused), func(op *history.Operation) { op.Return.From = "created" })
		}},
		{"a payment that conflicts with itself", oracle.Answers, both, func(s *story) {
			s.tell(history.Complete, of("cs_1"), paying("p1"), shows(session(changedTo("completed"), paid("p1"), completed)))
			s.tell(history.Complete, of("cs_1"), paying("p1"), fails(history.PaymentConflict), func(op *history.Operation) { op.Return.Held = "p1" })
		}},
		{"an answer about another session", oracle.Answers, both, func(s *story) {
			s.tell(history.Create, under("k2"), shows(session(named("cs_2", "k2"))))
			s.tell(history.Get, of("cs_1"), shows(session(named("cs_2", "k2"))))
		}},
		{"a transition that did not change the status", oracle.Answers, both, func(s *story) {
			s.tell(history.Cancel, of("cs_1"), shows(session()))
		}},
		{"a session with another amount than requested", oracle.Answers, rules, func(s *story) {
			s.tell(history.Create, under("k2"), shows(session(named("cs_2", "k2"), func(s *history.Session) { s.Amount++ })))
		}},
		{"a replay for another request under the same key", oracle.Answers, both, func(s *story) {
			s.tell(history.Create, under("k1"), paying("p9"), replayed, shows(session()))
		}},
		{"a key that is refused as reused for the same request", oracle.Answers, both, func(s *story) {
			s.tell(history.Create, under("k1"), fails(history.KeyReused), func(op *history.Operation) { op.Return.Held = "cs_1" })
		}},
		{"a session that two sweeps return", oracle.Answers, both, func(s *story) {
			s.tell(history.Expire, clock(expires, expires), shows(session(changedTo("expired"))))
			s.tell(history.Expire, clock(expires, expires), shows(session(changedTo("expired"))))
		}},
		{"a sweep that returns more than its limit", oracle.Answers, rules, func(s *story) {
			s.tell(history.Expire, clock(expires, expires), shows(session(changedTo("expired"))), func(op *history.Operation) { op.Limit = 0 })
		}},
		{"a session that is listed twice", oracle.Lists, rules, func(s *story) {
			s.tell(history.List, shows(session(), session()))
		}},
		{"a list in the wrong order", oracle.Lists, rules, func(s *story) {
			s.tell(history.Create, under("k2"), shows(session(named("cs_2", "k2"))))
			s.tell(history.List, shows(session(), session(named("cs_2", "k2"))))
		}},
		{"a total that is wrong", oracle.Lists, rules, func(s *story) {
			s.tell(history.List, shows(session()), func(op *history.Operation) { op.Return.Total = 2 })
		}},
		{"a session that the filter does not match", oracle.Lists, rules, func(s *story) {
			s.tell(history.List, shows(session()), func(op *history.Operation) { op.Query.Status = "pending" })
		}},
		{"a page that promises more sessions when there are none", oracle.Lists, rules, func(s *story) {
			s.tell(history.List, shows(session()), func(op *history.Operation) { op.Return.More, op.Return.Next = true, 1 })
		}},
		{"a panic", oracle.Panics, rules, func(s *story) {
			s.tell(history.Get, of("cs_1"), fails(history.Panicked))
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			is := is.New(t)
			s := oneSession()
			tt.tell(s)
			found := oracle.Judge(s.history(), oracle.Options{}).Violations
			caught := func(want oracle.Rule) bool {
				return slices.ContainsFunc(found, func(v oracle.Violation) bool { return v.Rule == want })
			}
			is.True(caught(tt.rule))                              // this rule must find the mistake
			is.Equal(caught(oracle.Linearizable), tt.by != rules) // an order must explain it only if by is rules
			if tt.by == order {
				is.Equal(len(oracle.Rules(s.history(), oracle.Options{})), 0) // no rule may find it
			}
		})
	}
}
