//go:build linux

package iofault

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/caisse/checkout/faults/history"
	"github.com/caisse/checkout/faults/internal/child"
	"github.com/caisse/checkout/faults/internal/disk"
	"github.com/caisse/checkout/faults/internal/shop"
	"github.com/caisse/checkout/faults/internal/syscalls"
	"github.com/caisse/checkout/faults/stores"
	"github.com/caisse/checkout/faults/suite"
)

// writeFails makes a random system call that changes a file fail.
func writeFails(tb testing.TB, dir string, _ stores.Kind, o suite.Options) (result suite.Result) {
	tb.Helper()
	choose := o.Random(7)
	b := newBench(tb, dir)
	n := o.Times(10, 300)
	told := 0
	for i := range n {
		r := shop.NewRound(tb, b.place(), fmt.Sprintf("round %d", i), choose.Uint64())
		left := 1 + choose.IntN(900)
		if choose.IntN(3) == 0 {
			left = 1 + choose.IntN(60) // while the file is created
		}
		p := r.Start(child.Options{Syscalls: func(syscalls.Call) (a syscalls.Action) {
			if left--; left == 0 {
				a.Errno = syscall.EIO
			}
			return a
		}}, func(c *shop.Config) { c.Host, c.Calls = choose.IntN(3) == 0, 60 })
		h := b.take(r, p)
		if firstFailure(h) != history.Never || p.Wait() != nil {
			told++
		}
		if left <= 0 {
			result.Add(r.Settle().Tally)
		}
	}
	result.Notes = append(result.Notes, fmt.Sprintf("in %d of %d runs the failure was told; in the others it made no difference", told, result.Runs))
	return result
}

// noSpace makes writes to the log fail with ENOSPC for a while. The callers try again.
func noSpace(tb testing.TB, dir string, _ stores.Kind, o suite.Options) (result suite.Result) {
	tb.Helper()
	choose := o.Random(8)
	b := newBench(tb, dir)
	b.rounds(&result, o.Times(4, 100), choose, func(r *shop.Round) {
		first, refused := 100+choose.IntN(250), 1+choose.IntN(30) // to open a new database takes some 50 to 60 writes
		p := r.Start(child.Options{Syscalls: func(c syscalls.Call) (a syscalls.Action) {
			if c.Name == "pwrite64" && filepath.Base(c.Path) == logFile && c.N >= first && c.N < first+refused {
				a.Errno = syscall.ENOSPC
			}
			return a
		}}, func(c *shop.Config) { c.Calls, c.Retries = 60, 2 })
		if err := p.Wait(); err != nil {
			tb.Error(err)
		}
		wentOn(tb, b.take(r, p))
	})
	return result
}

// wentOn checks that a full disk led only to calls that wrote nothing, and that calls succeeded later.
func wentOn(tb testing.TB, h history.History) {
	tb.Helper()
	last := int64(0) // when the last call was refused
	for _, op := range h.Operations {
		switch {
		case op.Return.Outcome == history.OK, op.Return.Code.Answer(), op.Return.Code == history.NoAnswer:
		case op.Return.Code == history.Unavailable:
			last = max(last, op.Return.At)
		default:
			tb.Errorf("a full disk is answered with %s: %s", op.Return.Code, op.Return.Detail)
		}
	}
	switch {
	case last == 0:
		tb.Error("no call found the disk full")
	case len(acknowledgedAfter(h, last)) == 0:
		tb.Error("nothing was written once there was room")
	}
}

// full fills the small file system that has the database, and makes room again.
func full(tb testing.TB, dir string, _ stores.Kind, o suite.Options) (result suite.Result) {
	tb.Helper()
	choose := o.Random(9)
	disk.Small(tb, dir, 96<<20)
	b := &bench{tb: tb, dir: dir}
	b.rounds(&result, o.Times(2, 30), choose, func(r *shop.Round) {
		r.Keys = 100
		ballast := filepath.Join(dir, "ballast")
		// Calls that find no room end quickly. So the callers get so many calls that they are still busy when the shop is killed.
		p := r.Start(child.Options{}, func(c *shop.Config) { c.Calls = 100000 })
		p.Await(shop.Open)
		time.Sleep(time.Duration(choose.IntN(50)) * time.Millisecond)
		fill(tb, ballast)
		time.Sleep(100 * time.Millisecond)
		if err := os.Remove(ballast); err != nil {
			tb.Fatal(err)
		}
		time.Sleep(300 * time.Millisecond)
		p.Kill()
		wentOn(tb, r.End(p))
	})
	return result
}

// fill creates a file that takes all the room there is.
func fill(tb testing.TB, path string) {
	tb.Helper()
	f, err := os.Create(path)
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	size := int64(0)
	for step := int64(32 << 20); step >= 4096; {
		err := unix.Fallocate(int(f.Fd()), 0, size, step)
		switch {
		case err == nil:
			size += step
		case errors.Is(err, unix.ENOSPC):
			step /= 2
		case !errors.Is(err, unix.EINTR):
			tb.Fatal(err)
		}
	}
}
