package main

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/matryer/is"
)

// TestDrive proves that drive counts calls and time correctly. Every figure of the benchmarks comes from it.
func TestDrive(t *testing.T) {
	t.Run("counts the calls of all callers after the warm-up", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			is := is.New(t)
			tally, err := drive(t.Context(), 4, time.Second/5, time.Second, same(func(context.Context) error {
				time.Sleep(10 * time.Millisecond)
				return nil
			}))
			is.NoErr(err)
			is.Equal(tally.Calls, int64(400))
			is.Equal(tally.All, int64(480))
			is.Equal(tally.rate(), 400.0)
			s := tally.sample()
			within(t, s.P50, 10*time.Millisecond)
			within(t, s.P99, 10*time.Millisecond)
		})
	})
	t.Run("ends with the first error", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			is := is.New(t)
			broken := errors.New("broken")
			n, begin := 0, time.Now()
			_, err := drive(t.Context(), 2, 0, time.Hour, func() (call, error) {
				n++
				if n == 1 {
					return func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, nil
				}
				return func(context.Context) error { time.Sleep(time.Second); return broken }, nil
			})
			is.True(errors.Is(err, broken))
			is.Equal(time.Since(begin), time.Second)
		})
	})
	t.Run("waits for the first call, however long it takes", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			is := is.New(t)
			tally, err := drive(t.Context(), 2, 2*time.Second, 10*time.Second, same(func(context.Context) error {
				time.Sleep(102 * time.Second)
				return nil
			}))
			is.NoErr(err)
			is.Equal(tally.Calls, int64(1)) // the other caller's first call ends too late to count
			is.Equal(tally.Elapsed, 100*time.Second)
		})
	})
	t.Run("returns the error if a caller cannot be made", func(t *testing.T) {
		is := is.New(t)
		refused := errors.New("refused")
		_, err := drive(t.Context(), 1, 0, time.Hour, func() (call, error) { return nil, refused })
		is.True(errors.Is(err, refused))
	})
}

func TestHistogram(t *testing.T) {
	is := is.New(t)
	var h, other histogram
	is.Equal(h.quantile(0.5), time.Duration(0))
	for i := range 1000 {
		h.add(time.Duration(i+1) * time.Microsecond)
	}
	within(t, h.quantile(0.5), 501*time.Microsecond)
	within(t, h.quantile(0.99), 991*time.Microsecond)
	other.add(time.Hour)
	other.add(0)
	other.addSparse(h.sparse())
	is.Equal(other.count(), int64(1002))
	within(t, other.quantile(1-1e-9), time.Hour)
	other.merge(&h)
	is.Equal(other.count(), int64(2002))
}

// within fails unless got is want, or up to a sixteenth less: the histogram rounds down to the lower edge of a bucket.
func within(t *testing.T, got, want time.Duration) {
	t.Helper()
	if got > want || got < want-want/16 {
		t.Errorf("the duration is %v, want %v or up to 6 %% less", got, want)
	}
}

// TestInterleave proves that contenders take turns, in an order that is reversed in every second round, and that they are compared
// round by round. A machine that slows down must not favour the one that runs first.
func TestInterleave(t *testing.T) {
	is := is.New(t)
	var order string
	at := func(name string, rates ...float64) contender {
		return contender{name: name, round: func(context.Context, time.Duration) (sample, error) {
			order += name
			s := sample{Rate: rates[0]}
			rates = rates[1:]
			return s, nil
		}}
	}
	results, err := interleave(t.Context(), t.Output(), 3, time.Second, []contender{at("a", 10, 5, 20), at("b", 20, 15, 30), at("c", 1, 1, 1)})
	is.NoErr(err)
	is.Equal(order, "abccbaabc")
	a, b := find(results, "a", 0), find(results, "b", 0)
	is.Equal(a.rate(), 10.0)
	is.Equal(b.rate(), 20.0)
	is.Equal(b.over(a), 2.0) // the median of the rounds: 2, 3 and 1.5
	is.Equal(a.spread(), 1.5)
	is.Equal(median([]float64{4, 1, 3, 2}), 2.5)

	broken := errors.New("broken")
	_, err = interleave(t.Context(), t.Output(), 1, 0, []contender{{name: "d", callers: 3, round: func(context.Context, time.Duration) (sample, error) { return sample{}, broken }}})
	is.True(errors.Is(err, broken))
	is.Equal(err.Error(), "d, 3 callers: broken")
}
