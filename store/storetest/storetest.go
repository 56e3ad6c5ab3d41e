package storetest

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/caisse/checkout"
)

// Run runs every check as a subtest, each on an empty store of its own that newStore makes.
func Run(t *testing.T, newStore func(t *testing.T) checkout.Store) {
	for _, c := range checks() {
		t.Run(c.name, func(t *testing.T) {
			c.run(&trial{tb: t, store: newStore(t), patience: 10 * time.Second})
		})
	}
}

// check is one thing that a store must do.
type check struct {
	name string // a sentence whose subject is the store
	run  func(t *trial)
}

func checks() []check {
	return slices.Concat(createChecks, fieldChecks, keyChecks, scopeChecks, updateChecks, listChecks, filterChecks,
		walkChecks, expireChecks, historyChecks, feedChecks, pruneChecks, contextChecks, raceChecks)
}

// tb is the part of *testing.T that a check needs. The suite's own tests use another tb, to show that each check can fail.
type tb interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
	Context() context.Context
}

// atOnce calls f with 0 to n-1, each in a goroutine, and lets all of them start together.
func atOnce(n int, f func(i int)) {
	var done sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		done.Go(func() {
			<-start
			f(i)
		})
	}
	close(start)
	done.Wait()
}
