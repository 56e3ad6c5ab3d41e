package model

import (
	"testing"

	"github.com/caisse/checkout/faults/stores"
	"github.com/caisse/checkout/faults/suite"
)

// Suites lists what this package tries: random programs on each store.
func Suites() []suite.Suite {
	return suite.Each("random programs beside a model", func(tb testing.TB, kind stores.Kind, o suite.Options) suite.Result {
		programs := o.Times(60, 2000)
		target := Target{Name: string(kind), Store: stores.Open(tb, kind, "synchronous_commit=off")}
		report := Check(tb, Options{Seed: o.Seed, Programs: programs}, target)
		return suite.Result{Runs: programs, Tally: report.Tally}
	})
}
