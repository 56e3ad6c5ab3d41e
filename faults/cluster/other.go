//go:build !linux

package cluster

import (
	"github.com/caisse/checkout/faults/stores"
	"github.com/caisse/checkout/faults/suite"
)

// Suites says that nothing can be tried.
func Suites() []suite.Suite {
	return suite.Elsewhere("a cluster under Patroni", "Linux", stores.Postgres)
}
