//go:build unix

package overload

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caisse/checkout/faults/oracle"
	"github.com/caisse/checkout/faults/suite"
)

// stampedes has a thousand callers place the same order at once.
func stampedes(tb testing.TB, o suite.Options) (result suite.Result) {
	tb.Helper()
	rounds := o.Times(3, 50)
	t := newTrade(tb, o.Seed, settings{})
	for range rounds {
		if created := t.stampede(1000); created != 1 {
			tb.Errorf("%d of 1,000 callers with one key were told that the session is new", created)
		}
		result.Runs++
	}
	result.Notes = []string{t.bounded()}
	h := t.settle()
	for _, v := range oracle.Rules(h, oracle.Options{Faultless: true}) {
		tb.Errorf("%s", v)
	}
	result.Tally = t.check(h)
	return result
}

// stampede has callers place the same order at once. It returns how many of them were told that the session is new.
func (t *trade) stampede(callers int) int {
	t.tb.Helper()
	ctx, cancel := context.WithTimeout(t.tb.Context(), time.Minute)
	defer cancel()
	n, _ := t.order()
	var created atomic.Int64
	var ready, done sync.WaitGroup
	begin := make(chan struct{})
	ready.Add(callers)
	for range callers {
		done.Go(func() {
			ready.Done()
			<-begin
			replayed, err := t.place(ctx, n, t.wire)
			if err != nil {
				t.tb.Errorf("one of %d callers with one key was told: %v", callers, err)
			} else if !replayed {
				created.Add(1)
			}
		})
	}
	ready.Wait()
	close(begin)
	done.Wait()
	return int(created.Load())
}
