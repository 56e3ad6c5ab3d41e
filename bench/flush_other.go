//go:build !linux

package main

import "os"

// flush is what SQLite asks of the system when it commits.
func flush(f *os.File) error { return f.Sync() }
