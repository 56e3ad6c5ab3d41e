package groupcommit_test

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caisse/checkout/store/internal/groupcommit"
)

// BenchmarkDo compares group commit with one commit per call, on the same disk in the same run. A commit writes 300 bytes per item and
// flushes the file. "µs/flush" is the time of a commit of one item, "calls/commit" is the average size of a batch, and "x" says how many
// times more calls per second there were than with one commit per call.
func BenchmarkDo(b *testing.B) {
	file, err := os.Create(filepath.Join(b.TempDir(), "log"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = file.Close() })
	var commits atomic.Int64
	flush := func(batch []int) []groupcommit.Result[int] {
		commits.Add(1)
		results := make([]groupcommit.Result[int], len(batch))
		_, err := file.WriteAt(make([]byte, 300*len(batch)), 0)
		if err == nil {
			err = file.Sync()
		}
		for i := range results {
			results[i].Err = err
		}
		return results
	}
	for _, callers := range []int{1, 2, 16, 64, 256} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			single := perCall(b, groupcommit.Limits{Batch: 1}, flush, callers, 256)
			b.ReportAllocs()
			b.ResetTimer()
			commits.Store(0)
			grouped := perCall(b, groupcommit.Limits{}, flush, callers, b.N)
			b.ReportMetric(float64(single.Microseconds()), "µs/flush")
			b.ReportMetric(float64(b.N)/float64(commits.Load()), "calls/commit")
			b.ReportMetric(float64(single)/float64(grouped), "x")
		})
	}
}

// perCall returns the time that n calls took, divided by n.
func perCall(b *testing.B, limits groupcommit.Limits, commit func([]int) []groupcommit.Result[int], callers, n int) time.Duration {
	b.Helper()
	g := groupcommit.New(limits, commit)
	var begun atomic.Int64
	var wg sync.WaitGroup
	start := time.Now()
	for range callers {
		wg.Go(func() {
			for begun.Add(1) <= int64(n) {
				if _, err := g.Do(b.Context(), 1); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	return max(time.Since(start)/time.Duration(n), 1)
}
