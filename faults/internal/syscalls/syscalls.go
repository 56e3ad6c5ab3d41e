// Package syscalls puts a test between a program and the disk. Before the kernel carries out a system call by which a child
// process changes a file, the parent sees it. The parent may let it pass, delay it, fail it with an error, or kill the child.
// The program is unmodified and does not notice.
//
// It uses Linux's seccomp user notification (seccomp_unotify(2)). Unlike strace's fault injection it needs no strace and no
// root, and it counts the calls of all threads of a program together.
package syscalls

import (
	"errors"
	"syscall"
	"time"
)

// ErrUnsupported says that the kernel, or a sandbox around this process, does not let a process supervise another.
var ErrUnsupported = errors.New("syscalls: supervision needs Linux 5.19 on amd64 or arm64, and the right to install a seccomp filter")

// Call is a system call that is about to be made.
type Call struct {
	Name string // "fsync", "fdatasync", "pwrite64", "ftruncate", "unlink" (also of unlinkat) or "link" (also of linkat)
	Path string // of the file; "" if it could not be found out
	// N counts the calls of this name on this path, from 1. If a file is removed and made again, the count continues.
	N    int
	Args [6]uint64
}

// Action says what happens to a call. The zero Action lets it pass.
type Action struct {
	// Errno is what the call fails with, without being made. 0 is no error.
	Errno syscall.Errno
	// Pretend has the call succeed without being made.
	Pretend bool
	// Delay is how long the call waits before it passes or fails.
	Delay time.Duration
	// Signal, if it is not 0, is sent to the process first. With SIGKILL the call is not made. With SIGSTOP it is made when the process is
	// continued.
	Signal syscall.Signal
}

// Handler decides what happens to a call. It is called for one call at a time.
type Handler func(Call) Action
