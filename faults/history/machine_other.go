//go:build !unix

package history

import "time"

// machineTime is the time of day in nanoseconds: here no clock that nobody sets is shared by processes.
func machineTime() int64 { return time.Now().UnixNano() }
