// Package effort has the flags -long and -seed. By default the tests of this module are short enough to run with every change.
// Every package with tests imports it, so that "go test ./... -long -seed 7" works.
package effort

import (
	"flag"
	"testing"
	"time"
)

// The flags are global, as the command line is.
var (
	long = flag.Bool("long", false, "run the long pass")
	seed = flag.Uint64("seed", 0, "the seed of all random choices; 0 takes a new seed each time")
)

// Long reports whether the tests are to run for long.
func Long() bool { return *long }

// Pick returns short, or forLong if the tests run for long.
func Pick[T any](short, forLong T) T {
	if *long {
		return forLong
	}
	return short
}

// Seed returns the seed of the test's random choices, and logs it. It does not determine the order in which goroutines run.
func Seed(tb testing.TB) uint64 {
	tb.Helper()
	s := *seed
	if s == 0 {
		s = uint64(time.Now().UnixNano())
	}
	tb.Logf("for the same random choices: -seed %d", s)
	return s
}
