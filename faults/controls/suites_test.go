//go:build linux

package controls_test

import (
	"slices"
	"testing"

	"github.com/caisse/checkout/faults/crash"
	"github.com/caisse/checkout/faults/effort"
	"github.com/caisse/checkout/faults/internal/child"
	"github.com/caisse/checkout/faults/internal/shop"
	"github.com/caisse/checkout/faults/iofault"
	"github.com/caisse/checkout/faults/overload"
	"github.com/caisse/checkout/faults/pgfault"
	"github.com/caisse/checkout/faults/power"
)

func programs() []child.Program {
	return slices.Concat(crash.Programs(), iofault.Programs(), power.Programs(), overload.Programs())
}

// planted is a bug, or a wrong setting, that shows only when a fault happens.
type planted struct {
	name   string
	caught func(tb testing.TB, seed uint64) string
}

// TestSuites shows that each suite of faults can fail: it must catch every bug that its package lists in Controls.
func TestSuites(t *testing.T) {
	of := func(all []shop.Control) (bugs []planted) {
		for _, c := range all {
			bugs = append(bugs, planted{c.Name, c.Caught})
		}
		return bugs
	}
	suites := []struct {
		name string
		bugs []planted
	}{
		{"crash", of(crash.Controls())},
		{"iofault", of(iofault.Controls())},
		{"power", of(power.Controls())},
		{"pgfault", nil},
		{"overload", nil},
	}
	for _, c := range pgfault.Controls() {
		suites[3].bugs = append(suites[3].bugs, planted{c.Name, c.Caught})
	}
	for _, c := range overload.Controls() {
		suites[4].bugs = append(suites[4].bugs, planted{c.Name, c.Caught})
	}
	seed := effort.Seed(t)
	for _, s := range suites {
		t.Run(s.name, func(t *testing.T) {
			if s.name == "crash" || s.name == "iofault" {
				t.Setenv("TMPDIR", t.TempDir()) // these suites save histories, which are removed with the test
			}
			for _, bug := range s.bugs {
				t.Run(bug.name, func(t *testing.T) {
					complaint := bug.caught(t, seed)
					if complaint == "" {
						t.Fatal("the suite did not catch the bug")
					}
					t.Logf("caught: %.300s", complaint)
				})
			}
		})
	}
}
