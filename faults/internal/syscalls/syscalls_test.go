//go:build linux && (amd64 || arm64)

package syscalls_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/matryer/is"

	_ "github.com/caisse/checkout/faults/effort" // defines the flags -long and -seed
	"github.com/caisse/checkout/faults/internal/child"
	"github.com/caisse/checkout/faults/internal/syscalls"
)

func TestMain(m *testing.M) {
	child.Main(child.Program{Name: "writer", Run: write})
	os.Exit(m.Run())
}

// write is the child process. It writes two pages to a file and flushes after each. Then it truncates the file, prints its size, flushes it
// from four goroutines, and removes it. It prints every system call that failed.
func write(_ context.Context, self *child.Self) error {
	var path string
	if err := self.Config(&path); err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	say := func(what string, err error) {
		if errno := syscall.Errno(0); errors.As(err, &errno) {
			fmt.Fprintf(self.History, "%s: %s\n", what, errno)
		}
	}
	for n := range int64(2) {
		_, err := f.WriteAt([]byte("page"), n*4096)
		say("write", err)
		say("flush", f.Sync())
	}
	say("cut", f.Truncate(10))
	if info, err := f.Stat(); err == nil {
		fmt.Fprintf(self.History, "size %d\n", info.Size())
	}
	var done sync.WaitGroup // on other threads, which start after the supervision has begun
	for range 4 {
		done.Go(func() { say("flush", f.Sync()) })
	}
	done.Wait()
	say("remove", os.Remove(path))
	return nil
}

// supervise runs a writer under a handler. It returns what the writer printed, and the system calls that it made on its file.
func supervise(t *testing.T, handler syscalls.Handler) (printed string, made []string, writer *child.Process) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	writer = child.Start(t, "writer", path, child.Options{Syscalls: func(c syscalls.Call) syscalls.Action {
		if c.Path != path {
			return syscalls.Action{}
		}
		made = append(made, fmt.Sprint(c.Name, " ", c.N))
		return handler(c)
	}})
	if err := writer.Wait(); err != nil {
		t.Fatal(err)
	}
	return string(writer.Output()), made, writer
}

// TestSupervise proves that a handler sees every system call on the file, and can fail it, fake it or kill the process before it. The
// suites of disk faults rest on this.
func TestSupervise(t *testing.T) {
	all := []string{"pwrite64 1", "fsync 1", "pwrite64 2", "fsync 2", "ftruncate 1", "fsync 3", "fsync 4", "fsync 5", "fsync 6", "unlink 1"}

	t.Run("shows the calls of every thread to the handler, and lets them pass", func(t *testing.T) {
		is := is.New(t)
		printed, made, _ := supervise(t, func(syscalls.Call) syscalls.Action { return syscalls.Action{} })
		is.Equal(made, all)
		is.Equal(printed, "size 10\n")
	})
	t.Run("fails a call without making it", func(t *testing.T) {
		is := is.New(t)
		printed, made, _ := supervise(t, func(c syscalls.Call) (a syscalls.Action) {
			if c.Name == "pwrite64" && c.N == 2 || c.Name == "ftruncate" {
				a.Errno = syscall.ENOSPC
			}
			return a
		})
		is.Equal(made, all)
		is.Equal(printed, "write: no space left on device\ncut: no space left on device\nsize 4\n")
	})
	t.Run("reports success for a call without making it", func(t *testing.T) {
		is := is.New(t)
		printed, _, _ := supervise(t, func(c syscalls.Call) syscalls.Action {
			return syscalls.Action{Pretend: c.Name == "ftruncate"}
		})
		is.Equal(printed, "size 4100\n")
	})
	t.Run("kills the process before it makes a call", func(t *testing.T) {
		is := is.New(t)
		var path string
		printed, made, writer := supervise(t, func(c syscalls.Call) (a syscalls.Action) {
			if c.Name == "unlink" {
				a.Signal = syscall.SIGKILL
				path = c.Path
			}
			return a
		})
		is.Equal(made, all)
		is.True(strings.HasPrefix(printed, "size 10\n"))
		is.True(writer.Killed())
		_, err := os.Stat(path)
		is.NoErr(err) // the file was not removed
	})
}
