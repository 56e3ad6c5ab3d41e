//go:build linux

package iofault

import (
	"math/rand/v2"
	"testing"

	"github.com/caisse/checkout/faults/internal/shop"
)

// Controls are bugs that the suites must catch. Package controls tries them.
func Controls() []shop.Control {
	const late = "writes were acknowledged after a flush had failed"
	return []shop.Control{
		{Name: shop.Healing, By: late, Round: func(tb testing.TB, choose *rand.Rand) {
			b := newBench(tb, "")
			r := shop.NewRound(tb, b.place(), "control", choose.Uint64())
			seen := b.run(r, flush{what: "a commit's", file: logFile, nth: 8 + choose.IntN(10)}, false, shop.Healing)
			if n := len(seen.late); n > 0 {
				tb.Errorf("%d %s", n, late)
			}
		}},
	}
}
