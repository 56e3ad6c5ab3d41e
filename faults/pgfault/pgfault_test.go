package pgfault_test

import (
	"os"
	"testing"

	"github.com/caisse/checkout/faults/effort"
	"github.com/caisse/checkout/faults/pgfault"
	"github.com/caisse/checkout/faults/suite"
	"github.com/caisse/checkout/internal/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

func TestSuites(t *testing.T) { suite.Test(t, pgfault.Suites()) }

func TestControls(t *testing.T) {
	seed := effort.Seed(t)
	for _, control := range pgfault.Controls() {
		t.Run(control.Name, func(t *testing.T) {
			t.Parallel()
			said := control.Caught(t, seed)
			if said == "" {
				t.Errorf("the rule %q did not catch it", control.By)
			}
			t.Log(said)
		})
	}
}
