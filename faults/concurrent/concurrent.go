// Package concurrent has two suites in which many callers use few sessions at once: one without faults, and one in which answers of the
// store get lost. The oracle judges the answers to the callers.
package concurrent

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/faults/clock"
	"github.com/caisse/checkout/faults/history"
	"github.com/caisse/checkout/faults/lossy"
	"github.com/caisse/checkout/faults/oracle"
	"github.com/caisse/checkout/faults/stores"
	"github.com/caisse/checkout/faults/suite"
	"github.com/caisse/checkout/faults/workload"
)

// Suites lists what this package tries.
func Suites() []suite.Suite {
	return slices.Concat(
		suite.Each("many callers on few sessions", func(tb testing.TB, kind stores.Kind, o suite.Options) suite.Result {
			return run(tb, kind, o, lossy.Odds{Late: 30})
		}),
		suite.Each("answers of the store lost", func(tb testing.TB, kind stores.Kind, o suite.Options) suite.Result {
			return run(tb, kind, o, lossy.Odds{Unavailable: 5, Lost: 5, Dropped: 5, Late: 30})
		}),
	)
}

// run makes rounds of one workload, each on sessions of its own in the same store.
func run(tb testing.TB, kind stores.Kind, o suite.Options, odds lossy.Odds) (result suite.Result) {
	tb.Helper()
	rounds := o.Times(8, 150)
	random := o.Random(1)
	now := clock.At(time.Date(2026, time.November, 22, 7, 31, 56, 123456789, time.UTC))
	store := stores.Open(tb, kind)
	sound, err := checkout.New(store, checkout.Config{Clock: now})
	if err != nil {
		tb.Fatal(err)
	}
	for round := range rounds {
		unsound := sound.WithStore(lossy.New(store, odds, random.Uint64()))
		plan := workload.Plan{
			Seed:    random.Uint64(),
			Name:    fmt.Sprintf("round %d", round),
			Callers: 4 << random.IntN(4),
			Keys:    2 + random.IntN(8),
			Retries: 3,
			Clock:   now,
		}
		plan.Calls = 256 / plan.Callers
		recorder := history.New(history.Header{Test: tb.Name(), Store: string(kind), Seed: o.Seed}, now)
		workload.Run(tb.Context(), plan, recorder, unsound)
		plan.FeedTime = workload.FeedTime
		workload.Settle(tb.Context(), plan, recorder, sound)
		verdict := oracle.Check(tb, recorder.History(), oracle.Options{Faultless: odds.Unavailable == 0})
		result.Add(verdict.Tally)
		if tb.Failed() {
			tb.FailNow()
		}
	}
	return result
}
