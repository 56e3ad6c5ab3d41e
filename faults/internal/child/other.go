//go:build !unix

// Package child runs programs in processes of their own, which takes Unix.
package child

// Program is what a child does in place of its parent's work.
type Program struct{ Name string }

// Main returns: no process is a child here.
func Main(...Program) {}
