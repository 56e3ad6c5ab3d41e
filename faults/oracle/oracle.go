package oracle

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/caisse/checkout/faults/history"
)

// Rule is the name of something that must hold in every history.
type Rule string

// The rules.
const (
	OneSession   Rule = "one key, one session"
	OnePayment   Rule = "one intent, one session"
	Lost         Rule = "an acknowledged session is found later"
	Ghost        Rule = "a definite error wrote nothing"
	Isolation    Rule = "accounts and modes do not see each other"
	Constant     Rule = "account, amount, currency, fee and ID never change"
	Versions     Rule = "a version has one state, and every change raises it by one"
	Stale        Rule = "a read sees what was acknowledged before"
	Table        Rule = "a status changes only as the table of transitions allows"
	Expiry       Rule = "a session expires exactly at its time"
	Answers      Rule = "an answer fits its question"
	Lists        Rule = "a page is complete, in order and counted"
	OneEvent     Rule = "one change, one event"
	Feed         Rule = "the feed skips nothing and repeats nothing"
	Faultless    Rule = "no failure without a fault"
	Panics       Rule = "no panic reaches a caller"
	Linearizable Rule = "one order explains every answer"
	Undecided    Rule = "linearizability could be decided in time" // concerns the check, not the store
)

// Violation is a place where a history breaks a rule.
type Violation struct {
	Rule       Rule
	Detail     string
	Operations []int64 // of the history, by ID
}

func (v Violation) String() string {
	return fmt.Sprintf("%s: %s (operations %s)", v.Rule, v.Detail, strings.Trim(fmt.Sprint(v.Operations), "[]"))
}

// Options say what is known about the test. The zero Options are for a test that makes faults.
type Options struct {
	// Faultless says that the test made no faults, so that no call may fail.
	Faultless bool
	// Timeout bounds the search for an order of the calls on one session; 0 is a minute. A search that takes longer violates
	// the rule Undecided.
	Timeout time.Duration
}

// Verdict is what the oracle found.
type Verdict struct {
	Violations []Violation
	Tally      Tally
}

// OK reports whether nothing was violated.
func (v Verdict) OK() bool { return len(v.Violations) == 0 }

// Judge checks a history against all rules, and for linearizability.
func Judge(h history.History, o Options) Verdict {
	rules := Rules(h, o)
	linear := Linearize(h, o)
	return Verdict{Violations: append(rules, linear...), Tally: count(h, rules)}
}

// Check judges a history. If it finds a violation, it saves the history and fails the test.
func Check(tb testing.TB, h history.History, o Options) Verdict {
	tb.Helper()
	v := Judge(h, o)
	const shown = 20
	for i, violation := range v.Violations {
		if i == shown {
			tb.Errorf("and %d more", len(v.Violations)-shown)
			break
		}
		tb.Errorf("%s", violation)
	}
	if !v.OK() {
		h.Save(tb)
	}
	return v
}
