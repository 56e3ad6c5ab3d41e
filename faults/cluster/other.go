//go:build !linux

package cluster

import (
	"github.com/caisse/checkout/faults/stores"
	"github.com/caisse/checkout/faults/suite"
)

// Suites lists suites that only skip, because this system cannot run them.
func Suites() []suite.Suite {
	return suite.Elsewhere("a cluster under Patroni", "Linux", stores.Postgres)
}
