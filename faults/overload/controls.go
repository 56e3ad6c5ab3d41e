//go:build unix

package overload

import (
	"strings"
	"testing"
	"time"

	"github.com/caisse/checkout/faults/history"
	"github.com/caisse/checkout/faults/oracle"
	"github.com/caisse/checkout/faults/trial"
)

// Control is a server with a bug that the suites of this package must catch. Package controls tries them all.
type Control struct {
	Name string
	By   string // part of the line that the suite must then report
	run  func(t *trade)
}

// Controls lists the controls.
func Controls() []Control {
	return []Control{
		{forgets, string(oracle.Lost), func(t *trade) {
			t.closedLoop(4, 100*time.Millisecond)
			t.judge(t.settle())
		}},
		{checksFirst, string(oracle.OneSession), func(t *trade) {
			t.stampede(200)
			t.judge(t.history())
		}},
		{takesAll, "in time", func(t *trade) {
			capacity := t.closedLoop(16, 500*time.Millisecond)
			t.keepsUp(t.openLoop(10*capacity, patience*3/2), capacity)
		}},
		{failsInHaste, "callers with one key was told: 500", func(t *trade) { t.stampede(200) }},
		{takesHalf, "says that it made a session", func(t *trade) { t.mislead("Content-Length: 4000") }},
		{waitsForEver, "waits for ever for the end of a body", func(t *trade) { t.slowBodies(1, 0) }},
		{locksOut, "a client that left and asks again is told: 409", func(t *trade) {
			_, request := t.order()
			t.depart(len(raw{}.request(request))-1, 0, false)
		}},
		{hoards, "connections, more than", func(t *trade) {
			for range 10 * overhead {
				t.stampede(200)
			}
			t.bounded()
		}},
	}
}

// Caught runs a suite on a server with the bug until the suite catches it, and returns the line that the suite reports. After ten rounds
// it gives up and returns "".
func (c Control) Caught(tb testing.TB, seed uint64) string {
	tb.Helper()
	said := ""
	for range 10 {
		report := trial.Run(tb.Context(), c.Name, func(tb testing.TB) {
			c.run(newTrade(tb, seed, settings{Planted: c.Name, SlowDisk: c.Name == takesAll}))
		})
		said = report.Log
		for line := range strings.Lines(said) {
			if report.Failed && strings.Contains(line, c.By) {
				return strings.TrimSpace(line)
			}
		}
	}
	tb.Logf("the last report: %s", said)
	return ""
}

// judge fails the control with every violation that the oracle finds. It does not save the history.
func (t *trade) judge(h history.History) {
	for _, v := range oracle.Rules(h, oracle.Options{}) {
		t.tb.Errorf("%s", v)
	}
}
