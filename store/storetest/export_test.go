package storetest

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/caisse/checkout"
)

// Samples returns the sessions with which the suite checks that a store keeps every field.
func Samples() []checkout.Session { return samples() }

// Checks returns the names of all checks.
func Checks() []string {
	var names []string
	for _, c := range checks() {
		names = append(names, c.name)
	}
	return names
}

// Complaints runs one check on a store and returns its failures. It panics if there is no check of this name.
func Complaints(ctx context.Context, name string, store checkout.Store) []string {
	all := checks()
	i := slices.IndexFunc(all, func(c check) bool { return c.name == name })
	r := &recorder{ctx: ctx}
	var done sync.WaitGroup
	done.Go(func() { all[i].run(&trial{tb: r, store: store, patience: time.Second}) })
	done.Wait()
	return r.complaints
}

// recorder is a tb that records the failures of a check.
type recorder struct {
	ctx        context.Context
	mu         sync.Mutex
	complaints []string
}

func (*recorder) Helper() {}

func (r *recorder) Context() context.Context { return r.ctx }

func (r *recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.complaints = append(r.complaints, fmt.Sprintf(format, args...))
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}
