//go:build !unix

package overload

import (
	"github.com/caisse/checkout/faults/internal/child"
	"github.com/caisse/checkout/faults/stores"
	"github.com/caisse/checkout/faults/suite"
)

// Programs are none.
func Programs() []child.Program { return nil }

// Suites says that nothing can be tried.
func Suites() []suite.Suite { return suite.Elsewhere("overload", "Unix", stores.SQLite) }
