//go:build !unix

package history

import "time"

// machineTime returns the time of day in nanoseconds. This system has no clock that all processes share and that nobody can set.
func machineTime() int64 { return time.Now().UnixNano() }
