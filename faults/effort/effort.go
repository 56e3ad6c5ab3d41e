// Package effort says how hard the tests of this module try: in short, so that they run with every change, or for
// long. Every package with tests imports it, so that its flags are known wherever "go test ./... -long -seed 7" is said.
package effort

import (
	"flag"
	"testing"
	"time"
)

// Flags belong to the command line, which a process has one of.
var (
	long = flag.Bool("long", false, "run the faults for long")
	seed = flag.Uint64("seed", 0, "what random choices follow from; 0 chooses another each time")
)

// Long reports whether the tests are to run for long.
func Long() bool { return *long }

// Pick is short, or long where the tests run for long.
func Pick[T any](short, forLong T) T {
	if *long {
		return forLong
	}
	return short
}

// Seed is what the test's random choices follow from, and is logged. Which of several goroutines comes first no seed
// decides.
func Seed(tb testing.TB) uint64 {
	tb.Helper()
	s := *seed
	if s == 0 {
		s = uint64(time.Now().UnixNano())
	}
	tb.Logf("to choose alike: -seed %d", s)
	return s
}
