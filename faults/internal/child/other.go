//go:build !unix

// Package child runs programs in child processes, which needs Unix.
package child

// Program is what a child runs instead of the tests.
type Program struct{ Name string }

// Main does nothing: on this system no process is a child.
func Main(...Program) {}
