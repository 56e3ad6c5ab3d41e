package main

import (
	"os"
	"slices"
	"time"
)

// flushes is how long it takes to make 4 KiB durable, as a commit of one small row does.
type flushes struct {
	Median time.Duration `json:"median_ns"`
	P99    time.Duration `json:"p99_ns"`
}

// measureFlush writes 4 KiB over and over, within a file of 4 MiB, and flushes each before the next.
func measureFlush(dir string, count int) (flushes, error) {
	f, err := os.CreateTemp(dir, "checkout-bench-flush-")
	if err != nil {
		return flushes{}, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if _, err := f.Write(make([]byte, 4<<20)); err != nil {
		return flushes{}, err
	}
	if err := f.Sync(); err != nil {
		return flushes{}, err
	}
	page := make([]byte, 4<<10)
	took := make([]time.Duration, count)
	for i := range took {
		page[0] = byte(i)
		start := time.Now()
		if _, err := f.WriteAt(page, int64(i%1024)*int64(len(page))); err != nil {
			return flushes{}, err
		}
		if err := flush(f); err != nil {
			return flushes{}, err
		}
		took[i] = time.Since(start)
	}
	slices.Sort(took)
	return flushes{Median: took[count/2], P99: took[count*99/100]}, nil
}
