//go:build unix

package shop

import (
	"time"

	"golang.org/x/sys/unix"
)

// Clock runs faster than the machine's clock, so that sessions expire while a test runs. Processes of one machine that have the
// same Clock read the same time.
type Clock struct {
	Origin int64     // a time on the machine's monotonic clock, in nanoseconds
	Epoch  time.Time // the time of this Clock at Origin
	Rate   int64     // seconds of this Clock in a second of the machine's
}

// At this rate sessions of 5 minutes expire after 100 ms, and those of 30 minutes after 600 ms.
const rate = 3000

// NewClock returns a clock that starts now.
func NewClock() Clock {
	return Clock{MachineTime(), time.Date(2026, time.November, 22, 7, 31, 56, 0, time.UTC), rate}
}

// Now implements [checkout.Clock].
func (c Clock) Now() time.Time {
	return c.Epoch.Add(time.Duration((MachineTime() - c.Origin) * c.Rate))
}

// Later returns the clock set forward.
func (c Clock) Later(d time.Duration) Clock {
	c.Epoch = c.Epoch.Add(d)
	return c
}

// MachineTime returns the time in nanoseconds on the clock that histories use.
func MachineTime() int64 {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		panic(err) // every kernel that Go runs on has this clock
	}
	return t.Nano()
}
