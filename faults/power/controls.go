//go:build linux

package power

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/caisse/checkout/faults/internal/child"
	"github.com/caisse/checkout/faults/internal/isolated"
	"github.com/caisse/checkout/faults/internal/shop"
	"github.com/caisse/checkout/faults/oracle"
	"github.com/caisse/checkout/faults/stores"
	"github.com/caisse/checkout/faults/suite"
	"github.com/caisse/checkout/faults/trial"
	"github.com/caisse/checkout/internal/pgtest"
)

// Controls are settings that the suites must catch. Package controls tries them.
func Controls() []shop.Control {
	var controls []shop.Control
	for _, kind := range []stores.Kind{stores.SQLite, stores.Postgres} {
		controls = append(controls, shop.Control{Name: setting(kind), By: string(oracle.OneSession), Round: func(tb testing.TB, choose *rand.Rand) {
			isolated.Suite(tb, control, kind, suite.Options{Seed: choose.Uint64()})
		}})
	}
	return controls
}

// setting returns the setting with which a store acknowledges a write before it has flushed it.
func setting(kind stores.Kind) string {
	if kind == stores.Postgres {
		return "synchronous_commit=off"
	}
	return shop.Unflushed
}

// unflushed cuts the power once under a store that does not flush, and reports the violations.
func unflushed(tb testing.TB, dir string, kind stores.Kind, o suite.Options) (result suite.Result) {
	tb.Helper()
	m := newMachine(tb, dir, kind)
	verdict := m.unflushed(tb, "control", o.Random(6))
	for _, v := range verdict.Violations {
		tb.Error(v)
	}
	return result
}

func (m *machine) unflushed(tb testing.TB, name string, choose *rand.Rand) oracle.Verdict {
	m.fresh() // a later round must not find these losses again
	place, planted := m.place, shop.Unflushed
	if m.server != nil {
		place.Address, planted = pgtest.With(m.tb, place.Address, setting(m.kind)), ""
	}
	r := shop.NewRound(tb, place, name, choose.Uint64())
	p := r.Start(child.Options{}, func(c *shop.Config) { c.Planted, c.Calls = planted, 1000 })
	p.Await(shop.Open)
	m.cut(r, p, 50*time.Millisecond+time.Duration(choose.Int64N(int64(50*time.Millisecond))))
	return r.Judge()
}

// lose cuts the power n times under stores that do not flush. They must lose acknowledged sessions.
func (m *machine) lose(choose *rand.Rand, n int) string {
	m.tb.Helper()
	var all oracle.Tally
	for i := range n {
		trial.Run(context.WithoutCancel(m.tb.Context()), "control", func(tb testing.TB) {
			all.Add(m.unflushed(tb, fmt.Sprintf("control %d", i), choose).Tally)
		})
	}
	if all.Lost == 0 {
		m.tb.Errorf("the control, %s, lost nothing in %d cuts: the power was not cut", setting(m.kind), n)
	}
	return fmt.Sprintf("control: %s, %d cuts: %d acknowledged, %d answers lost", setting(m.kind), n, all.Acknowledged, all.Lost)
}
