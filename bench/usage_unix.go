//go:build unix

package main

import (
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// cpuTime returns the processor time of this process.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// cpuOfAll returns the processor time of this process and its ended children, and that of all processes of the system. ok is false
// if the system does not report it.
func cpuOfAll() (own, all time.Duration, ok bool) {
	var children syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_CHILDREN, &children); err != nil {
		return 0, 0, false
	}
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, 0, false
	}
	if all, ok = busyTime(string(stat)); !ok {
		return 0, 0, false
	}
	return cpuTime() + time.Duration(children.Utime.Nano()+children.Stime.Nano()), all, true
}

// busyTime reads the first line of /proc/stat, which has the times of all processors together.
func busyTime(stat string) (busy time.Duration, ok bool) {
	line, _, _ := strings.Cut(stat, "\n")
	fields := strings.Fields(line)
	if len(fields) < 9 || fields[0] != "cpu" {
		return 0, false
	}
	const tick = 10 * time.Millisecond // on every Linux
	for i, field := range fields[1:9] {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, false
		}
		if i != 3 && i != 4 { // idle, and idle while a disk is working
			busy += time.Duration(n) * tick
		}
	}
	return busy, true
}

// peakResident returns the greatest resident memory of this process, in bytes. On Linux it does not use rusage, which begins with
// the figure of the parent.
func peakResident() int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if kilobytes, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			n, _ := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(kilobytes), "kB")), 10, 64)
			return n << 10
		}
	}
	return 0
}
