package pgfault_test

import (
	"os"
	"testing"

	"github.com/caisse/checkout/faults/pgfault"
	"github.com/caisse/checkout/faults/suite"
	"github.com/caisse/checkout/internal/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

func TestSuites(t *testing.T) { suite.Test(t, pgfault.Suites()) }
