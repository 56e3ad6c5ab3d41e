//go:build unix

package main

import (
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// cpuTime is what the process has used of the processors.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// cpuOfAll is what this process, its children that have ended, and all processes of the system have used of the
// processors. With ok false the system does not tell.
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

// busyTime reads the first line of /proc/stat: how long the processors have done what, all of them together.
func busyTime(stat string) (busy time.Duration, ok bool) {
	line, _, _ := strings.Cut(stat, "\n")
	fields := strings.Fields(line)
	if len(fields) < 9 || fields[0] != "cpu" {
		return 0, false
	}
	const tick = 10 * time.Millisecond // of every Linux, whatever its clock
	for i, field := range fields[1:9] {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, false
		}
		if i != 3 && i != 4 { // idle, or idle until a disk answers
			busy += time.Duration(n) * tick
		}
	}
	return busy, true
}

// peakResident is the most memory, in bytes, that the process has had resident, where the system tells of this program
// alone: the rusage of Linux begins with that of the program that started it.
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
