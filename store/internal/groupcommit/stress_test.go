package groupcommit_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"

	"github.com/matryer/is"

	"github.com/caisse/checkout/store/internal/groupcommit"
)

var errBadRow = errors.New("bad row")

// outcome says whether an item was written. The table has one for each item that a commit saw, and each caller is told one.
type outcome string

const (
	written   outcome = "written"
	badRow    outcome = "bad row"
	unknown   outcome = "unknown"
	unwritten outcome = "" // no commit saw it
)

// table is the table that commits write to. It makes commits fail at random, and checks that they keep the limits.
type table struct {
	limits groupcommit.Limits

	mu        sync.Mutex
	random    *rand.Rand
	rows      map[int]outcome
	writing   int
	overlaps  bool  // commits have run at the same time
	joined    int   // items that were added to a batch while it was being written
	violation error // the last one; nil: none
}

func (tb *table) commit(batch []int, more func() []int) []groupcommit.Result[int] {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	tb.writing++
	defer func() { tb.writing-- }()
	tb.overlaps = tb.overlaps || tb.writing > 1
	if len(batch) == 0 || len(batch) > tb.limits.Batch || tb.writing > tb.limits.InFlight {
		tb.violation = fmt.Errorf("a batch of %d items, with %d batches at once", len(batch), tb.writing)
	}
	fault, work := tb.random.IntN(20), tb.random.IntN(20)
	for range tb.random.IntN(3) {
		tb.mu.Unlock()
		runtime.Gosched()
		joined := more()
		tb.mu.Lock()
		tb.joined += len(joined)
		batch = append(batch, joined...)
	}
	if len(batch) > tb.limits.Batch {
		tb.violation = fmt.Errorf("a batch of %d items", len(batch))
	}
	results := make([]groupcommit.Result[int], len(batch))
	for i, item := range batch {
		if was, twice := tb.rows[item]; twice {
			tb.violation = fmt.Errorf("item %d was given to a commit twice; the first time it was %s", item, was)
		}
		switch {
		case fault < 2:
			tb.rows[item] = unknown
		case item%7 == 0:
			tb.rows[item], results[i].Err = badRow, errBadRow
		default:
			tb.rows[item], results[i].Value = written, -item
		}
	}
	tb.mu.Unlock()
	for range work {
		runtime.Gosched()
	}
	tb.mu.Lock()
	switch fault {
	case 0:
		panic("connection lost")
	case 1:
		return results[1:]
	default:
		return results
	}
}

// outcomeOf returns the outcome that Do has told the caller of an item.
func outcomeOf(item, value int, err error) (outcome, error) {
	var panicked *groupcommit.PanicError
	switch {
	case err == nil && value == -item:
		return written, nil
	case errors.Is(err, errBadRow):
		return badRow, nil
	case errors.Is(err, context.Canceled):
		return unwritten, nil
	case errors.As(err, &panicked):
		return unknown, nil
	default:
		return "", fmt.Errorf("item %d: value %d, error %w", item, value, err)
	}
}

// TestRandomCallers lets commits fail and callers give up at random. Each item must be written at most once, and each caller must be told
// what has happened to its item.
func TestRandomCallers(t *testing.T) {
	const callers, calls = 32, 200
	for _, limits := range []groupcommit.Limits{{Batch: 1, InFlight: 1}, {Batch: 5, InFlight: 1}, {Batch: 512, InFlight: 1}, {Batch: 8, InFlight: 3}} {
		t.Run(fmt.Sprintf("learn the true outcome with %d per batch and %d in flight", limits.Batch, limits.InFlight), func(t *testing.T) {
			is := is.New(t)
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			tb := &table{limits: limits, random: rand.New(rand.NewPCG(seed, 0)), rows: make(map[int]outcome)}
			g := groupcommit.NewGrowing(limits, tb.commit)
			answers := make([]outcome, callers*calls)
			var wg sync.WaitGroup
			for caller := range callers {
				random := rand.New(rand.NewPCG(seed, uint64(caller)+1))
				wg.Go(func() {
					for call := range calls {
						item := caller*calls + call
						ctx, cancel := context.WithCancel(t.Context())
						if patience := random.IntN(200); patience < 50 {
							wg.Go(func() {
								for range patience {
									runtime.Gosched()
								}
								cancel()
							})
						}
						value, err := g.Do(ctx, item)
						cancel()
						if answers[item], err = outcomeOf(item, value, err); err != nil {
							t.Error(err)
						}
					}
				})
			}
			wg.Wait()
			is.NoErr(tb.violation)
			is.Equal(tb.overlaps, limits.InFlight > 1)
			is.True(tb.joined > 0 || limits.Batch < callers) // small batches are full before anybody can be added
			count := make(map[outcome]int)
			for item, got := range answers {
				count[got]++
				if row := tb.rows[item]; got != row {
					t.Fatalf("the caller of item %d was told %q, the table says %q", item, got, row)
				}
			}
			t.Logf("%v", count)
			is.Equal(len(count), 4) // each outcome has happened
		})
	}
}
