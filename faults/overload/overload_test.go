//go:build unix

package overload_test

import (
	"os"
	"testing"

	"github.com/caisse/checkout/faults/effort"
	"github.com/caisse/checkout/faults/internal/child"
	"github.com/caisse/checkout/faults/overload"
	"github.com/caisse/checkout/faults/suite"
)

func TestMain(m *testing.M) {
	child.Main(overload.Programs()...)
	os.Exit(m.Run())
}

func TestSuites(t *testing.T) { suite.Test(t, overload.Suites()) }

func TestControls(t *testing.T) {
	seed := effort.Seed(t)
	for _, control := range overload.Controls() {
		t.Run(control.Name, func(t *testing.T) {
			said := control.Caught(t, seed)
			if said == "" {
				t.Errorf("the rule %q did not catch it", control.By)
			}
			t.Log(said)
		})
	}
}
