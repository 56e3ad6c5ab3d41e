package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"github.com/matryer/is"

	"github.com/caisse/checkout/faults/effort"
)

func TestRun(t *testing.T) {
	effort.Seed(t)
	t.Run("writes the table, and the rows as JSON", func(t *testing.T) {
		is := is.New(t)
		raw := filepath.Join(t.TempDir(), "report.json")
		var stdout, stderr bytes.Buffer
		is.NoErr(run(t.Context(), []string{"-seed", "7", "-only", "on memory$", "-json", raw}, &stdout, &stderr))
		is.True(strings.Contains(stdout.String(), "| many callers on few sessions | memory | "))
		is.True(strings.Contains(stdout.String(), "short pass, seed 7, Go 1."))

		report := read(t, raw)
		is.True(len(report.Rows) > 0)
		for _, row := range report.Rows {
			is.Equal(row.Store, "memory")
			is.True(!row.Failed)
			is.True(row.Result.Tally.Acknowledged > 0)
		}
		is.True(report.Versions["SQLite"] != "")
	})

	t.Run("fails if no suite matches", func(t *testing.T) {
		is := is.New(t)
		is.True(run(t.Context(), []string{"-only", "no such fault"}, &bytes.Buffer{}, &bytes.Buffer{}) != nil)
	})

	t.Run("lists no suite twice", func(t *testing.T) {
		is := is.New(t)
		seen := make(map[string]bool)
		for _, s := range suites() {
			is.True(!seen[s.Name()]) // each suite must be listed once
			seen[s.Name()] = true
		}
	})
}
