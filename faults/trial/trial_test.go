package trial_test

import (
	"os"
	"strings"
	"testing"

	"github.com/matryer/is"

	_ "github.com/caisse/checkout/faults/effort" // defines the flags -long and -seed
	"github.com/caisse/checkout/faults/trial"
)

// TestRun proves that a trial behaves as a test of package testing does, but reports its result instead of failing the test around it.
// The controls need that, because they run suites that must fail.
func TestRun(t *testing.T) {
	for _, tt := range []struct {
		name string
		f    func(testing.TB)
		want trial.Report
	}{
		{"passes", func(tb testing.TB) { tb.Log("fine", 1) }, trial.Report{Log: "fine 1\n"}},
		{"fails and goes on", func(tb testing.TB) {
			tb.Errorf("%d is odd", 3)
			tb.Error("still here")
		}, trial.Report{Failed: true, Log: "3 is odd\nstill here\n"}},
		{"fails and ends", func(tb testing.TB) {
			tb.Fatalf("%s", "over")
			tb.Log("never said")
		}, trial.Report{Failed: true, Log: "over\n"}},
		{"skips", func(tb testing.TB) {
			tb.Skip("no disk")
			tb.Log("never said")
		}, trial.Report{Skipped: true, Log: "no disk\n"}},
		{"fails rather than skips", func(tb testing.TB) {
			tb.Error("bad")
			tb.Skipf("no %s", "disk")
		}, trial.Report{Failed: true, Log: "bad\nno disk\n"}},
		{"runs every cleanup in reverse order, even if one fails", func(tb testing.TB) {
			tb.Cleanup(func() { tb.Log("first") })
			tb.Cleanup(func() { tb.Fatal("second") })
			tb.Cleanup(func() { tb.Log(tb.Context().Err(), tb.Failed(), tb.Skipped()) })
		}, trial.Report{Failed: true, Log: "context canceled false false\nsecond\nfirst\n"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			is := is.New(t)
			is.Equal(trial.Run(t.Context(), "trial", tt.f), tt.want)
		})
	}

	t.Run("reports a panic", func(t *testing.T) {
		is := is.New(t)
		cleaned := false
		report := trial.Run(t.Context(), "trial", func(tb testing.TB) {
			tb.Cleanup(func() { cleaned = true })
			panic("at the disco")
		})
		is.True(report.Failed)
		is.True(strings.Contains(report.Log, "at the disco"))
		is.True(cleaned)
	})

	t.Run("gives a name, a context and a folder that is removed", func(t *testing.T) {
		is := is.New(t)
		var dir string
		report := trial.Run(t.Context(), "trial", func(tb testing.TB) {
			tb.Helper()
			dir = tb.TempDir()
			if _, err := os.Stat(dir); err != nil || tb.Name() != "trial" || tb.Context().Err() != nil {
				tb.Error("the folder, the name or the context is wrong")
			}
		})
		is.Equal(report, trial.Report{})
		_, err := os.Stat(dir)
		is.True(os.IsNotExist(err))
	})
}
