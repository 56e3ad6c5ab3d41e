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

// disk is a group within a synctest bubble whose commits last until flush is called. Between two calls of its methods
// everybody waits, so a test may read its fields.
type disk struct {
	*groupcommit.Group[string, string]
	t       *testing.T
	release chan struct{}
	instead map[string]func(batch []string) []groupcommit.Result[string] // of echo, by the first item of the batch

	mu            sync.Mutex
	batches       [][]string // in the order in which their commits began
	writing, most int        // commits under way: now, and ever
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

// start calls Do on a goroutine of its own and returns when that waits.
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

// flush lets the commit that waits longest go on, and returns when everybody waits again.
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

// answers are what the calls of Do returned so far, by item.
func (d *disk) answers() map[string]answer { return d.answered }

func (d *disk) sizes() []int {
	var sizes []int
	for _, batch := range d.batches {
		sizes = append(sizes, len(batch))
	}
	return sizes
}

// goroutine names the goroutine that calls it.
func goroutine() string {
	name, _, _ := bytes.Cut(debug.Stack(), []byte(" ["))
	return string(name)
}

// echo is what a commit says when all went well.
func echo(batch []string) []groupcommit.Result[string] {
	results := make([]groupcommit.Result[string], len(batch))
	for i, item := range batch {
		results[i].Value = "did " + item
	}
	return results
}
