package main

import (
	"runtime"
	"time"
)

// watchOthers returns a function that returns the share of all processors that other programs have used since this call. The
// share is negative if the system does not report it.
func watchOthers() (share func() float64) {
	begin := time.Now()
	own, all, ok := cpuOfAll()
	return func() float64 {
		ownNow, allNow, okNow := cpuOfAll()
		if !ok || !okNow {
			return -1
		}
		others := (allNow - all) - (ownNow - own)
		return max(0, others.Seconds()/time.Since(begin).Seconds()/float64(runtime.NumCPU()))
	}
}
