//go:build unix

package overload

import (
	"testing"

	"github.com/caisse/checkout/faults/stores"
	"github.com/caisse/checkout/faults/suite"
)

// Suites lists what this package tries.
func Suites() []suite.Suite {
	var suites []suite.Suite
	for _, s := range []struct {
		fault string
		run   func(tb testing.TB, o suite.Options) suite.Result
	}{
		{"2, 5 and 10 times the load", overloads},
		{"2, 5 and 10 times the load of a slow disk, bounded", overloadsOfDisk},
		{"1,000 callers with one key", stampedes},
		{"clients that leave in every phase", departures},
		{"slow bodies", slowBodies},
		{"wrong lengths", wrongLengths},
	} {
		suites = append(suites, suite.Each(s.fault, func(tb testing.TB, _ stores.Kind, o suite.Options) suite.Result { return s.run(tb, o) }, stores.SQLite)...)
	}
	return suites
}
