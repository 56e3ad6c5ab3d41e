// Package syscalls puts a test between a program and the disk: the calls by which a child process changes files are
// shown to its parent before the kernel does them, which may let them pass, delay them, refuse them with an error, or end
// the child right there. The program is unmodified; it does not even notice.
//
// It is Linux's seccomp user notification (seccomp_unotify(2)), as strace's fault injection is to be had without strace,
// without root, and with one count for all threads of a program rather than one for each.
package syscalls

import (
	"errors"
	"fmt"
	"syscall"
	"time"
)

// ErrUnsupported says that the kernel, or what confines this process, does not let a process supervise another.
var ErrUnsupported = errors.New("syscalls: supervision needs Linux 5.19 on amd64 or arm64, and the right to install a seccomp filter")

// Call is a system call that is about to be made.
type Call struct {
	Name string // "fsync", "fdatasync", "pwrite64", "ftruncate", "unlink" (also of unlinkat) or "link" (also of linkat)
	Path string // of the file; "" where it could not be told
	// N counts the calls of this name on this path, from 1. A file that was removed and made again counts on.
	N    int
	Args [6]uint64
}

func (c Call) String() string { return fmt.Sprintf("%s %d of %s", c.Name, c.N, c.Path) }

// Action is what becomes of a call. The zero Action lets it pass.
type Action struct {
	// Errno is what the call fails with, without being made. 0 is no error.
	Errno syscall.Errno
	// Pretend has the call succeed without being made.
	Pretend bool
	// Delay is how long the call is held before it passes or fails.
	Delay time.Duration
	// Signal is sent to the process first. With SIGKILL the call is not made; a process that is stopped has made it when
	// it is continued.
	Signal syscall.Signal
}

// Handler decides. It is called for one call at a time.
type Handler func(Call) Action
