//go:build linux

package iofault

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/caisse/checkout/faults/history"
	"github.com/caisse/checkout/faults/internal/child"
	"github.com/caisse/checkout/faults/internal/disk"
	"github.com/caisse/checkout/faults/internal/shop"
	"github.com/caisse/checkout/faults/internal/syscalls"
	"github.com/caisse/checkout/faults/stores"
	"github.com/caisse/checkout/faults/suite"
)

// bench is the folder in which rounds take place. With root it is usually on a disk whose power can be cut.
type bench struct {
	tb    testing.TB
	dir   string
	disk  *disk.Ext4 // nil if the power cannot be cut
	round int
}

func newBench(tb testing.TB, dir string) *bench {
	tb.Helper()
	if dir == "" {
		return &bench{tb: tb, dir: tb.TempDir()}
	}
	return &bench{tb: tb, dir: dir, disk: disk.NewExt4(tb, dir, 128<<20)}
}

// place returns an empty place in a folder of its own.
func (b *bench) place() stores.Place {
	b.tb.Helper()
	old := filepath.Join(b.dir, fmt.Sprint(b.round))
	b.round++
	if err := os.RemoveAll(old); err != nil {
		b.tb.Fatal(err)
	}
	dir := filepath.Join(b.dir, fmt.Sprint(b.round))
	if err := os.Mkdir(dir, 0o755); err != nil {
		b.tb.Fatal(err)
	}
	if b.disk != nil {
		b.disk.Sync()
	}
	return stores.Place{Kind: stores.SQLite, Address: filepath.Join(dir, "checkouts.db")}
}

// rounds makes n rounds, each on an empty place, and judges them.
func (b *bench) rounds(result *suite.Result, n int, choose *rand.Rand, round func(r *shop.Round)) {
	b.tb.Helper()
	for i := range n {
		r := shop.NewRound(b.tb, b.place(), fmt.Sprintf("round %d", i), choose.Uint64())
		round(r)
		result.Add(r.Settle().Tally)
	}
}

// take waits for a shop to end, well or not, takes its history, and cuts the power.
func (b *bench) take(r *shop.Round, p *child.Process) history.History {
	b.tb.Helper()
	h := r.Take(p)
	if b.disk != nil {
		b.disk.Cut()
		b.disk.Restore()
	}
	return h
}

// The names of a database's files.
const (
	mainFile = "checkouts.db"
	logFile  = "checkouts.db-wal"
)

// isFlush reports whether a call flushes a file.
func isFlush(c syscalls.Call) bool { return c.Name == "fsync" || c.Name == "fdatasync" }
