//go:build linux

package iofault

import (
	"context"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/caisse/checkout/faults/history"
	"github.com/caisse/checkout/faults/internal/child"
	"github.com/caisse/checkout/faults/internal/shop"
	"github.com/caisse/checkout/faults/internal/syscalls"
	"github.com/caisse/checkout/faults/stores"
	"github.com/caisse/checkout/faults/suite"
	"github.com/caisse/checkout/faults/trial"
)

// flush is a flush that is to fail.
type flush struct {
	what string
	file string // "" is the folder
	nth  int
	// silent says that SQLite does not report this failure. Then nothing may depend on the flush.
	silent bool
	log    bool // the flush happens only if the log is long and nobody writes while it is moved
}

// flushes returns one flush of each kind, chosen at random.
func flushes(choose *rand.Rand) []flush {
	return []flush{
		{what: "the first journal's", file: mainFile + "-journal", nth: 1 + choose.IntN(2)},
		{what: "the first page's", file: mainFile, nth: 1},
		{what: "the folder's", nth: 1, silent: true},
		{what: "the log's header's", file: logFile, nth: 1},
		{what: "the migration's", file: logFile, nth: 2},
		{what: "an early commit's", file: logFile, nth: 3 + choose.IntN(5)},
		{what: "a commit's", file: logFile, nth: 8 + choose.IntN(20)},
		{what: "the closing checkpoint's", file: mainFile, nth: 2, silent: true},
		{what: "a checkpoint's", file: mainFile, nth: 2, log: true},
	}
}

func flushFailsOnce(tb testing.TB, dir string, _ stores.Kind, o suite.Options) suite.Result {
	tb.Helper()
	return failing(tb, dir, o, false)
}

func flushesFail(tb testing.TB, dir string, _ stores.Kind, o suite.Options) suite.Result {
	tb.Helper()
	return failing(tb, dir, o, true)
}

// failing makes one flush fail, or if forGood is true, this flush and all later ones.
func failing(tb testing.TB, dir string, o suite.Options, forGood bool) (result suite.Result) {
	tb.Helper()
	choose := o.Random(6)
	b := newBench(tb, dir)
	times := o.Times(1, 12)
	for range times {
		for _, f := range flushes(choose) {
			b.failFlush(&result, f, forGood, choose)
		}
	}
	if !forGood && b.disk != nil {
		result.Notes = append(result.Notes, b.ownCheckpoint(choose))
	}
	return result
}

// tries is how many shops are started for one flush. Whether a shop comes to a checkpoint that moves the whole log depends on the machine
// too. A shop that ends before that is judged like the others, and the next one is started.
const tries = 10

// failFlush makes one flush fail. It checks that the shop reported the failure, and that it acknowledged no later write.
func (b *bench) failFlush(result *suite.Result, f flush, forGood bool, choose *rand.Rand) {
	b.tb.Helper()
	for range tries {
		r := shop.NewRound(b.tb, b.place(), f.what, choose.Uint64())
		seen := b.run(r, f, forGood, "")
		if seen.failed && !seen.told && !f.silent {
			b.tb.Errorf("%s flush failed, and the shop reported no error", f.what)
		}
		for _, op := range seen.late {
			b.tb.Errorf("%s flush had failed, and then %s was acknowledged (operation %d)", f.what, op.Kind, op.ID)
		}
		result.AddIf(seen.failed, r.Settle().Tally)
		if seen.failed {
			return
		}
	}
	b.tb.Fatalf("%d shops ended without a flush of this kind: %s", tries, f.what)
}

// seen is what a shop did when a flush was to fail.
type seen struct {
	failed bool // the shop made that flush
	told   bool // some caller got an error
	late   []history.Operation
}

// run makes a flush fail under a shop. In the result, late has the writes that began after the failure and were acknowledged.
func (b *bench) run(r *shop.Round, f flush, forGood bool, planted string) seen {
	b.tb.Helper()
	file := f.file
	if file == "" {
		file = filepath.Base(filepath.Dir(r.Path()))
	}
	failed := int64(0) // when the flush failed; 0 if it has not
	p := r.Start(child.Options{Syscalls: func(c syscalls.Call) (a syscalls.Action) {
		mine := isFlush(c) && filepath.Base(c.Path) == file
		switch {
		case mine && c.N == f.nth, failed > 0 && forGood && isFlush(c):
			if failed == 0 {
				failed = shop.MachineTime()
			}
			a.Errno = syscall.EIO
		case failed > 0 && mine:
			a.Pretend = true // the kernel takes the pages of the failed flush for written
		}
		return a
	}}, func(c *shop.Config) {
		c.Calls, c.Planted = 60, planted
		if f.log {
			c.Callers, c.Calls, c.Keys = 1, 1000, 300
		}
	})
	h := b.take(r, p)
	ended := p.Wait()
	if failed == 0 {
		if ended != nil {
			b.tb.Error(ended)
		}
		return seen{}
	}
	since := firstFailure(h)
	told := since != history.Never || ended != nil
	if f.file == logFile { // no other commit can come between the failure of a log's flush and the error of its commit
		since = failed
	}
	return seen{true, told, acknowledgedAfter(h, since)}
}

// ownCheckpoint is a control: it leaves the checkpoints to SQLite, and one of five rounds must lose acknowledged writes.
func (b *bench) ownCheckpoint(choose *rand.Rand) (note string) {
	b.tb.Helper()
	var report trial.Report
	for range 5 {
		report = trial.Run(context.WithoutCancel(b.tb.Context()), shop.OwnCheckpoint, func(tb testing.TB) {
			r := shop.NewRound(tb, b.place(), "control", choose.Uint64())
			b.run(r, flush{what: "a checkpoint's", file: mainFile, nth: 2}, false, shop.OwnCheckpoint)
			if v := r.Judge(); v.Tally.Lost > 0 {
				tb.Errorf("%d answers lost", v.Tally.Lost)
			}
		})
		if report.Failed {
			line, _, _ := strings.Cut(report.Log, "\n")
			return "control: " + shop.OwnCheckpoint + ": " + line
		}
	}
	b.tb.Errorf("the control, %s, lost nothing", shop.OwnCheckpoint)
	return ""
}

// firstFailure returns when a call first failed because of the store, or history.Never.
func firstFailure(h history.History) int64 {
	first := int64(history.Never)
	for _, op := range h.Operations {
		if c := op.Return.Code; c == history.Unavailable || c == history.OutcomeUnknown {
			first = min(first, op.Return.At)
		}
	}
	return first
}

// acknowledgedAfter returns the writes that began after an instant and were acknowledged.
func acknowledgedAfter(h history.History, instant int64) []history.Operation {
	return slices.DeleteFunc(slices.Clone(h.Operations), func(op history.Operation) bool {
		return op.At <= instant || op.Return.Outcome != history.OK || op.Kind.Reads() || op.Return.Replayed
	})
}
