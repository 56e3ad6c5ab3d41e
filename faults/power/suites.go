//go:build linux

package power

import (
	"testing"

	"github.com/caisse/checkout/faults/internal/child"
	"github.com/caisse/checkout/faults/internal/isolated"
	"github.com/caisse/checkout/faults/internal/shop"
	"github.com/caisse/checkout/faults/stores"
	"github.com/caisse/checkout/faults/suite"
)

// The programs that run the suite and the control in a process of their own.
const (
	program = "power"
	control = "power, unflushed"
)

// Programs lists the programs that child.Main must know in a binary that runs the suites.
func Programs() []child.Program {
	return []child.Program{shop.Program(), isolated.Program(program, cuts), isolated.Program(control, unflushed)}
}

// Suites lists what this package tries.
func Suites() []suite.Suite {
	return suite.Each("power cut", func(tb testing.TB, kind stores.Kind, o suite.Options) suite.Result {
		return isolated.Suite(tb, program, kind, o)
	}, stores.SQLite, stores.Postgres)
}
