//go:build !linux || !(amd64 || arm64)

package syscalls

import "os"

// Supervisor decides on the calls of a child that has called Submit.
type Supervisor struct{}

// Submit returns ErrUnsupported: on this system a process cannot supervise another.
func Submit(*os.File) error { return ErrUnsupported }

// Supervise returns ErrUnsupported: on this system a process cannot supervise another.
func Supervise(*os.Process, *os.File, Handler) (*Supervisor, error) { return nil, ErrUnsupported }

// Wait does nothing.
func (*Supervisor) Wait() error { return nil }
