//go:build unix

package crash

import (
	"fmt"
	"testing"
	"time"

	"github.com/caisse/checkout/faults/internal/child"
	"github.com/caisse/checkout/faults/internal/seam"
	"github.com/caisse/checkout/faults/internal/shop"
	"github.com/caisse/checkout/faults/stores"
	"github.com/caisse/checkout/faults/suite"
)

// stops returns the points at which a shop is stopped.
func stops(kind stores.Kind) []seam.Point {
	if kind == stores.Postgres {
		return []seam.Point{seam.CreateOut, seam.UpdateOut, seam.CommitOut, seam.CommitAnswered}
	}
	return []seam.Point{seam.Begun, seam.AfterInsert, seam.BeforeCommit, seam.AfterCommit}
}

// stopped stops a shop in the middle of a write, or just after it, has another shop use the same place meanwhile, and then continues the
// first shop or kills it. At some points the stopped shop has a lock that the other one waits for.
func stopped(tb testing.TB, kind stores.Kind, o suite.Options) (result suite.Result) {
	tb.Helper()
	choose := o.Random(4)
	g := shop.NewGround(tb, kind)
	times := o.Times(1, 8)
	for n := range times {
		for i, p := range stops(kind) {
			pause := 200 * time.Millisecond
			if n > 0 && n%4 == 0 {
				pause = 6 * time.Second // longer than a store waits for a lock
			}
			trap := seam.Trap{Point: p, Nth: 1 + choose.IntN(10), Stop: true}
			until(tb, &result, fmt.Sprintf("%d times %q", trap.Nth, p), func() (*shop.Round, bool) {
				r := shop.NewRound(tb, g.Place(), fmt.Sprintf("round %d, %s", n, p), choose.Uint64())
				return r, stop(r, trap, pause, (n+i)%2 == 0)
			})
		}
	}
	result.Notes = append(result.Notes, g.Check()...)
	return result
}

// stop stops a shop at a point. It reports whether the shop came to that point.
func stop(r *shop.Round, trap seam.Trap, pause time.Duration, kill bool) bool {
	first := r.Start(child.Options{}, func(c *shop.Config) { c.Host, c.Calls, c.Trap = true, calls, trap })
	if _, ok := first.Await(shop.At); !ok {
		r.End(first)
		return false
	}
	first.Stopped()
	second := r.Start(child.Options{}, func(c *shop.Config) { c.Calls = calls / 2 })
	second.Await(shop.Open)
	time.Sleep(pause)
	if kill {
		first.Kill()
	} else {
		first.Continue()
	}
	r.End(first)
	r.End(second)
	return true
}
