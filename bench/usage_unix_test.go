//go:build unix

package main

import (
	"testing"
	"time"

	"github.com/matryer/is"
)

func TestBusyTime(t *testing.T) {
	is := is.New(t)
	busy, ok := busyTime("cpu  1 2 4 1000 2000 8 16 32 64 128\ncpu0 1 2 4 1000 2000 8 16 32 64 128\n")
	is.True(ok)
	is.Equal(busy, 630*time.Millisecond) // the user time already contains the time of guests
	for _, stat := range []string{"", "cpu 1 2", "cpu0 1 2 3 4 5 6 7 8", "cpu 1 2 x 4 5 6 7 8"} {
		_, ok := busyTime(stat)
		is.True(!ok)
	}
}

func TestWatchOthers(t *testing.T) {
	is := is.New(t)
	own, all, ok := cpuOfAll()
	if !ok {
		is.Equal(watchOthers()(), -1.0)
		return
	}
	is.True(own > 0 && all > own)
	others := watchOthers()()
	is.True(others >= 0)
}
