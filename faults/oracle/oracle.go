package oracle

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/caisse/checkout/faults/history"
)

// Rule names what must hold. The numbers are those of the reliability invariants.
type Rule string

// The rules.
const (
	OneSession   Rule = "one key, one session"                       // 1, 3
	OnePayment   Rule = "one intent, one session"                    // what a client is to do with 8
	Lost         Rule = "what was acknowledged is there"             // 6, 12
	Ghost        Rule = "a definite error wrote nothing"             // 4, 8
	Isolation    Rule = "accounts and modes do not see each other"   // 5, 15
	Constant     Rule = "what never changes does not"                // 7, 19
	Versions     Rule = "a version is one change"                    // 19
	Stale        Rule = "a read sees what was acknowledged before"   // 12
	Table        Rule = "only edges of the table"                    // 16
	Expiry       Rule = "expired by the clock, and by it alone"      // 18
	Answers      Rule = "an answer fits its question"                // 2, 17
	Lists        Rule = "a page is whole, in order and counted"      // 15
	OneEvent     Rule = "one change, one event"                      // 25
	Feed         Rule = "the feed skips nothing and repeats nothing" // 26
	Faultless    Rule = "no failure without a fault"                 // 3
	Panics       Rule = "no panic reaches a caller"                  // 20
	Linearizable Rule = "one order explains every answer"            // 13
	Undecided    Rule = "linearizability could be decided in time"   // of the check itself
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
