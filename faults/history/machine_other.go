//go:build !unix

package history

import "time"

// machineTime is the time of day in nanoseconds. On this system processes share no clock that nobody can set.
func machineTime() int64 { return time.Now().UnixNano() }
