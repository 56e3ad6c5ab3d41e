//go:build linux

package iofault

import (
	"math/rand/v2"
	"testing"

	"github.com/caisse/checkout/faults/internal/shop"
)

// Controls are what the suites must catch, beside what they look for themselves.
func Controls() []shop.Control {
	return []shop.Control{
		{Name: shop.Healing, Round: func(tb testing.TB, choose *rand.Rand) {
			b := newBench(tb, "")
			r := shop.NewRound(tb, b.place(), "control", choose.Uint64())
			_, late := b.run(r, flush{what: "a commit's", file: logFile, nth: 8 + choose.IntN(10)}, false, shop.Healing)
			if len(late) > 0 {
				tb.Errorf("%d writes were acknowledged after a flush had failed", len(late))
			}
		}},
	}
}
