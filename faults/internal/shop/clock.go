//go:build unix

package shop

import (
	"time"

	"golang.org/x/sys/unix"
)

// Clock runs faster than the machine's, so that sessions expire while a test runs. It tells the same to all processes of
// a machine that have the same Clock.
type Clock struct {
	Origin int64     // nanoseconds on the machine's monotonic clock
	Epoch  time.Time // what the Clock told then
	Rate   int64     // seconds in one of the machine's
}

// rate has sessions of 5 minutes expire after 100 ms, and those of 30 after 600.
const rate = 3000

// NewClock is a clock that begins now.
func NewClock() Clock {
	return Clock{MachineTime(), time.Date(2026, time.November, 22, 7, 31, 56, 0, time.UTC), rate}
}

// Now implements [checkout.Clock].
func (c Clock) Now() time.Time {
	return c.Epoch.Add(time.Duration((MachineTime() - c.Origin) * c.Rate))
}

// Later is the clock set forward.
func (c Clock) Later(d time.Duration) Clock {
	c.Epoch = c.Epoch.Add(d)
	return c
}

// MachineTime is in nanoseconds on the clock of which histories tell the time.
func MachineTime() int64 {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		panic(err) // the kernel has had this clock for as long as Go has run on it
	}
	return t.Nano()
}
