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

// planted is a bug, or a setting, for which it takes a fault to be seen.
type planted struct {
	name   string
	caught func(tb testing.TB, seed uint64) string
}

// TestSuites has each suite that breaks things find the bugs that it is for.
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
				t.Setenv("TMPDIR", t.TempDir()) // where histories are saved, which are of no use here
			}
			for _, bug := range s.bugs {
				t.Run(bug.name, func(t *testing.T) {
					said := bug.caught(t, seed)
					if said == "" {
						t.Fatal("not caught")
					}
					t.Logf("caught: %.300s", said)
				})
			}
		})
	}
}
