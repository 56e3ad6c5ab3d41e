//go:build !unix

package delivery

import (
	"github.com/caisse/checkout/faults/internal/child"
	"github.com/caisse/checkout/faults/stores"
	"github.com/caisse/checkout/faults/suite"
)

// Programs returns none.
func Programs() []child.Program { return nil }

// Suites lists what this package tries where no process is killed.
func Suites() []suite.Suite {
	return suite.Each("receivers that hang, fail and flood", receivers, stores.SQLite, stores.Postgres)
}
