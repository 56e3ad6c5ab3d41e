package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/store/sqlite"
)

// waitCost is the cost of callers that wait on SQLite, each for a change of another session.
type waitCost struct {
	Waiters int           `json:"waiters"`
	Reads   float64       `json:"reads"`    // reads of the store per second, while nothing changes
	Same    time.Duration `json:"same_ns"`  // after 100 changes by the same Checkouts, until the last waiter returns
	Other   time.Duration `json:"other_ns"` // the same after changes by another Checkouts, which stands for another process
	Bytes   float64       `json:"bytes"`    // of memory, of all waiters
}

const (
	waiters     = 10_000
	waitChanges = 100
)

// reading counts the reads of a store.
type reading struct {
	checkout.Store
	reads atomic.Int64
}

func (r *reading) Events(ctx context.Context, after checkout.Cursor, limit int) ([]checkout.Event, error) {
	r.reads.Add(1)
	return r.Store.Events(ctx, after, limit)
}

func (r *reading) Get(ctx context.Context, account checkout.Account, id string) (checkout.Session, error) {
	r.reads.Add(1)
	return r.Store.Get(ctx, account, id)
}

// measureWaiters measures callers that wait.
func measureWaiters(ctx context.Context, opts options, progress io.Writer, r *report) error {
	return opts.inFolder(func(dir string) error {
		store, err := sqlite.Open(ctx, filepath.Join(dir, databaseName))
		if err != nil {
			return err
		}
		defer store.Close()
		counted := &reading{Store: store}
		checkouts, err := newCheckouts(counted)
		if err != nil {
			return err
		}
		other, err := newCheckouts(store) // it stands for another process: the two share nothing but the store
		if err != nil {
			return err
		}
		fmt.Fprintf(progress, "%s callers wait\n", thousands(waiters))
		sessions := make([]checkout.Session, waiters)
		if err := together(waiters, 256, func(n int) (err error) {
			sessions[n], _, err = checkouts.Create(ctx, params())
			return err
		}); err != nil {
			return err
		}
		before := memoryInUse()
		waiting, stop := context.WithCancel(ctx)
		var all sync.WaitGroup
		defer all.Wait()
		defer stop()
		returned := make(chan time.Time, waiters)
		for _, s := range sessions {
			all.Go(func() {
				if now, err := checkouts.Wait(waiting, s.Account, s.ID, s); err == nil && now.Version > s.Version {
					returned <- time.Now()
				}
			})
		}
		// Each waiter reads its session once, when it begins to wait. After that, all waiters share the reads of the feed.
		for deadline := time.Now().Add(time.Minute); counted.reads.Load() < waiters; time.Sleep(100 * time.Millisecond) {
			if time.Now().After(deadline) {
				return fmt.Errorf("after a minute, only %d of %d have begun to wait", counted.reads.Load(), waiters)
			}
		}
		time.Sleep(2 * time.Second)
		r.Waiters = waitCost{Waiters: waiters, Bytes: memoryInUse() - before}
		at := counted.reads.Load()
		idle := 5 * opts.measure
		time.Sleep(idle)
		r.Waiters.Reads = float64(counted.reads.Load()-at) / idle.Seconds()

		change := func(by *checkout.Checkouts, some []checkout.Session) (time.Duration, error) {
			begin := time.Now()
			for _, s := range some {
				if _, err := by.Cancel(ctx, s.Account, s.ID); err != nil {
					return 0, err
				}
			}
			made := time.Now() // each was made before this
			var last time.Time
			for range some {
				select {
				case last = <-returned:
				case <-time.After(time.Minute):
					return 0, fmt.Errorf("no waiter has returned for a minute; the changes began %v ago", time.Since(begin))
				}
			}
			return max(last.Sub(made), 0), nil
		}
		if r.Waiters.Same, err = change(checkouts, sessions[:waitChanges]); err != nil {
			return err
		}
		r.Waiters.Other, err = change(other, sessions[waitChanges:2*waitChanges])
		return err
	})
}

// memoryInUse returns the memory of the heap and the stacks.
func memoryInUse() float64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapInuse + m.StackInuse)
}

func waitTable(b *strings.Builder, r *report) {
	if r.Waiters.Waiters == 0 {
		return
	}
	w := r.Waiters
	fmt.Fprintf(b, "\n### Waiting\n\n%s callers wait, each for a session of its own. Together they cost the store %.1f reads a second, and %.0f MB. After %d changes by the same process the last waiter returns after %.0f ms, and after as many by another process after %.0f ms.\n",
		thousands(w.Waiters), w.Reads, w.Bytes/1e6, waitChanges, w.Same.Seconds()*1000, w.Other.Seconds()*1000)
}
