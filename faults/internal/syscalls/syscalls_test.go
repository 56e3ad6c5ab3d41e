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

	_ "github.com/caisse/checkout/faults/effort" // its flags
	"github.com/caisse/checkout/faults/internal/child"
	"github.com/caisse/checkout/faults/internal/syscalls"
)

func TestMain(m *testing.M) {
	child.Main(child.Program{Name: "writer", Run: write})
	os.Exit(m.Run())
}

// write writes two pages to a file, flushes it after each, cuts it and removes it, and says what failed.
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
	var done sync.WaitGroup // on threads of its own, which are started late
	for range 4 {
		done.Go(func() { say("flush", f.Sync()) })
	}
	done.Wait()
	say("remove", os.Remove(path))
	return nil
}

// supervised is what a writer said, and the calls that it made, under a handler.
func supervised(t *testing.T, handler syscalls.Handler) (said string, made []string, writer *child.Process) {
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

func TestSupervise(t *testing.T) {
	all := []string{"pwrite64 1", "fsync 1", "pwrite64 2", "fsync 2", "ftruncate 1", "fsync 3", "fsync 4", "fsync 5", "fsync 6", "unlink 1"}

	t.Run("shows every call, whatever the thread, and lets it pass", func(t *testing.T) {
		is := is.New(t)
		said, made, _ := supervised(t, func(syscalls.Call) syscalls.Action { return syscalls.Action{} })
		is.Equal(made, all)
		is.Equal(said, "size 10\n")
	})
	t.Run("fails one call, which is not made", func(t *testing.T) {
		is := is.New(t)
		said, made, _ := supervised(t, func(c syscalls.Call) (a syscalls.Action) {
			if c.Name == "pwrite64" && c.N == 2 || c.Name == "ftruncate" {
				a.Errno = syscall.ENOSPC
			}
			return a
		})
		is.Equal(made, all)
		is.Equal(said, "write: no space left on device\ncut: no space left on device\nsize 4\n")
	})
	t.Run("pretends a call, which is not made", func(t *testing.T) {
		is := is.New(t)
		said, _, _ := supervised(t, func(c syscalls.Call) syscalls.Action {
			return syscalls.Action{Pretend: c.Name == "ftruncate"}
		})
		is.Equal(said, "size 4100\n")
	})
	t.Run("kills before a call is made", func(t *testing.T) {
		is := is.New(t)
		said, made, writer := supervised(t, func(c syscalls.Call) (a syscalls.Action) {
			if c.Name == "unlink" {
				a.Signal = syscall.SIGKILL
			}
			return a
		})
		is.Equal(made, all)
		is.True(strings.HasPrefix(said, "size 10\n"))
		is.True(writer.Killed())
	})
}
