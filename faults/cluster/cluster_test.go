package cluster

import (
	"testing"

	"github.com/caisse/checkout/faults/suite"
)

func TestSuites(t *testing.T) { suite.Test(t, Suites()) }
