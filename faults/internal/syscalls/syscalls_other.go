//go:build !linux || !(amd64 || arm64)

package syscalls

import "os"

// Supervisor decides on the calls of a child that has submitted.
type Supervisor struct{}

// Submit hands the calls of this process over, which it cannot here.
func Submit(*os.File) error { return ErrUnsupported }

// Supervise decides on the calls of a child, which it cannot here.
func Supervise(*os.Process, *os.File, Handler) (*Supervisor, error) { return nil, ErrUnsupported }

// Wait does nothing.
func (*Supervisor) Wait() error { return nil }
