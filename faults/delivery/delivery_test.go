//go:build unix

package delivery

import (
	"os"
	"testing"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/faults/internal/child"
	"github.com/caisse/checkout/faults/stores"
	"github.com/caisse/checkout/faults/suite"
	"github.com/caisse/checkout/internal/pgtest"
)

func TestMain(m *testing.M) {
	child.Main(Programs()...)
	os.Exit(pgtest.Main(m))
}

func TestSuites(t *testing.T) { suite.Test(t, Suites()) }

// TestControls shows that the suite can fail. Each planted bug loses deliveries when the dispatcher dies at one step, and the suite must
// notice that within ten rounds.
func TestControls(t *testing.T) {
	for bug, step := range map[string]string{planInTwo: afterPlan, settleFirst: afterClaim} {
		t.Run(bug, func(t *testing.T) {
			for try := range 10 {
				l := newLives(t, stores.SQLite, uint64(try))
				l.life(config{Dies: step, Planted: bug})
				l.Finish(l.ahead)
				if v := l.Judge(); v.Tally.Lost > 0 {
					t.Logf("caught in round %d: %s", try, v.Complaints[0])
					return
				}
			}
			t.Error("the suite noticed no lost delivery")
		})
	}
}

// TestUnfairness plants a bug that makes the good receivers wait for the hanging ones. The suite must notice the delay.
func TestUnfairness(t *testing.T) {
	c := newCrowd(t, stores.SQLite)
	var accounts []checkout.Account
	for n := range hangingReceivers {
		accounts = append(accounts, hanging(n))
	}
	for n := range goodReceivers {
		accounts = append(accounts, good(n))
	}
	defer c.dispatch(oneByOne{c.store.Webhooks(), accounts})()
	if !c.delayed() {
		t.Error("the suite noticed no delay")
	}
}
