// Package suite is the form in which a fault is tried on a store, by go test and by the report.
package suite

import (
	"context"
	"testing"
	"time"

	"github.com/caisse/checkout/faults/effort"
	"github.com/caisse/checkout/faults/oracle"
	"github.com/caisse/checkout/faults/stores"
	"github.com/caisse/checkout/faults/trial"
)

// Suite tries one fault on one store.
type Suite struct {
	Fault string // what is done, in words: "reply to COMMIT dropped"
	Store stores.Kind
	// Run tries it, and returns what was counted. What must not be it reports to tb, to which it also leaves what is to
	// be cleared away: tb is a test's, or package trial's in the report. What the machine lacks it skips, saying what.
	Run func(tb testing.TB, o Options) Result
}

// Name is what is tried: "fault on store".
func (s Suite) Name() string { return s.Fault + " on " + string(s.Store) }

// Options say how a suite is run.
type Options struct {
	Long bool
	Seed uint64
}

// Result is what a suite counted.
type Result struct {
	Runs  int          `json:"runs"`            // how often the fault was made: kills, power cuts, rounds
	Tally oracle.Tally `json:"tally"`           // over all runs
	Notes []string     `json:"notes,omitempty"` // what else was measured, a few words each
}

// Add adds one run.
func (r *Result) Add(t oracle.Tally) { r.AddIf(true, t) }

// AddIf adds what was counted while the fault was to be made, and a run where it came to that.
func (r *Result) AddIf(made bool, t oracle.Tally) {
	if made {
		r.Runs++
	}
	r.Tally.Add(t)
}

// Each makes a suite for each of some stores, or of all that there are.
func Each(fault string, run func(tb testing.TB, kind stores.Kind, o Options) Result, kinds ...stores.Kind) []Suite {
	if len(kinds) == 0 {
		kinds = stores.Kinds()
	}
	var suites []Suite
	for _, kind := range kinds {
		suites = append(suites, Suite{fault, kind, func(tb testing.TB, o Options) Result { return run(tb, kind, o) }})
	}
	return suites
}

// Try runs the suite outside of a test.
func (s Suite) Try(ctx context.Context, o Options) Row {
	row := Row{Fault: s.Fault, Store: string(s.Store)}
	started := time.Now()
	report := trial.Run(ctx, s.Name(), func(tb testing.TB) { row.Result = s.Run(tb, o) })
	row.Took = time.Since(started).Seconds()
	switch {
	case report.Failed:
		row.Failed, row.Log = true, report.Log
	case report.Skipped:
		row.NotRun = report.Log
	default:
		row.Failed = !row.Result.sound()
	}
	return row
}

// sound reports whether something was tried, nothing lost or doubled, and no event missing.
func (r Result) sound() bool {
	return r.Runs > 0 && r.Tally.Acknowledged > 0 && r.Tally.Lost == 0 && r.Tally.Doubled == 0 && r.Tally.Missing == 0
}

// Test runs suites as subtests, and fails where something was lost or doubled.
func Test(t *testing.T, suites []Suite) {
	t.Helper()
	o := Options{Long: effort.Long(), Seed: effort.Seed(t)}
	for _, s := range suites {
		t.Run(s.Name(), func(t *testing.T) {
			r := s.Run(t, o)
			t.Logf("%d runs, %+v", r.Runs, r.Tally)
			for _, note := range r.Notes {
				t.Log(note)
			}
			if !r.sound() {
				t.Error("nothing was tried, something was lost or doubled, or an event is missing")
			}
		})
	}
}
