package main

import (
	"runtime"
	"time"
)

// watchOthers begins to watch, and returns what tells the share of all processors that other programs have used since. It
// is negative where the system does not tell.
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
