//go:build !race

package paypage_test

import (
	"testing"

	"github.com/caisse/checkout/paypage"
)

// The race detector has sync.Pool forget at random, so this is counted without it.
func TestRenderingAllocatesLittle(t *testing.T) {
	view, draw := paypage.Rendering(t)
	for _, state := range []string{"unbegun", "waiting"} {
		n := testing.AllocsPerRun(100, func() { draw(state) })
		t.Logf("%s: %v allocations, %d bytes", state, n, view(state))
		if n > 100 {
			t.Errorf("%s: %v allocations", state, n)
		}
	}
}
