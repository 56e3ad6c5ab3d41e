//go:build unix

package crash

import (
	"slices"

	"github.com/caisse/checkout/faults/internal/child"
	"github.com/caisse/checkout/faults/internal/shop"
	"github.com/caisse/checkout/faults/stores"
	"github.com/caisse/checkout/faults/suite"
)

// Programs lists the programs that child.Main must know in a binary that runs the suites.
func Programs() []child.Program { return []child.Program{shop.Program()} }

// Suites lists what this package tries.
func Suites() []suite.Suite {
	return slices.Concat(
		suite.Each("kill -9 at each named point", named, stores.SQLite, stores.Postgres),
		suite.Each("kill -9 before system calls", beforeCalls, stores.SQLite),
		suite.Each("kill -9 at random", random, stores.SQLite, stores.Postgres),
		suite.Each("kill -9 of one of two processes", pairs, stores.SQLite, stores.Postgres),
		suite.Each("SIGSTOP in the middle of a write", stopped, stores.SQLite, stores.Postgres),
	)
}
