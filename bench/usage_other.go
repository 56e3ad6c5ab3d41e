//go:build !unix

package main

import "time"

// Where these figures are 0, tables have a dash.

func cpuTime() time.Duration { return 0 }

func cpuOfAll() (own, all time.Duration, ok bool) { return 0, 0, false }

func peakResident() int64 { return 0 }
