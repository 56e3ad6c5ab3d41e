//go:build unix

package crash

import (
	"fmt"
	"testing"

	"github.com/caisse/checkout/faults/internal/child"
	"github.com/caisse/checkout/faults/internal/seam"
	"github.com/caisse/checkout/faults/internal/shop"
	"github.com/caisse/checkout/faults/stores"
	"github.com/caisse/checkout/faults/suite"
)

// named kills one shop at each point of the driver, and in a long pass several.
func named(tb testing.TB, kind stores.Kind, o suite.Options) (result suite.Result) {
	tb.Helper()
	choose := o.Random(1)
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

// most returns how often a shop usually comes to a point, at least. The kill must not come at a later visit.
func most(p seam.Point) int {
	switch p {
	case seam.BeforeMigration, seam.MigrationBegun, seam.BeforeMigrated, seam.Migrated, seam.BeforeMigrationOut,
		seam.HalfMigrationOut, seam.MigrationOut, seam.BeforeAccount, seam.AfterAccount, seam.BeforeConnecting:
		return 1
	case seam.MigrationStatement:
		return 8
	case seam.MigratedOut: // a commit for each migration
		return 7
	case seam.BeforeBegin, seam.Begun, seam.BeforeCommit, seam.AfterCommit, seam.BeforeInsert, seam.AfterInsert:
		return 20
	}
	return 2
}

// calls is how many calls each caller of a shop makes, unless a suite says otherwise. So many calls are enough to reach every point but
// AmidSweep. After them a shop that has not reached its point ends.
const calls = 50

// effortTo returns how many keys and calls a shop needs to reach a point. Nothing expires before 100 ms, so a sweep finds something
// only in a shop that still creates sessions after that.
func effortTo(p seam.Point) (keys, most int) {
	if p == seam.AmidSweep {
		return 600, 20 * calls
	}
	return 12, calls
}

// tries is how many shops are started for one point.
const tries = 20

// until starts one shop after the other until one has come to a point. Whether a shop does so depends on the machine as well as on
// the seed: a sweep may find nothing, for example. A shop that ends by itself is judged like the others.
func until(tb testing.TB, result *suite.Result, point string, try func() (r *shop.Round, came bool)) {
	tb.Helper()
	for range tries {
		r, came := try()
		result.AddIf(came, r.Settle().Tally)
		if came {
			return
		}
	}
	tb.Fatalf("%d shops ended without coming to the point: %s", tries, point)
}
