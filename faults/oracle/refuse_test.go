package oracle_test

import (
	"slices"
	"testing"

	"github.com/matryer/is"

	"github.com/caisse/checkout/faults/history"
	"github.com/caisse/checkout/faults/oracle"
)

func TestJudgeRefuses(t *testing.T) {
	const (
		rules = "rules alone"
		both  = "rules and order"
		order = "order alone"
	)
	for _, tt := range []struct {
		name string
		rule oracle.Rule
		by   string
		tell func(*story)
	}{
		{"two sessions under one key", oracle.OneSession, both, func(s *story) {
			s.tell(history.Create, under("k1"), shows(session(named("cs_2", "k1"))))
		}},
		{"two callers told that one session is new", oracle.OneSession, both, func(s *story) {
			s.tell(history.Create, under("k1"), shows(session()))
		}},
		{"two sessions for one intent", oracle.OnePayment, rules, func(s *story) {
			s.tell(history.Create, under("k2"), meant("order 7"), fails(history.OutcomeUnknown))
			s.tell(history.Create, under("k3"), meant("order 7"), shows(session(named("cs_3", "k3"))))
			s.tell(history.Create, under("k2"), replayed, shows(session(named("cs_2", "k2"))))
		}},
		{"an acknowledged session not found", oracle.Lost, both, func(s *story) {
			s.tell(history.Get, of("cs_1"), fails(history.NotFound))
		}},
		{"an acknowledged session not listed", oracle.Lost, rules, func(s *story) {
			s.tell(history.List)
		}},
		{"an acknowledged transition undone", oracle.Stale, both, func(s *story) {
			s.tell(history.Cancel, of("cs_1"), shows(session(is2("cancelled"))))
			s.tell(history.Get, of("cs_1"), shows(session()))
		}},
		{"a session after a definite error", oracle.Ghost, both, func(s *story) {
			s.tell(history.Create, under("k2"), fails(history.Unavailable))
			s.tell(history.Create, under("k2"), replayed, shows(session(named("cs_2", "k2"))))
		}},
		{"a transition after a definite error", oracle.Ghost, both, func(s *story) {
			s.tell(history.Cancel, of("cs_1"), fails(history.Unavailable))
			s.tell(history.Get, of("cs_1"), shows(session(is2("cancelled"))))
		}},
		{"a session replayed before anybody created it", oracle.Ghost, both, func(s *story) {
			s.tell(history.Create, under("k2"), replayed, shows(session(named("cs_2", "k2"))))
			s.tell(history.Create, under("k2"), fails(history.OutcomeUnknown))
		}},
		{"a session of another lifetime than asked for", oracle.Answers, both, func(s *story) {
			s.tell(history.Create, under("k2"), shows(session(named("cs_2", "k2"), func(s *history.Session) { s.Expires++ })))
		}},
		{"a transition that was there before it was asked for", oracle.Ghost, both, func(s *story) {
			s.tell(history.Get, of("cs_1"), shows(session(is2("cancelled"))))
			s.tell(history.Cancel, of("cs_1"), shows(session(is2("cancelled"))))
		}},
		{"a session listed to another account", oracle.Isolation, both, func(s *story) {
			s.tell(history.List, by("other"), shows(session()))
		}},
		{"a session expired twice", oracle.Table, both, func(s *story) {
			s.tell(history.Expire, clock(expires, expires), shows(session(is2("expired"))))
			s.tell(history.Expire, clock(expires, expires), shows(session(version(3), status("expired"))))
		}},
		{"a failure with another's reason", oracle.Linearizable, order, func(s *story) {
			s.tell(history.Fail, of("cs_1"), because("funds"), shows(session(is2("failed"), failed("limit"))))
		}},
		{"a session shown to another account", oracle.Isolation, both, func(s *story) {
			s.tell(history.Get, by("other"), of("cs_1"), shows(session()))
		}},
		{"a session shown as another account's", oracle.Isolation, both, func(s *story) {
			s.tell(history.Get, by("other"), of("cs_1"), shows(session(owned("other"))))
		}},
		{"a refusal that tells another account of a session", oracle.Isolation, both, func(s *story) {
			s.tell(history.Complete, of("cs_1"), shows(session(is2("completed"), completed)))
			s.tell(history.Cancel, by("other"), of("cs_1"), fails(history.Refused), func(op *history.Operation) { op.Return.From = "completed" })
		}},
		{"an amount that changed", oracle.Constant, rules, func(s *story) {
			s.tell(history.Get, of("cs_1"), shows(session(func(s *history.Session) { s.Amount = 4999 })))
		}},
		{"a fee that changed", oracle.Constant, rules, func(s *story) {
			s.tell(history.Get, of("cs_1"), shows(session(func(s *history.Session) { s.Fee = 25 })))
		}},
		{"microseconds that were lost", oracle.Constant, rules, func(s *story) {
			s.tell(history.Get, of("cs_1"), shows(session(func(s *history.Session) { s.Created-- })))
		}},
		{"one version with two contents", oracle.Versions, both, func(s *story) {
			s.tell(history.Begin, of("cs_1"), paying("p1"), shows(session(is2("pending"), paid("p1"))))
			s.tell(history.Begin, of("cs_1"), paying("p2"), shows(session(is2("pending"), paid("p2"))))
		}},
		{"more versions than changes", oracle.Versions, both, func(s *story) {
			s.tell(history.Begin, of("cs_1"), shows(session(is2("pending"))))
			s.tell(history.Get, of("cs_1"), shows(session(version(3), status("pending"))))
		}},
		{"a change without a version", oracle.Table, both, func(s *story) {
			s.tell(history.Cancel, of("cs_1"), shows(session(status("cancelled"))))
		}},
		{"a completed session that changed", oracle.Table, both, func(s *story) {
			s.tell(history.Complete, of("cs_1"), shows(session(is2("completed"), completed)))
			s.tell(history.Cancel, of("cs_1"), shows(session(version(3), status("cancelled"), completed)))
		}},
		{"a processing session that changed, and nothing of it did", oracle.Table, both, func(s *story) {
			s.tell(history.Process, of("cs_1"), paying("p1"), shows(session(is2("processing"), paid("p1"))))
			s.tell(history.Process, of("cs_1"), paying("p1"), shows(session(version(3), status("processing"), paid("p1"))))
		}},
		{"a processing session that a sweep expired", oracle.Table, both, func(s *story) {
			s.tell(history.Process, of("cs_1"), shows(session(is2("processing"))))
			s.tell(history.Expire, clock(expires, expires), shows(session(version(3), status("expired"))))
		}},
		{"a payable session after its expiry", oracle.Expiry, both, func(s *story) {
			s.tell(history.Get, of("cs_1"), clock(expires, expires), shows(session()))
		}},
		{"an expired session before its expiry", oracle.Expiry, both, func(s *story) {
			s.tell(history.Get, of("cs_1"), clock(expires-1, expires-1), shows(session(status("expired"))))
		}},
		{"a sweep before the expiry", oracle.Expiry, both, func(s *story) {
			s.tell(history.Expire, clock(expires-1, expires-1), shows(session(is2("expired"))))
		}},
		{"a cancel after the expiry", oracle.Linearizable, order, func(s *story) {
			s.tell(history.Cancel, of("cs_1"), clock(expires, expires), shows(session(is2("cancelled"))))
		}},
		{"a late payment that is not marked", oracle.Linearizable, order, func(s *story) {
			s.tell(history.Expire, clock(expires, expires), shows(session(is2("expired"))))
			s.tell(history.Complete, of("cs_1"), shows(session(version(3), status("completed"), completed)))
		}},
		{"a completion at an instant that was not", oracle.Linearizable, order, func(s *story) {
			s.tell(history.Complete, of("cs_1"), shows(session(is2("completed"), func(s *history.Session) { s.Completed = opening + 1 })))
		}},
		{"reads at once that disagree on what came first", oracle.Linearizable, order, func(s *story) {
			s.tell(history.Begin, of("cs_1"), paying("p1"), during(20, 90), fails(history.OutcomeUnknown))
			s.tell(history.Begin, of("cs_1"), paying("p2"), during(21, 90), fails(history.OutcomeUnknown))
			s.tell(history.Get, of("cs_1"), during(30, 40), shows(session(is2("pending"), paid("p1"))))
			s.tell(history.Get, of("cs_1"), during(50, 60), shows(session(version(3), status("pending"), paid("p1"))))
		}},
		{"a refusal that the table does not know", oracle.Answers, both, func(s *story) {
			s.tell(history.Cancel, of("cs_1"), fails(history.Refused), func(op *history.Operation) { op.Return.From = "created" })
		}},
		{"a payment that conflicts with itself", oracle.Answers, both, func(s *story) {
			s.tell(history.Complete, of("cs_1"), paying("p1"), shows(session(is2("completed"), paid("p1"), completed)))
			s.tell(history.Complete, of("cs_1"), paying("p1"), fails(history.PaymentConflict), func(op *history.Operation) { op.Return.Held = "p1" })
		}},
		{"an answer about another session", oracle.Answers, both, func(s *story) {
			s.tell(history.Create, under("k2"), shows(session(named("cs_2", "k2"))))
			s.tell(history.Get, of("cs_1"), shows(session(named("cs_2", "k2"))))
		}},
		{"a transition that left the status", oracle.Answers, both, func(s *story) {
			s.tell(history.Cancel, of("cs_1"), shows(session()))
		}},
		{"a session of another amount than asked for", oracle.Answers, rules, func(s *story) {
			s.tell(history.Create, under("k2"), shows(session(named("cs_2", "k2"), func(s *history.Session) { s.Amount++ })))
		}},
		{"another request replayed", oracle.Answers, both, func(s *story) {
			s.tell(history.Create, under("k1"), paying("p9"), replayed, shows(session()))
		}},
		{"a key refused to its own request", oracle.Answers, both, func(s *story) {
			s.tell(history.Create, under("k1"), fails(history.KeyReused), func(op *history.Operation) { op.Return.Held = "cs_1" })
		}},
		{"a session handed out by two sweeps", oracle.Answers, both, func(s *story) {
			s.tell(history.Expire, clock(expires, expires), shows(session(is2("expired"))))
			s.tell(history.Expire, clock(expires, expires), shows(session(is2("expired"))))
		}},
		{"a sweep that kept no limit", oracle.Answers, rules, func(s *story) {
			s.tell(history.Expire, clock(expires, expires), shows(session(is2("expired"))), func(op *history.Operation) { op.Limit = 0 })
		}},
		{"a session listed twice", oracle.Lists, rules, func(s *story) {
			s.tell(history.List, shows(session(), session()))
		}},
		{"a list in the wrong order", oracle.Lists, rules, func(s *story) {
			s.tell(history.Create, under("k2"), shows(session(named("cs_2", "k2"))))
			s.tell(history.List, shows(session(), session(named("cs_2", "k2"))))
		}},
		{"a total that counts the page", oracle.Lists, rules, func(s *story) {
			s.tell(history.List, shows(session()), func(op *history.Operation) { op.Return.Total = 2 })
		}},
		{"a session that the filter does not match", oracle.Lists, rules, func(s *story) {
			s.tell(history.List, shows(session()), func(op *history.Operation) { op.Query.Status = "pending" })
		}},
		{"a page that says there is more", oracle.Lists, rules, func(s *story) {
			s.tell(history.List, shows(session()), func(op *history.Operation) { op.Return.More, op.Return.Next = true, 1 })
		}},
		{"a panic", oracle.Panics, rules, func(s *story) {
			s.tell(history.Get, of("cs_1"), fails(history.Panicked))
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			is := is.New(t)
			s := begun()
			tt.tell(s)
			found := oracle.Judge(s.history(), oracle.Options{}).Violations
			caught := func(want oracle.Rule) bool {
				return slices.ContainsFunc(found, func(v oracle.Violation) bool { return v.Rule == want })
			}
			is.True(caught(tt.rule))                              // the rule that is broken
			is.Equal(caught(oracle.Linearizable), tt.by != rules) // whether an order explains it
			if tt.by == order {
				is.Equal(len(oracle.Rules(s.history(), oracle.Options{})), 0) // no rule sees it
			}
		})
	}
}
