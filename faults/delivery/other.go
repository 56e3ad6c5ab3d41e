//go:build !unix

package delivery

import (
	"github.com/caisse/checkout/faults/internal/child"
	"github.com/caisse/checkout/faults/suite"
)

// Programs has none.
func Programs() []child.Program { return nil }

// Suites has none.
func Suites() []suite.Suite { return nil }
