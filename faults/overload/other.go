//go:build !unix

package overload

import (
	"testing"

	"github.com/caisse/checkout/faults/internal/child"
	"github.com/caisse/checkout/faults/stores"
	"github.com/caisse/checkout/faults/suite"
)

// Programs are none.
func Programs() []child.Program { return nil }

// Suites says that nothing can be tried.
func Suites() []suite.Suite {
	return suite.Each("overload", func(tb testing.TB, _ stores.Kind, _ suite.Options) suite.Result {
		tb.Skip("not run: it takes Unix")
		return suite.Result{}
	}, stores.SQLite)
}
