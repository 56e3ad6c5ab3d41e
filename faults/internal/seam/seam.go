//go:build unix

// Package seam names points in the work of a database driver, and kills or stops the process at one of them. The store is
// unmodified: New makes it on a pool whose driver has the points.
package seam

import (
	"fmt"
	"os"
	"sync"
	"syscall"
)

// Point is the name of a point.
type Point string

// Trap says what happens at which point.
type Trap struct {
	Point Point
	Nth   int  // at which visit of the point, from 1
	Stop  bool // stop the process rather than kill it
}

// Seam springs a trap, once. The zero Trap does nothing.
type Seam struct {
	trap Trap
	tell func(Point)

	mu   sync.Mutex
	seen int
}

// New makes a seam with one trap. It calls tell just before the trap is sprung.
func New(trap Trap, tell func(Point)) *Seam { return &Seam{trap: trap, tell: tell} }

// at is called at each point.
func (s *Seam) at(p Point) {
	if p == "" || p != s.trap.Point {
		return
	}
	s.mu.Lock()
	s.seen++
	sprung := s.seen == s.trap.Nth
	s.mu.Unlock()
	if !sprung {
		return
	}
	s.tell(p)
	signal := syscall.SIGKILL
	if s.trap.Stop {
		signal = syscall.SIGSTOP
	}
	if err := syscall.Kill(os.Getpid(), signal); err != nil {
		panic(fmt.Sprintf("seam: %v at %q: %v", signal, p, err)) // a process may always signal itself
	}
	if !s.trap.Stop {
		select {} // the signal is on its way
	}
}
