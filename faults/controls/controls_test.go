package controls_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/faults/controls"
	"github.com/caisse/checkout/faults/effort"
	"github.com/caisse/checkout/faults/internal/child"
	"github.com/caisse/checkout/faults/stores"
	"github.com/caisse/checkout/internal/pgtest"
)

func TestMain(m *testing.M) {
	child.Main(programs()...)
	os.Exit(pgtest.Main(m))
}

// TestBugs tries the detectors on every planted bug. Each bug names the detectors that must catch it, and no detector may complain of a
// sound store. Without this test nobody would know whether the fault tests can fail.
func TestBugs(t *testing.T) {
	seed := effort.Seed(t)
	bugs := controls.Bugs()
	if os.Getenv(pgtest.Env) == "" && os.Getenv("CI") != "true" {
		t.Log("no PostgreSQL: the bug in its schema is not planted")
		bugs = slices.DeleteFunc(bugs, func(b controls.Bug) bool { return strings.HasPrefix(b.Name, "PostgreSQL") })
	}
	// These have no bug, so no detector may complain of them. Most bugs are planted in the plainest store, so it comes first.
	sound := []controls.Bug{
		{Name: "no bug: the plainest store", Store: controls.Sound},
		{Name: "no bug: the plainest store, failing honestly", Store: controls.Sound, Odds: controls.Honest()},
		{Name: "no bug: memory", Store: func(tb testing.TB) checkout.Store { return stores.Open(tb, stores.Memory) }},
	}
	complaints := conformanceComplaints(t, slices.Concat(sound, bugs))

	var table strings.Builder
	table.WriteString("| bug |")
	for _, d := range controls.Detectors() {
		fmt.Fprintf(&table, " %s |", d)
	}
	table.WriteString("\n| --- |" + strings.Repeat(" --- |", len(controls.Detectors())) + "\n")
	for i, bug := range slices.Concat(sound, bugs) {
		t.Run(bug.Name, func(t *testing.T) {
			caught := detect(t, bug, seed)
			if n := complaints[bug.Name]; n > 0 {
				caught[controls.StoreTest] = fmt.Sprintf("%d checks fail", n)
			}
			fmt.Fprintf(&table, "| %s |", bug.Name)
			for _, d := range controls.Detectors() {
				by, ok := caught[d]
				mark := ""
				if ok {
					mark = "caught"
					t.Logf("%s: %s", d, by)
				}
				fmt.Fprintf(&table, " %s |", mark)
				if i < len(sound) && ok {
					t.Errorf("%s complains of a store without a bug: %s", d, by)
				}
				untried := d == controls.StoreTest && bug.Slow && !effort.Long()
				if slices.Contains(bug.By, d) && !ok && !untried {
					t.Errorf("%s did not catch the bug", d)
				}
			}
			table.WriteString("\n")
			if i >= len(sound) && len(bug.By) == 0 {
				t.Error("the bug names no detector that must catch it")
			}
		})
	}
	t.Logf("which detector caught which bug:\n%s", table.String())
	if len(bugs) < 15 {
		t.Errorf("only %d bugs are planted, want at least 15", len(bugs))
	}
}
