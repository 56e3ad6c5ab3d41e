package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/matryer/is"

	"github.com/caisse/checkout/faults/oracle"
	"github.com/caisse/checkout/faults/stores"
	"github.com/caisse/checkout/faults/suite"
)

var everything = regexp.MustCompile("")

// sample returns a suite that loses nothing. The suite counts in tries how often it was run.
func sample(fault string, tries map[string]int, run func(testing.TB)) suite.Suite {
	return suite.Suite{Fault: fault, Store: stores.Memory, Run: func(tb testing.TB, _ suite.Options) suite.Result {
		tries[fault]++
		if run != nil {
			run(tb)
		}
		return suite.Result{Runs: 1, Tally: oracle.Tally{Operations: 10, Acknowledged: 5}}
	}}
}

func read(t *testing.T, file string) (report suite.Report) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &report); err != nil {
		t.Fatal(err)
	}
	return report
}

func names(report suite.Report) (all []string) {
	for _, row := range report.Rows {
		all = append(all, row.Fault)
	}
	return all
}

// TestJournal proves that a long pass can be interrupted and resumed: no row is lost, and no suite runs again without need.
func TestJournal(t *testing.T) {
	t.Run("writes each row to the file before the next suite begins, even if that one panics", func(t *testing.T) {
		is := is.New(t)
		tries := make(map[string]int)
		j := &journal{file: filepath.Join(t.TempDir(), "raw.json"), progress: &bytes.Buffer{}}
		j.all = []suite.Suite{
			sample("first", tries, func(testing.TB) { is.Equal(len(read(t, j.file).Rows), 0) }),
			sample("panics", tries, func(testing.TB) {
				is.Equal(names(read(t, j.file)), []string{"first"})
				panic("a nil map")
			}),
			sample("skips", tries, func(tb testing.TB) { tb.Skip("no loop devices") }),
			sample("last", tries, nil),
		}
		is.NoErr(j.try(t.Context(), everything))
		report := read(t, j.file)
		is.Equal(names(report), []string{"first", "panics", "skips", "last"})
		is.True(report.Rows[1].Failed)
		is.True(!report.OK())
		is.Equal(report.Rows[2].NotRun, "no loop devices\n")
		is.Equal(report.Rows[3].Result.Tally.Acknowledged, 5)
	})

	t.Run("keeps its rows when it is interrupted, and resumes with the missing and failed ones", func(t *testing.T) {
		is := is.New(t)
		tries := make(map[string]int)
		ctx, interrupt := context.WithCancel(t.Context())
		broken := true
		j := &journal{file: filepath.Join(t.TempDir(), "raw.json"), progress: &bytes.Buffer{}, report: suite.Report{Revision: "abc", Seed: 7}}
		j.all = []suite.Suite{
			sample("first", tries, nil),
			sample("second", tries, func(tb testing.TB) {
				if broken {
					tb.Error("broken")
				}
			}),
			sample("third", tries, func(testing.TB) { interrupt() }),
			sample("last", tries, nil),
		}
		is.True(j.try(ctx, everything) != nil)
		is.Equal(names(read(t, j.file)), []string{"first", "second"})

		broken = false
		again := &journal{file: j.file, progress: &bytes.Buffer{}, all: j.all, report: suite.Report{Revision: "abc", Seed: 8}}
		is.NoErr(again.resume())
		is.Equal(again.report.Seed, uint64(7))
		is.NoErr(again.try(t.Context(), regexp.MustCompile("^last on memory$")))
		is.Equal(names(read(t, j.file)), []string{"first", "second", "last"})
		is.NoErr(again.try(t.Context(), everything))
		is.Equal(names(read(t, j.file)), []string{"first", "second", "third", "last"})
		is.True(read(t, j.file).OK())
		is.Equal(tries, map[string]int{"first": 1, "second": 2, "third": 2, "last": 1})
	})

	t.Run("does not resume a report of another revision, or a short pass as a long one", func(t *testing.T) {
		is := is.New(t)
		j := &journal{file: filepath.Join(t.TempDir(), "raw.json"), report: suite.Report{Revision: "abc"}}
		is.True(j.resume() != nil) // there is no file yet
		is.NoErr(j.write())
		is.NoErr(j.resume())
		j.report.Revision = "def"
		is.True(j.resume() != nil)
		j.report.Revision, j.report.Long = "abc", true
		is.True(j.resume() != nil)
	})

	t.Run("fails before the first suite if it cannot write the file", func(t *testing.T) {
		is := is.New(t)
		tries := make(map[string]int)
		j := &journal{file: filepath.Join(t.TempDir(), "missing", "raw.json"), progress: &bytes.Buffer{}, all: []suite.Suite{sample("first", tries, nil)}}
		is.True(j.try(t.Context(), everything) != nil)
		is.Equal(tries["first"], 0)
	})
}
