//go:build unix

package shop

import (
	"context"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/caisse/checkout/faults/trial"
)

// Control is a bug, or a mishap, that a package's tests are there to catch.
type Control struct {
	Name string
	// Round tries once. It fails tb where it has caught the bug, which not every round need do.
	Round func(tb testing.TB, choose *rand.Rand)
}

// Caught makes rounds until one has caught the bug, and returns what that said; "" is that ten have not.
func (c Control) Caught(ctx context.Context, seed uint64) string {
	choose := rand.New(rand.NewPCG(seed, 0))
	for range 10 {
		report := trial.Run(ctx, c.Name, func(tb testing.TB) { c.Round(tb, choose) })
		if report.Failed {
			line, _, _ := strings.Cut(report.Log, "\n")
			return line
		}
	}
	return ""
}

// TestControls fails for each bug that is not caught.
func TestControls(t *testing.T, controls []Control, seed uint64) {
	t.Helper()
	t.Setenv("TMPDIR", t.TempDir()) // where histories are saved, which are of no use here
	for _, c := range controls {
		t.Run("catches: "+c.Name, func(t *testing.T) {
			what := c.Caught(t.Context(), seed)
			if what == "" {
				t.Error("not caught")
			}
			t.Log(what)
		})
	}
}
