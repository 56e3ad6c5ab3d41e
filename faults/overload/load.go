//go:build unix

package overload

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caisse/checkout/faults/history"
	"github.com/caisse/checkout/faults/suite"
)

// How long clients wait for an answer.
const patience = 2 * time.Second

// overloads measures what a server can do, and then asks many times as much of it. The server gets a small share of a
// processor, as in a container with a quota, so that whoever makes the load on the same machine can make enough of it.
func overloads(tb testing.TB, o suite.Options) (result suite.Result) {
	tb.Helper()
	lasting := time.Second
	if o.Long {
		lasting = 5 * time.Second
	}
	t := newTrade(tb, o.Seed, "")
	release := t.host.throttle(3*time.Millisecond, 97*time.Millisecond)
	defer release()
	capacity := t.closedLoop(256, time.Second)
	result.Notes = append(result.Notes, fmt.Sprintf("capacity %.0f creates/s", capacity))
	for _, times := range []float64{2, 5, 10} {
		l := t.openLoop(capacity*times, lasting)
		recovered := t.recover()
		result.Runs++
		result.Notes = append(result.Notes, fmt.Sprintf(
			"at %.1f times: %.0f%% of the capacity answered with 201, half of it within %d ms; %.1f s after it %.0f%%",
			l.offered/capacity, 100*l.served/capacity, l.median.Milliseconds(), recovered.Seconds(), 100*t.closedLoop(256, time.Second/2)/capacity))
	}
	release()
	u := t.host.usage()
	result.Notes = append(result.Notes, fmt.Sprintf("at most %d connections and %d MB", u.Connections, u.Resident>>20))
	if most := (128<<20 + u.Connections*(192<<10)) * overhead; u.Resident > most {
		tb.Errorf("the server took %d MB for %d connections, more than %d MB", u.Resident>>20, u.Connections, most>>20)
	}
	result.Tally = t.check(t.settle())
	return result
}

// throttle gives the server a share of the processor: it runs for a while, then stands still for a while. What it returns
// ends that, and does nothing the second time.
func (h *host) throttle(run, rest time.Duration) (release func()) {
	var done sync.WaitGroup
	ended := make(chan struct{})
	done.Go(func() {
		for {
			h.process.Stop()
			select {
			case <-ended:
				h.process.Continue()
				return
			case <-time.After(rest):
			}
			h.process.Continue()
			time.Sleep(run)
		}
	})
	var once sync.Once
	return func() {
		once.Do(func() {
			close(ended)
			done.Wait()
		})
	}
}

// closedLoop has clients place orders, each when its last was answered, and returns how many were answered in a second.
func (t *trade) closedLoop(clients int, lasting time.Duration) (perSecond float64) {
	var placed atomic.Int64
	var done sync.WaitGroup
	begin := time.Now()
	for range clients {
		done.Go(func() {
			for time.Since(begin) < lasting {
				n, _ := t.order()
				ctx, cancel := context.WithTimeout(t.tb.Context(), 30*time.Second)
				_, err := t.place(ctx, n, t.wire)
				cancel()
				if err != nil {
					t.tb.Errorf("a server that is not overloaded says: %v", err)
					return
				}
				placed.Add(1)
			}
		})
	}
	done.Wait()
	return float64(placed.Load()) / time.Since(begin).Seconds()
}

// load is what a server was asked for and did.
type load struct {
	offered float64 // orders in a second
	served  float64 // answered with 201 in a second, until the last was answered or given up
	median  time.Duration
}

// openLoop places orders at a rate, whether or not the ones before were answered.
func (t *trade) openLoop(rate float64, lasting time.Duration) (l load) {
	var done sync.WaitGroup
	before := len(t.recorder.History().Operations)
	begin, placed := time.Now(), 0
	for since := time.Duration(0); since < lasting; since = time.Since(begin) {
		for ; float64(placed) < rate*since.Seconds(); placed++ {
			n, _ := t.order()
			done.Go(func() {
				ctx, cancel := context.WithTimeout(t.tb.Context(), patience)
				defer cancel()
				t.place(ctx, n, t.wire) // its outcome is in the history
			})
		}
		time.Sleep(time.Millisecond)
	}
	l.offered = float64(placed) / time.Since(begin).Seconds()
	done.Wait()
	var took []time.Duration
	for _, op := range t.recorder.History().Operations[before:] {
		if op.Return.Outcome == history.OK {
			took = append(took, time.Duration(op.Return.At-op.At))
		}
	}
	l.served = float64(len(took)) / time.Since(begin).Seconds()
	slices.Sort(took)
	if len(took) > 0 {
		l.median = took[len(took)/2]
	}
	return l
}

// recover returns how long it takes until an order is answered again. Not to be is a failure.
func (t *trade) recover() time.Duration {
	t.tb.Helper()
	begin := time.Now()
	n, _ := t.order()
	for time.Since(begin) < time.Minute {
		ctx, cancel := context.WithTimeout(t.tb.Context(), patience)
		_, err := t.place(ctx, n, t.wire)
		cancel()
		if err == nil {
			return time.Since(begin)
		}
	}
	t.tb.Fatal("the server has not recovered in a minute")
	return 0
}
