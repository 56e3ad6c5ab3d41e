package suite_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/matryer/is"

	"github.com/caisse/checkout/faults/oracle"
	"github.com/caisse/checkout/faults/stores"
	"github.com/caisse/checkout/faults/suite"
)

// TestTry proves which results fail a suite. A suite that loses a session, or tries nothing, must not pass.
func TestTry(t *testing.T) {
	fine := suite.Result{Runs: 2, Tally: oracle.Tally{Operations: 9, Acknowledged: 7}}
	for _, tt := range []struct {
		name   string
		run    func(tb testing.TB) suite.Result
		failed bool
		notRun string
	}{
		{"passes a suite that lost nothing", func(testing.TB) suite.Result { return fine }, false, ""},
		{"fails a suite that lost a session", func(testing.TB) suite.Result {
			r := fine
			r.Tally.Lost = 1
			return r
		}, true, ""},
		{"fails a suite that doubled a session", func(testing.TB) suite.Result {
			r := fine
			r.Tally.Doubled = 1
			return r
		}, true, ""},
		{"fails a suite that missed an event", func(testing.TB) suite.Result {
			r := fine
			r.Tally.Missing = 1
			return r
		}, true, ""},
		{"fails a suite that tried nothing", func(testing.TB) suite.Result { return suite.Result{} }, true, ""},
		{"fails a suite that reported an error", func(tb testing.TB) suite.Result {
			tb.Error("an order that explains nothing")
			return fine
		}, true, ""},
		{"reports a suite as not run if it skips", func(tb testing.TB) suite.Result {
			tb.Skip("no loop devices")
			return fine
		}, false, "no loop devices\n"},
		{"fails a suite that panicked", func(testing.TB) suite.Result { panic("a nil map") }, true, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			is := is.New(t)
			row := suite.Suite{Fault: "fault", Store: stores.SQLite, Run: func(tb testing.TB, o suite.Options) suite.Result {
				is.Equal(o, suite.Options{Long: true, Seed: 7})
				return tt.run(tb)
			}}.Try(t.Context(), suite.Options{Long: true, Seed: 7})
			is.Equal(row.Failed, tt.failed)
			is.Equal(row.NotRun, tt.notRun)
			is.Equal(suite.Report{Rows: []suite.Row{{}, row}}.OK(), !tt.failed)
		})
	}
}

func TestReport(t *testing.T) {
	r := suite.Report{
		Revision: "abc123", Seed: 7, Long: true, Machine: "linux/amd64 with 2 processors",
		Versions: map[string]string{"Go": "1.26.8", "SQLite": "3.53.4"},
		Started:  time.Date(2026, time.November, 22, 7, 31, 56, 0, time.UTC),
		Rows: []suite.Row{
			{Fault: "killed", Store: "sqlite", Result: suite.Result{
				Runs: 1000, Tally: oracle.Tally{Operations: 1234567, Acknowledged: 99, Unknown: 12, Converged: 12, Events: 34}, Notes: []string{"in 3 s", "or a|b"},
			}},
			{Fault: "killed", Store: "postgres", Failed: true, Result: suite.Result{Runs: 1, Tally: oracle.Tally{Lost: 2, Doubled: 1, Missing: 3}}, Log: "lost"},
			{Fault: "power cut", Store: "sqlite", NotRun: "no loop devices\n"},
		},
	}

	t.Run("is written as a table in Markdown", func(t *testing.T) {
		is := is.New(t)
		var b strings.Builder
		is.NoErr(r.WriteMarkdown(&b))
		is.Equal(b.String(), `| fault | store | runs | operations | acknowledged | lost | doubled | unknown | converged | events | missing | |
| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |
| killed | sqlite | 1,000 | 1,234,567 | 99 | 0 | 0 | 12 | 12 | 34 | 0 | in 3 s; or a\|b |
| killed | postgres | 1 | 0 | 0 | 2 | 1 | 0 | 0 | 0 | 3 | **failed** |
| power cut | sqlite | | | | | | | | | | not run: no loop devices |
| all | | 1,001 | 1,234,567 | 99 | 2 | 1 | 12 | 12 | 34 | 3 | |

Revision abc123, long pass, seed 7, Go 1.26.8, SQLite 3.53.4, on linux/amd64 with 2 processors, 22 November 2026.
`)
	})

	t.Run("is written to JSON without a loss", func(t *testing.T) {
		is := is.New(t)
		var b bytes.Buffer
		is.NoErr(r.WriteJSON(&b))
		var again suite.Report
		is.NoErr(json.Unmarshal(b.Bytes(), &again))
		is.Equal(again, r)
	})
}
