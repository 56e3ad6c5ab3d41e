package main

import (
	"os"
	"syscall"
)

// flush is what SQLite asks of the system when it commits.
func flush(f *os.File) error { return syscall.Fdatasync(int(f.Fd())) }
