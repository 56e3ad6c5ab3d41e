// Package suite defines a suite, which tries one fault on one store, and the report of all suites. Both go test and the
// report run suites.
package suite

import (
	"context"
	"math/rand/v2"
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
	// Run tries the fault and returns what it counted. If something happens that must not happen, it fails tb. If the machine
	// lacks something, it skips tb and says what is missing. In the report, tb is one of package trial.
	Run func(tb testing.TB, o Options) Result
}

// Name returns what is tried: "fault on store".
func (s Suite) Name() string { return s.Fault + " on " + string(s.Store) }

// Options say how a suite is run.
type Options struct {
	Long bool
	Seed uint64
}

// Times returns how often to do something: short in a short pass, long in a long one.
func (o Options) Times(short, long int) int {
	if o.Long {
		return long
	}
	return short
}

// Random returns a generator whose choices follow from the seed. Each stream of a suite makes other choices.
func (o Options) Random(stream uint64) *rand.Rand { return rand.New(rand.NewPCG(o.Seed, stream)) }

// Result is what a suite counted.
type Result struct {
	Runs  int          `json:"runs"`            // how often the fault was made: kills, power cuts, rounds
	Tally oracle.Tally `json:"tally"`           // over all runs
	Notes []string     `json:"notes,omitempty"` // what else was measured, a few words each
}

// Add adds one run.
func (r *Result) Add(t oracle.Tally) { r.AddIf(true, t) }

// AddIf adds a tally. It counts as a run only if the fault was made.
func (r *Result) AddIf(made bool, t oracle.Tally) {
	if made {
		r.Runs++
	}
	r.Tally.Add(t)
}

// Each makes a suite for each of the given kinds of store, or for every kind if none is given.
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

// Elsewhere returns suites that only skip. Packages use it on systems that lack what their suites need.
func Elsewhere(fault, takes string, kinds ...stores.Kind) []Suite {
	return Each(fault, func(tb testing.TB, _ stores.Kind, _ Options) Result {
		tb.Skip("not run: it takes " + takes)
		return Result{}
	}, kinds...)
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

// Test runs suites as subtests. A subtest fails if something was lost or doubled, if an event is missing, or if nothing was tried.
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
