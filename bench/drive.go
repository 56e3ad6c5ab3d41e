package main

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// call does the measured work once.
type call func(ctx context.Context) error

// tally is how much callers have done.
type tally struct {
	Calls   int64         `json:"calls"` // that ended in time
	Elapsed time.Duration `json:"elapsed_ns"`
	Took    map[int]int64 `json:"took"`   // buckets of a histogram
	All     int64         `json:"all"`    // calls, including those of the warm-up
	CPU     time.Duration `json:"cpu_ns"` // of the process, for all of them
}

func (t tally) rate() float64 { return float64(t.Calls) / t.Elapsed.Seconds() }

func (t tally) sample() sample {
	var h histogram
	h.addSparse(t.Took)
	return sample{Rate: t.rate(), P50: h.quantile(0.5), P99: h.quantile(0.99), Extra: map[string]float64{
		extraCPU: float64(t.CPU) / float64(time.Microsecond) / float64(t.All),
	}}
}

// usually is the usual duration of a warm-up.
func usually(d time.Duration) time.Duration { return d / 5 }

// drive has callers make calls, each one after the other, for d after a warm-up, and at least until one call has ended. The first
// error ends it. Each caller gets a call of its own from newCall, so that callers need not share anything.
func drive(ctx context.Context, callers int, warmUp, d time.Duration, newCall func() (call, error)) (tally, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	calls := make([]call, callers)
	for i := range calls {
		var err error
		if calls[i], err = newCall(); err != nil {
			return tally{}, err
		}
	}
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex
		took  histogram
		all   int64
		some  atomic.Bool // a call was counted
		cpu   = cpuTime()
		begin = time.Now().Add(warmUp)
		end   = begin.Add(d)
	)
	for _, f := range calls {
		wg.Go(func() {
			var own histogram
			calls := int64(0)
			for at := time.Now(); at.Before(end) || !some.Load(); {
				if err := f(ctx); err != nil {
					cancel(err)
					return
				}
				calls++
				now := time.Now()
				// A call counts if it ends during the measurement. Calls that began before it make up for calls that end after it.
				switch {
				case now.Before(begin):
				case now.Before(end):
					own.add(now.Sub(at))
					if !some.Load() {
						some.Store(true)
					}
				case some.CompareAndSwap(false, true):
					own.add(now.Sub(at))
					d = now.Sub(begin)
				}
				at = now
			}
			mu.Lock()
			defer mu.Unlock()
			took.merge(&own)
			all += calls
		})
	}
	wg.Wait()
	if err := context.Cause(ctx); err != nil {
		return tally{}, err
	}
	return tally{Calls: took.count(), Elapsed: d, Took: took.sparse(), All: all, CPU: cpuTime() - cpu}, nil
}

// same returns a newCall that gives every caller the same call.
func same(f call) func() (call, error) {
	return func() (call, error) { return f, nil }
}
