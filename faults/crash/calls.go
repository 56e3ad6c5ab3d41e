//go:build unix

package crash

import (
	"fmt"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/caisse/checkout/faults/internal/child"
	"github.com/caisse/checkout/faults/internal/shop"
	"github.com/caisse/checkout/faults/internal/syscalls"
	"github.com/caisse/checkout/faults/stores"
	"github.com/caisse/checkout/faults/suite"
)

// diskPoint is a system call on one of the database's files.
type diskPoint struct {
	what, call, file string
	nth, step        int  // the first kill comes before the nth such call, and each further kill comes step calls later
	host             bool // whether a host with a pool of its own makes the call
}

// diskPoints returns the points of a store that Open makes, from the creation of the file to its closing, and those of a host's
// checkpoints. A file is given by its name without the folder.
func diskPoints() []diskPoint {
	const db, log, journal, index = "checkouts.db", "checkouts.db-wal", "checkouts.db-journal", "checkouts.db-shm"
	return []diskPoint{
		{"the file is put in its place", "link", db, 1, 0, false},
		{"the first journal is written", "pwrite64", journal, 1, 0, false},
		{"the first journal is flushed", "fsync", journal, 1, 0, false},
		{"the first page is written", "pwrite64", db, 1, 0, false},
		{"the first page is flushed", "fsync", db, 1, 0, false},
		{"the first journal is removed", "unlink", journal, 1, 0, false},
		{"the log's index is made", "pwrite64", index, 3, 1, false},
		{"the log's header is written", "pwrite64", log, 1, 0, false},
		{"the log's header is flushed", "fsync", log, 1, 0, false},
		{"the migration is written to the log", "pwrite64", log, 5, 2, false},
		{"the migration is flushed", "fsync", log, 2, 0, false},
		{"a commit is written to the log", "pwrite64", log, 100, 17, false},
		{"a commit's page is written to the log", "pwrite64", log, 151, 18, false},
		{"a commit is flushed", "fsync", log, 12, 3, false},
		{"closing moves pages into the file", "pwrite64", db, 4, 2, false},
		{"closing flushes the file", "fsync", db, 2, 0, false},
		{"closing removes the log", "unlink", log, 1, 0, false},
		{"closing removes the log's index", "unlink", index, 1, 0, false},
		{"a checkpoint flushes the log", "fsync", log, 20, 1, true},
		{"a checkpoint moves a page", "pwrite64", db, 6, 1, true},
		{"a checkpoint flushes the file", "fsync", db, 2, 0, true},
		{"a checkpoint cuts the log", "ftruncate", log, 1, 0, true},
	}
}

// beforeCalls kills shops just before a system call: at each of the points, and before random calls.
func beforeCalls(tb testing.TB, kind stores.Kind, o suite.Options) (result suite.Result) {
	tb.Helper()
	choose := o.Random(6)
	times, random := o.Times(1, 6), o.Times(5, 200)
	points := diskPoints()
	for n := range times {
		for _, p := range points {
			p.nth += n * p.step
			until(tb, &result, fmt.Sprintf("%s %d of %s, where %s", p.call, p.nth, p.file, p.what), func() (*shop.Round, bool) {
				r := shop.NewRound(tb, stores.New(tb, kind), p.what, choose.Uint64())
				return r, before(r, p.host, func(c syscalls.Call) bool {
					return c.Name == p.call && filepath.Base(c.Path) == p.file && c.N == p.nth
				})
			})
		}
	}
	for n := range random {
		r := shop.NewRound(tb, stores.New(tb, kind), fmt.Sprintf("round %d", n), choose.Uint64())
		left := 1 + choose.IntN(700)
		if before(r, choose.IntN(2) == 0, func(syscalls.Call) bool {
			left--
			return left == 0
		}) {
			result.Add(r.Settle().Tally)
		}
	}
	result.Notes = append(result.Notes, fmt.Sprintf("%d points, and any", len(points)))
	return result
}

// before kills a shop just before the call that meant chooses. It reports whether the shop made that call.
func before(r *shop.Round, host bool, meant func(syscalls.Call) bool) bool {
	victim := r.Start(child.Options{Syscalls: func(c syscalls.Call) (a syscalls.Action) {
		if meant(c) {
			a.Signal = syscall.SIGKILL
		}
		return a
	}}, func(c *shop.Config) { c.Host, c.Calls = host, calls })
	r.End(victim)
	return victim.Killed()
}
