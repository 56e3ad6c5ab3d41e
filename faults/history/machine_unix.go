//go:build unix

package history

import "golang.org/x/sys/unix"

// machineTime reads, in nanoseconds, a clock that nobody can set and that all processes of a machine share. Go's own monotonic
// clock will not do: it starts with each process.
func machineTime() int64 {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		panic(err) // every kernel that Go runs on has this clock
	}
	return t.Nano()
}
