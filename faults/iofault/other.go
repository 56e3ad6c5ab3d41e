//go:build !linux

package iofault

import (
	"github.com/caisse/checkout/faults/internal/child"
	"github.com/caisse/checkout/faults/stores"
	"github.com/caisse/checkout/faults/suite"
)

// Programs returns none, because this system runs no suite.
func Programs() []child.Program { return nil }

// Suites lists suites that only skip, because this system cannot run them.
func Suites() []suite.Suite { return suite.Elsewhere("failing disk", "Linux", stores.SQLite) }
