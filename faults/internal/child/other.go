//go:build !unix

// Package child runs programs in child processes, which takes Unix.
package child

// Program is what a child runs instead of the tests.
type Program struct{ Name string }

// Main returns: no process is a child here.
func Main(...Program) {}
