//go:build !race

package paypage_test

import (
	"testing"

	"github.com/caisse/checkout/paypage"
)

// TestRenderingAllocatesLittle proves that drawing a page takes few allocations, because it reuses its buffers. It does not run with the
// race detector, which makes sync.Pool drop values at random.
func TestRenderingAllocatesLittle(t *testing.T) {
	draw := paypage.Rendering(t)
	for _, state := range []string{"created", "waiting"} {
		n := testing.AllocsPerRun(100, func() { draw(state) })
		t.Logf("%s: %v allocations, %d bytes", state, n, draw(state))
		if n > 100 {
			t.Errorf("%s: %v allocations, want at most 100", state, n)
		}
	}
}
