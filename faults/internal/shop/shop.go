//go:build unix

// Package shop has a host that suites break: a child process with a store and many callers, which is called a shop. A Round starts
// shops, and finds out what they lost after a suite has killed, stopped or otherwise disturbed them.
package shop

import (
	"context"
	"fmt"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/faults/history"
	"github.com/caisse/checkout/faults/internal/child"
	"github.com/caisse/checkout/faults/internal/seam"
	"github.com/caisse/checkout/faults/stores"
	"github.com/caisse/checkout/faults/workload"
)

// Config configures a shop.
type Config struct {
	Header history.Header
	Place  string // as stores.Place.String wrote it
	Clock  Clock

	// What its callers do, see workload.Plan.
	Seed                          uint64
	Name                          string
	Callers, Calls, Keys, Retries int

	// Host says that the store is made by New on a pool of the host's, with the Trap in its driver, and that some sessions
	// are created in the host's transactions. Otherwise the store is made by Open.
	Host bool
	Trap seam.Trap

	// Planted is a bug of the store, one of the constants such as Unflushed. "" is the store without a bug.
	Planted string

	// Files limits how many files may be open, and FileSize how long a file may become. 0 is no limit.
	Files, FileSize uint64
}

// Lines that a shop sends to its parent.
const (
	Open   = "open"   // the store is open, and the callers begin
	Done   = "done"   // the callers have made all their calls
	Closed = "closed" // the store is closed
	At     = "at "    // followed by a point: the trap there is about to be sprung
)

// Program is the program of a shop.
func Program() child.Program { return child.Program{Name: "shop", Run: run} }

func run(ctx context.Context, self *child.Self) error {
	var c Config
	if err := self.Config(&c); err != nil {
		return err
	}
	if err := c.limit(); err != nil {
		return err
	}
	place, err := stores.Parse(c.Place)
	if err != nil {
		return err
	}
	recorder := history.New(c.Header, c.Clock)
	if err := recorder.Stream(self.History); err != nil {
		return err
	}
	trap := seam.New(c.Trap, func(p seam.Point) { self.Tell(At + string(p)) })
	store, err := c.open(ctx, place, trap)
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	checkouts, err := checkout.New(store, checkout.Config{Clock: c.Clock})
	if err != nil {
		return err
	}
	var service history.Service = checkouts
	if h, ok := store.(*hosted); ok {
		service = &orders{Checkouts: checkouts, host: h}
	}
	if err := self.Tell(Open); err != nil {
		return err
	}
	workload.Run(ctx, c.plan(), recorder, service)
	if err := recorder.Err(); err != nil {
		return err
	}
	if err := self.Tell(Done); err != nil {
		return err
	}
	if err := store.Close(); err != nil {
		return fmt.Errorf("close: %w", err)
	}
	return self.Tell(Closed)
}

func (c Config) plan() workload.Plan {
	return workload.Plan{Seed: c.Seed, Name: c.Name, Callers: c.Callers, Calls: c.Calls, Keys: c.Keys, Retries: c.Retries}
}
