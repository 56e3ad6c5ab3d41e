//go:build linux

package power

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/caisse/checkout/faults/internal/child"
	"github.com/caisse/checkout/faults/internal/disk"
	"github.com/caisse/checkout/faults/internal/shop"
	"github.com/caisse/checkout/faults/stores"
	"github.com/caisse/checkout/faults/suite"
	"github.com/caisse/checkout/internal/pgtest"
)

// cuts cuts the power again and again. A round is judged after its own cut, and again after the next cut on the same place.
func cuts(tb testing.TB, dir string, kind stores.Kind, o suite.Options) (result suite.Result) {
	tb.Helper()
	choose := o.Random(5)
	n, unsafe := o.Times(5, 200), o.Times(2, 20)
	m := newMachine(tb, dir, kind)
	var last *shop.Round
	for i := range n {
		if i%10 == 0 {
			m.fresh() // so that the database stays small
			last = nil
		}
		r := shop.NewRound(tb, m.place, fmt.Sprintf("round %d", i), choose.Uint64())
		p := r.Start(child.Options{}, func(c *shop.Config) { c.Host, c.Calls = choose.IntN(3) == 0, 60 })
		m.cut(r, p, moment(p, choose))
		result.Add(r.Settle().Tally)
		if last != nil {
			last.Settle() // after r.Settle, because the sweep of last.Settle must not find due sessions of r
		}
		last = r
	}
	if m.server != nil {
		result.Notes = append(result.Notes, shop.Amcheck(tb, m.server.URL()))
	}
	result.Notes = append(result.Notes, m.lose(choose, unsafe))
	return result
}

// moment waits for a stage of a shop's life, and chooses how long after it the power is to be cut.
func moment(p *child.Process, choose *rand.Rand) time.Duration {
	most := 100 * time.Millisecond
	switch choose.IntN(8) {
	case 0: // it may be opening, and making its tables
	case 1: // it is closing, or has closed
		p.Await(shop.Done)
		most = 10 * time.Millisecond
	default:
		p.Await(shop.Open)
	}
	return time.Duration(choose.Int64N(int64(most)))
}

// machine is the machine that loses its power. It has a disk and, for PostgreSQL, the server on this disk.
type machine struct {
	tb     testing.TB
	kind   stores.Kind
	disk   *disk.Ext4
	server *pgtest.Cluster // nil for SQLite
	places int
	place  stores.Place
}

func newMachine(tb testing.TB, dir string, kind stores.Kind) *machine {
	tb.Helper()
	m := &machine{tb: tb, kind: kind}
	if kind == stores.SQLite {
		m.disk = disk.NewExt4(tb, dir, 64<<20)
		return m
	}
	m.disk = disk.NewExt4(tb, dir, 512<<20)
	if err := os.Setenv("TMPDIR", dir); err != nil { // for the server's files; this process runs only this suite
		tb.Fatal(err)
	}
	m.server = pgtest.Start(tb)
	m.disk.Sync() // initdb runs with --no-sync
	return m
}

// fresh makes an empty place and flushes it.
func (m *machine) fresh() {
	m.tb.Helper()
	m.places++
	if m.kind == stores.SQLite {
		if m.places > 1 {
			if err := os.RemoveAll(filepath.Dir(m.place.Address)); err != nil {
				m.tb.Fatal(err)
			}
		}
		dir := filepath.Join(m.disk.Dir, fmt.Sprint(m.places))
		if err := os.Mkdir(dir, 0o755); err != nil {
			m.tb.Fatal(err)
		}
		m.place = stores.Place{Kind: m.kind, Address: filepath.Join(dir, "checkouts.db")}
		m.disk.Sync()
		return
	}
	m.place = shop.NewSchema(m.tb, m.server.URL())
}

// cut cuts the power after a while, and brings it back.
//
// A real cut ends the processes at the same instant. Here they continue for a moment, and may see things that are impossible in a real
// cut: a flush that is under way may report success although the file system has dropped the pages, and a read may find pages that were
// never written. So answers that come after the cut has begun do not count.
func (m *machine) cut(r *shop.Round, p *child.Process, after time.Duration) {
	m.tb.Helper()
	time.Sleep(after)
	going := shop.MachineTime()
	m.disk.Cut()
	off := shop.MachineTime()
	p.Kill()
	r.TakeUntil(p, going, off)
	if m.server != nil {
		m.server.Crash(m.tb)
	}
	m.disk.Restore()
	if m.server != nil {
		m.server.Restart(m.tb)
	}
}
