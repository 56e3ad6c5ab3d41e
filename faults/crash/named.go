//go:build unix

package crash

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/caisse/checkout/faults/internal/child"
	"github.com/caisse/checkout/faults/internal/seam"
	"github.com/caisse/checkout/faults/internal/shop"
	"github.com/caisse/checkout/faults/stores"
	"github.com/caisse/checkout/faults/suite"
)

// named kills a shop once, or in a long run several times, at each point of its driver.
func named(tb testing.TB, kind stores.Kind, o suite.Options) (result suite.Result) {
	tb.Helper()
	choose := rand.New(rand.NewPCG(o.Seed, 1))
	g := shop.NewGround(tb, kind)
	points, times := driverPoints(kind), 1
	if o.Long {
		times = 6
	}
	for range times {
		for _, p := range points {
			trap := seam.Trap{Point: p, Nth: 1 + choose.IntN(most(p))}
			until(tb, &result, fmt.Sprintf("%d times %q", trap.Nth, p), func() (*shop.Round, bool) {
				r := shop.NewRound(tb, g.Place(), string(p), choose.Uint64())
				keys, calls := effortTo(p)
				r.Keys = keys
				victim := r.Start(child.Options{}, func(c *shop.Config) { c.Host, c.Calls, c.Trap = true, calls, trap })
				r.End(victim)
				return r, victim.Killed()
			})
		}
	}
	result.Notes = append(g.Check(), fmt.Sprintf("%d points", len(points)))
	return result
}

func driverPoints(kind stores.Kind) []seam.Point {
	if kind == stores.Postgres {
		return seam.PostgresPoints()
	}
	return seam.SQLitePoints()
}

// most is how often a shop surely comes to a point.
func most(p seam.Point) int {
	switch p {
	case seam.BeforeMigration, seam.MigrationBegun, seam.BeforeMigrated, seam.Migrated, seam.BeforeMigrationOut,
		seam.HalfMigrationOut, seam.MigrationOut, seam.MigratedOut, seam.BeforeAccount, seam.AfterAccount, seam.BeforeConnecting:
		return 1
	case seam.MigrationStatement:
		return 8
	case seam.BeforeBegin, seam.Begun, seam.BeforeCommit, seam.AfterCommit, seam.BeforeInsert, seam.AfterInsert:
		return 20
	}
	return 2
}

// calls is how many calls each of a shop's callers makes at most: more than the last point takes, and no point that is
// never come to takes for ever.
const calls = 50

// effortTo is how many keys a shop has for a point, and how many calls. Nothing expires before 100 ms, so only a shop that
// still makes sessions after that has a sweep that finds one.
func effortTo(p seam.Point) (keys, most int) {
	if p == seam.AmidSweep {
		return 600, 20 * calls
	}
	return 12, calls
}

// tries is how many shops are started for one point.
const tries = 20

// until tries one shop after the other until one has come to a point. A shop does what its seed has chosen, and whether a
// sweep finds a row, say, is up to the machine as well: one that ends by itself is judged like the others.
func until(tb testing.TB, result *suite.Result, point string, try func() (r *shop.Round, came bool)) {
	tb.Helper()
	for range tries {
		r, came := try()
		result.AddIf(came, r.Settle().Tally)
		if came {
			return
		}
	}
	tb.Fatalf("%d shops came to their end, and not to the point: %s", tries, point)
}
