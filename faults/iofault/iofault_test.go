//go:build linux

package iofault_test

import (
	"os"
	"testing"

	"github.com/caisse/checkout/faults/internal/child"
	"github.com/caisse/checkout/faults/iofault"
	"github.com/caisse/checkout/faults/suite"
)

func TestMain(m *testing.M) {
	child.Main(iofault.Programs()...)
	os.Exit(m.Run())
}

func TestSuites(t *testing.T) { suite.Test(t, iofault.Suites()) }
