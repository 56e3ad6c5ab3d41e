//go:build !unix

package delivery

import (
	"github.com/caisse/checkout/faults/internal/child"
	"github.com/caisse/checkout/faults/stores"
	"github.com/caisse/checkout/faults/suite"
)

// Programs returns none, because this system runs no suite that kills processes.
func Programs() []child.Program { return nil }

// Suites lists the suites of this package that kill no process.
func Suites() []suite.Suite {
	return suite.Each("receivers that hang, fail and flood", receivers, stores.SQLite, stores.Postgres)
}
