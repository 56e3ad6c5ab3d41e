//go:build unix

package crash

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/caisse/checkout/faults/internal/child"
	"github.com/caisse/checkout/faults/internal/shop"
	"github.com/caisse/checkout/faults/stores"
	"github.com/caisse/checkout/faults/suite"
)

// lives is how often a shop is started and killed before its data is judged.
const lives = 3

// random kills shops at random times, from their start on.
func random(tb testing.TB, kind stores.Kind, o suite.Options) (result suite.Result) {
	tb.Helper()
	choose := o.Random(2)
	g := shop.NewGround(tb, kind)
	rounds := o.Times(4, 100)
	for n := range rounds {
		r := shop.NewRound(tb, g.Place(), fmt.Sprintf("round %d", n), choose.Uint64())
		kills := 0
		for range lives {
			victim := killed(r, choose)
			r.End(victim)
			if victim.Killed() { // otherwise it had ended before the kill
				kills++
			}
		}
		result.Tally.Add(r.Settle().Tally)
		result.Runs += kills
	}
	result.Notes = append(result.Notes, g.Check()...)
	return result
}

// killed starts a shop and kills it after a while. It may be killed before it has opened its store.
func killed(r *shop.Round, choose *rand.Rand) *child.Process {
	victim := r.Start(child.Options{}, func(c *shop.Config) { c.Host, c.Calls = choose.IntN(2) == 0, 20*calls })
	if choose.IntN(4) > 0 {
		victim.Await(shop.Open)
	}
	time.Sleep(time.Duration(choose.Int64N(int64(150 * time.Millisecond))))
	victim.Kill()
	return victim
}

// pairs has two shops use one place, and kills one of them. The other must still get an answer to every call.
func pairs(tb testing.TB, kind stores.Kind, o suite.Options) (result suite.Result) {
	tb.Helper()
	choose := o.Random(3)
	g := shop.NewGround(tb, kind)
	rounds := o.Times(3, 60)
	for n := range rounds {
		r := shop.NewRound(tb, g.Place(), fmt.Sprintf("round %d", n), choose.Uint64())
		killed := pair(tb, r, choose, "")
		result.AddIf(killed, r.Settle().Tally)
	}
	result.Notes = append(result.Notes, g.Check()...)
	return result
}

// pair runs two shops on one place, and kills the first one. It reports whether that shop was killed: it may have ended before.
func pair(tb testing.TB, r *shop.Round, choose *rand.Rand, planted string) (killed bool) {
	tb.Helper()
	moment := time.Duration(choose.Int64N(int64(100 * time.Millisecond)))
	victim := r.Start(child.Options{}, func(c *shop.Config) {
		c.Planted, c.Host, c.Calls = planted, planted == "" && choose.IntN(2) == 0, 20*calls
	})
	survivor := r.Start(child.Options{}, func(c *shop.Config) { c.Planted, c.Calls = planted, 2*calls })
	survivor.Await(shop.Open)
	time.Sleep(moment)
	victim.Kill()
	r.End(victim)
	shop.Answered(tb, "the shop that was not killed", r.End(survivor))
	return victim.Killed()
}
