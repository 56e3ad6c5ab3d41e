//go:build unix

package shop

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/caisse/checkout/faults/trial"
)

// Control is a bug or a wrong setting that a suite must catch.
type Control struct {
	Name string
	By   string // part of what the round must report: a rule of the oracle, or the name of a check
	// Round tries once. It fails tb if it caught the bug. Not every round has to catch it.
	Round func(tb testing.TB, choose *rand.Rand)
}

// Caught makes rounds until one catches the bug, and returns what it reported. After ten rounds it gives up and returns "". tb is
// skipped if the machine lacks what a round needs.
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
