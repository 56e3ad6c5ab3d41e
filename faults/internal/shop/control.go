//go:build unix

package shop

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/caisse/checkout/faults/trial"
)

// Control is a bug, or a mishap, that the suites are there to catch.
type Control struct {
	Name string
	By   string // what the round must say of it, as a part: a rule of the oracle's, or a check by its name
	// Round tries once. It fails tb where it has caught the bug, which not every round need do.
	Round func(tb testing.TB, choose *rand.Rand)
}

// Caught makes rounds until one has caught the bug, and returns what that said; "" is that ten have not. Where the machine
// lacks what a round takes, tb is skipped.
func (c Control) Caught(tb testing.TB, seed uint64) string {
	tb.Helper()
	choose := rand.New(rand.NewPCG(seed, 0))
	for range 10 {
		report := trial.Run(tb.Context(), c.Name, func(tb testing.TB) { c.Round(tb, choose) })
		for line := range strings.Lines(report.Log) {
			if report.Failed && strings.Contains(line, c.By) {
				return strings.TrimSpace(line)
			}
		}
		if report.Skipped {
			tb.Skip(strings.TrimSpace(report.Log))
		}
		tb.Log(strings.TrimSpace(report.Log))
	}
	return ""
}
