//go:build unix

package overload_test

import (
	"os"
	"testing"

	"github.com/caisse/checkout/faults/internal/child"
	"github.com/caisse/checkout/faults/overload"
	"github.com/caisse/checkout/faults/suite"
)

func TestMain(m *testing.M) {
	child.Main(overload.Programs()...)
	os.Exit(m.Run())
}

func TestSuites(t *testing.T) { suite.Test(t, overload.Suites()) }
