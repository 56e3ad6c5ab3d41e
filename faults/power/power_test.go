//go:build linux

package power_test

import (
	"os"
	"testing"

	"github.com/caisse/checkout/faults/internal/child"
	"github.com/caisse/checkout/faults/power"
	"github.com/caisse/checkout/faults/suite"
)

func TestMain(m *testing.M) {
	child.Main(power.Programs()...)
	os.Exit(m.Run())
}

func TestSuites(t *testing.T) { suite.Test(t, power.Suites()) }
