//go:build unix

package overload

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/faults/history"
	"github.com/caisse/checkout/faults/suite"
)

// patience is how long clients wait for an answer.
const patience = time.Second

// overloads sends several times as many requests as the server's processor can answer. The server gets a small share of a processor, as
// in a container with a quota, so that the clients on the same machine can make enough load.
//
// A server that accepts every request first serves the clients that have waited longest, and these are about to leave. So it may answer
// few requests in time, at any load beyond its capacity. Their number depends on the machine, and is noted.
func overloads(tb testing.TB, o suite.Options) (result suite.Result) {
	tb.Helper()
	t := newTrade(tb, o.Seed, settings{})
	const run = time.Millisecond * slowness
	release := t.host.throttle(run, 50*time.Millisecond-run)
	defer release()
	t.overload(&result, o, 128, func(load, float64) {})
	release()
	result.Notes = append(result.Notes, t.bounded())
	result.Tally = t.check(t.settle())
	return result
}

// overloadsOfDisk sends several times as many requests as the server's slow disk can handle. The host lets in a third of the requests that
// can be answered in the time that clients wait, and refuses the others at once. Such a server must keep up.
func overloadsOfDisk(tb testing.TB, o suite.Options) (result suite.Result) {
	tb.Helper()
	t := newTrade(tb, o.Seed, settings{SlowDisk: true, AtOnce: int(patience / slowWrite / 3)})
	t.overload(&result, o, 16, t.keepsUp)
	result.Notes = append(result.Notes, t.bounded())
	t.host.settings.SlowDisk = false // for the server that settle starts
	result.Tally = t.check(t.settle())
	return result
}

// overload measures the server's capacity with some clients, and then sends orders at 2, 5 and 10 times this rate.
func (t *trade) overload(result *suite.Result, o suite.Options, clients int, judge func(l load, capacity float64)) {
	t.tb.Helper()
	lasting := patience * 3 / 2
	if o.Long {
		lasting = patience * 5
	}
	t.closedLoop(clients, time.Second) // so that the clients are connected
	capacity := t.closedLoop(clients, lasting)
	result.Notes = append(result.Notes, fmt.Sprintf("capacity %.0f creates/s", capacity))
	for _, times := range []float64{2, 5, 10} {
		l := t.openLoop(capacity*times, lasting)
		recovered := t.recover()
		after := t.closedLoop(clients, time.Second)
		judge(l, capacity)
		result.Runs++
		note := fmt.Sprintf("at %.1f times: %.0f%% of the capacity in time", l.offered/capacity, 100*l.served/capacity)
		if l.served > 0 {
			note += fmt.Sprintf(", half of it within %d ms", l.median.Milliseconds())
		}
		result.Notes = append(result.Notes, fmt.Sprintf("%s; %.1f s later an answer, and then %.0f%%", note, recovered.Seconds(), 100*after/capacity))
	}
}

// keepsUp fails the test if the server answers less than a third of its capacity in time. Such a server works for clients that have left.
func (t *trade) keepsUp(l load, capacity float64) {
	t.tb.Helper()
	if l.served < capacity/3 {
		t.tb.Errorf("of %.0f orders in a second the server answered %.0f in time, where it could answer %.0f", l.offered, l.served, capacity)
	}
}

// bounded fails the test if the server has taken more memory than its connections justify. It returns a note about it.
func (t *trade) bounded() string {
	t.tb.Helper()
	u := t.host.usage()
	const server, connection = 96 << 20, 64 << 10
	if most := (server + u.Connections*connection) * overhead; u.Resident > most {
		t.tb.Errorf("the server took %d MB for %d connections, more than %d MB", u.Resident>>20, u.Connections, most>>20)
	}
	return fmt.Sprintf("at most %d connections and %d MB", u.Connections, u.Resident>>20)
}

// throttle gives the server a share of the processor by stopping and continuing it. release ends this, and may be called twice.
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

// closedLoop has clients place orders. Each client waits for the answer before it places its next order. closedLoop returns how many orders
// were answered per second.
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
				switch {
				case err == nil:
					placed.Add(1)
				case t.host.settings.AtOnce > 0 && errors.Is(err, checkout.ErrOutcomeUnknown):
					time.Sleep(50 * time.Millisecond) // refused: the server still answers an earlier load
				default:
					t.tb.Errorf("a server that is not overloaded says: %v", err)
					return
				}
			}
		})
	}
	done.Wait()
	return float64(placed.Load()) / time.Since(begin).Seconds()
}

// load says how many orders were placed and how many were answered. It leaves out the orders of the first second (patience), while the
// load builds up.
type load struct {
	offered float64       // orders in a second
	served  float64       // orders in a second that were answered with a session in time
	median  time.Duration // of the times until these answers
}

// openLoop places orders at a rate, and does not wait for answers before it places the next ones. lasting must be longer than patience.
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
				t.place(ctx, n, t.wire) // the history has its outcome
			})
		}
		time.Sleep(time.Millisecond)
	}
	done.Wait()
	orders := t.recorder.History().Operations[before:]
	first, last := orders[0].At+int64(patience), orders[len(orders)-1].At
	var took []time.Duration
	for _, op := range orders {
		if op.At < first {
			continue
		}
		l.offered++
		if op.Return.Outcome == history.OK {
			took = append(took, time.Duration(op.Return.At-op.At))
		}
	}
	seconds := time.Duration(last - first).Seconds()
	l.offered, l.served = l.offered/seconds, float64(len(took))/seconds
	slices.Sort(took)
	if len(took) > 0 {
		l.median = took[len(took)/2]
	}
	return l
}

// recover returns how long it takes until an order is answered again. It fails the test after a minute.
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
