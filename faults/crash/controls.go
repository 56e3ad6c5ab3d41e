//go:build unix

package crash

import (
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/caisse/checkout/faults/internal/child"
	"github.com/caisse/checkout/faults/internal/shop"
	"github.com/caisse/checkout/faults/oracle"
	"github.com/caisse/checkout/faults/stores"
)

// Controls are bugs and damage that the suites must catch. Package controls tries them.
func Controls() []shop.Control {
	behind := func(kind stores.Kind) shop.Control {
		return shop.Control{Name: string(kind) + " " + shop.WriteBehind, By: string(oracle.OneSession), Round: func(tb testing.TB, choose *rand.Rand) {
			killPlanted(tb, shop.NewGround(tb, kind).Place(), shop.WriteBehind, choose).Settle()
		}}
	}
	return []shop.Control{
		behind(stores.SQLite),
		behind(stores.Postgres),
		{Name: shop.TwoSteps, By: "sessions without a key", Round: func(tb testing.TB, choose *rand.Rand) {
			killPlanted(tb, stores.New(tb, stores.SQLite), shop.TwoSteps, choose).Settle()
		}},
		{Name: shop.CheckThenAct, By: "keys with two sessions", Round: func(tb testing.TB, choose *rand.Rand) {
			r := newControl(tb, stores.New(tb, stores.SQLite), choose)
			pair(tb, r, choose, shop.CheckThenAct)
			r.Settle()
		}},
		{Name: "the log is removed after a crash", By: string(oracle.OneSession), Round: func(tb testing.TB, choose *rand.Rand) {
			r := killPlanted(tb, stores.New(tb, stores.SQLite), "", choose)
			if err := os.Remove(r.Path() + "-wal"); err != nil {
				return // the shop was killed before it had a log
			}
			r.Settle()
		}},
		{Name: "a flipped bit", By: "integrity_check", Round: func(tb testing.TB, choose *rand.Rand) {
			r := newControl(tb, stores.New(tb, stores.SQLite), choose)
			r.End(r.Start(child.Options{}, func(c *shop.Config) { c.Calls = calls }))
			flip(tb, r.Path(), choose)
			r.Settle()
		}},
	}
}

func newControl(tb testing.TB, place stores.Place, choose *rand.Rand) *shop.Round {
	tb.Helper()
	r := shop.NewRound(tb, place, "control", choose.Uint64())
	r.Search = shop.Brief
	return r
}

// killPlanted returns a round in which a shop with a planted bug was killed.
func killPlanted(tb testing.TB, place stores.Place, bug string, choose *rand.Rand) *shop.Round {
	tb.Helper()
	r := newControl(tb, place, choose)
	victim := r.Start(child.Options{}, func(c *shop.Config) { c.Planted, c.Calls = bug, 20*calls })
	victim.Await(shop.Open)
	time.Sleep(time.Duration(choose.Int64N(int64(50 * time.Millisecond))))
	victim.Kill()
	r.End(victim)
	return r
}

// flip flips one bit of a file, in the header of some page after the first two.
func flip(tb testing.TB, path string, choose *rand.Rand) {
	tb.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	const page = 4096
	at := page*(2+choose.IntN(len(data)/page-2)) + choose.IntN(8) // the first 8 bytes of a page say where its cells are
	data[at] ^= 1 << choose.IntN(8)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		tb.Fatal(err)
	}
}
