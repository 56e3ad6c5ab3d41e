//go:build !linux

package cluster

import (
	"testing"

	"github.com/caisse/checkout/faults/stores"
	"github.com/caisse/checkout/faults/suite"
)

// Suites lists what this package would try.
func Suites() []suite.Suite {
	return suite.Each("a cluster under Patroni", func(tb testing.TB, _ stores.Kind, _ suite.Options) suite.Result {
		tb.Skip("takes Linux")
		return suite.Result{}
	}, stores.Postgres)
}
