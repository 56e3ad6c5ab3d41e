package groupcommit_test

import (
	"bytes"
	"context"
	"runtime/debug"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/caisse/checkout/store/internal/groupcommit"
)

// disk is a group in a synctest bubble that simulates a slow disk: each commit waits until the test calls flush. Between two calls of its
// methods all goroutines wait, so a test may read its fields.
type disk struct {
	*groupcommit.Group[string, string]
	t       *testing.T
	release chan struct{}
	instead map[string]func(batch []string) []groupcommit.Result[string] // called instead of echo; the key is the first item of the batch

	mu            sync.Mutex
	batches       [][]string // in the order in which their commits have begun
	writing, most int        // commits under way: now, and the most so far
	answered      map[string]answer
}

type answer struct {
	value string
	err   error
}

func newDisk(t *testing.T, limits groupcommit.Limits) *disk {
	t.Helper()
	d := &disk{t: t, release: make(chan struct{}), answered: make(map[string]answer)}
	d.Group = groupcommit.New(limits, d.commit)
	return d
}

func (d *disk) commit(batch []string) []groupcommit.Result[string] {
	d.mu.Lock()
	d.batches = append(d.batches, slices.Clone(batch))
	d.writing++
	d.most = max(d.most, d.writing)
	d.mu.Unlock()
	defer func() {
		d.mu.Lock()
		d.writing--
		d.mu.Unlock()
	}()
	<-d.release
	if instead := d.instead[batch[0]]; instead != nil {
		return instead(batch)
	}
	return echo(batch)
}

// start calls Do on a new goroutine. It returns when that goroutine waits or has ended.
func (d *disk) start(ctx context.Context, item string) {
	d.t.Helper()
	go func() {
		value, err := d.Do(ctx, item)
		d.mu.Lock()
		defer d.mu.Unlock()
		d.answered[item] = answer{value, err}
	}()
	synctest.Wait()
}

// flush lets the oldest commit go on. It returns when all goroutines wait again.
func (d *disk) flush() {
	d.t.Helper()
	if d.writing == 0 {
		d.t.Fatal("no commit is under way")
	}
	d.release <- struct{}{}
	synctest.Wait()
}

func (d *disk) flushAll() {
	d.t.Helper()
	for d.writing > 0 {
		d.flush()
	}
}

// answers returns what the calls of Do have returned so far, by item.
func (d *disk) answers() map[string]answer { return d.answered }

// sizes returns the number of items of each batch.
func (d *disk) sizes() []int {
	var sizes []int
	for _, batch := range d.batches {
		sizes = append(sizes, len(batch))
	}
	return sizes
}

// goroutineName returns a name of the goroutine that calls it.
func goroutineName() string {
	name, _, _ := bytes.Cut(debug.Stack(), []byte(" ["))
	return string(name)
}

// echo returns the results of a commit without any failure.
func echo(batch []string) []groupcommit.Result[string] {
	results := make([]groupcommit.Result[string], len(batch))
	for i, item := range batch {
		results[i].Value = "did " + item
	}
	return results
}
