//go:build unix

package history

import "golang.org/x/sys/unix"

// machineTime is in nanoseconds on a clock that nobody sets and that all processes of a machine share, which Go's own
// monotonic reading is not: it counts from the start of a process.
func machineTime() int64 {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		panic(err) // the kernel has had this clock for as long as Go has run on it
	}
	return t.Nano()
}
