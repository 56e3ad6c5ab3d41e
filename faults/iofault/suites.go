//go:build linux

package iofault

import (
	"testing"

	"github.com/caisse/checkout/faults/internal/child"
	"github.com/caisse/checkout/faults/internal/isolated"
	"github.com/caisse/checkout/faults/internal/shop"
	"github.com/caisse/checkout/faults/stores"
	"github.com/caisse/checkout/faults/suite"
)

// faults lists the faults that this package makes.
var faults = []struct {
	name  string
	run   isolated.Run
	mount bool // it needs a file system of its own
}{
	{"a flush fails once", flushFailsOnce, false},
	{"flushes fail for good", flushesFail, false},
	{"a write fails once", writeFails, false},
	{"disk full, told by the system call", noSpace, false},
	{"disk full", full, true},
	{"flushes take long", slow, false},
	{"files must not grow", limited, false},
	{"no more files to be had", exhausted, false},
}

// Programs lists the programs that child.Main must know in a binary that runs the suites.
func Programs() []child.Program {
	programs := []child.Program{shop.Program()}
	for _, f := range faults {
		programs = append(programs, isolated.Program(f.name, f.run))
	}
	return programs
}

// Suites lists what this package tries.
func Suites() []suite.Suite {
	var suites []suite.Suite
	for _, f := range faults {
		suites = append(suites, suite.Each(f.name, func(tb testing.TB, kind stores.Kind, o suite.Options) suite.Result {
			if isolated.Possible() || f.mount {
				return isolated.Suite(tb, f.name, kind, o)
			}
			result := f.run(tb, "", kind, o)
			result.Notes = append(result.Notes, "without root: no power was cut at the end of a round")
			return result
		}, stores.SQLite)...)
	}
	return suites
}
