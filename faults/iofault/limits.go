//go:build linux

package iofault

import (
	"fmt"
	"testing"
	"time"

	"github.com/caisse/checkout/faults/history"
	"github.com/caisse/checkout/faults/internal/child"
	"github.com/caisse/checkout/faults/internal/shop"
	"github.com/caisse/checkout/faults/internal/syscalls"
	"github.com/caisse/checkout/faults/stores"
	"github.com/caisse/checkout/faults/suite"
)

// slow makes every flush take up to 100 ms. No call may fail.
func slow(tb testing.TB, dir string, _ stores.Kind, o suite.Options) (result suite.Result) {
	tb.Helper()
	choose := o.Random(10)
	b := newBench(tb, dir)
	b.rounds(&result, o.Times(1, 10), choose, func(r *shop.Round) {
		flushed := 0
		p := r.Start(child.Options{Syscalls: func(c syscalls.Call) (a syscalls.Action) {
			if isFlush(c) {
				flushed++
				a.Delay = time.Duration(choose.IntN(100)) * time.Millisecond
			}
			return a
		}}, func(c *shop.Config) { c.Callers, c.Calls = 16, 30 })
		if err := p.Wait(); err != nil {
			tb.Error(err)
		}
		h := b.take(r, p)
		shop.Answered(tb, "a slow flush", h)
		result.Notes = append(result.Notes, fmt.Sprintf("%d writes shared %d flushes", len(acknowledgedAfter(h, 0)), flushed))
	})
	return result
}

// limited has the system refuse to let files grow beyond a size (RLIMIT_FSIZE, EFBIG). SQLite distinguishes this error from a full disk.
func limited(tb testing.TB, dir string, _ stores.Kind, o suite.Options) (result suite.Result) {
	tb.Helper()
	choose := o.Random(11)
	b := newBench(tb, dir)
	b.rounds(&result, o.Times(3, 40), choose, func(r *shop.Round) {
		size := uint64(300<<10 + choose.IntN(700<<10)) // a new database is smaller, so the store opens
		p := r.Start(child.Options{}, func(c *shop.Config) { c.Calls, c.FileSize = 60, size })
		if h := b.take(r, p); firstFailure(h) == history.Never {
			tb.Errorf("nobody noticed that no file may grow beyond %d bytes", size)
		}
	})
	return result
}

// exhausted limits the file descriptors of stores. The limits go from too few to open a store to enough for all calls.
func exhausted(tb testing.TB, dir string, _ stores.Kind, o suite.Options) (result suite.Result) {
	tb.Helper()
	choose := o.Random(12)
	b := newBench(tb, dir)
	step := uint64(3)
	if o.Long {
		step = 1
	}
	refused, failed, well := 0, 0, 0
	for files := uint64(6); files < 30; files += step {
		r := shop.NewRound(tb, b.place(), fmt.Sprintf("%d files", files), choose.Uint64())
		p := r.Start(child.Options{}, func(c *shop.Config) { c.Calls, c.Callers, c.Files = 40, 16, files })
		h := b.take(r, p)
		switch {
		case len(h.Operations) == 0 && p.Wait() != nil:
			refused++
		case firstFailure(h) != history.Never:
			failed++
		default:
			well++
		}
		result.Add(r.Settle().Tally)
	}
	if refused+failed == 0 || well == 0 {
		tb.Errorf("of %d runs %d did not open, %d had failures, %d went well", result.Runs, refused, failed, well)
	}
	result.Notes = append(result.Notes, fmt.Sprintf("%d did not open, %d had calls that failed, %d went well", refused, failed, well))
	return result
}
