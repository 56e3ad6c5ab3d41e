//go:build unix

package crash_test

import (
	"os"
	"testing"

	"github.com/caisse/checkout/faults/crash"
	"github.com/caisse/checkout/faults/internal/child"
	"github.com/caisse/checkout/faults/suite"
	"github.com/caisse/checkout/internal/pgtest"
)

func TestMain(m *testing.M) {
	child.Main(crash.Programs()...)
	os.Exit(pgtest.Main(m))
}

func TestSuites(t *testing.T) { suite.Test(t, crash.Suites()) }
