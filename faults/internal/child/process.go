//go:build unix

package child

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/caisse/checkout/faults/history"
	"github.com/caisse/checkout/faults/internal/syscalls"
)

// Options say how a child is started. With the zero Options it is a plain process.
type Options struct {
	// Syscalls, if it is not nil, decides on the system calls by which the child changes files. Where the system does not
	// allow that, the test is skipped.
	Syscalls syscalls.Handler
	// Isolated gives the child namespaces of its own for mounts and processes, which end with it. It needs root on Linux.
	Isolated bool
	// Patience is how long the child may run; 0 is two minutes.
	Patience time.Duration
}

// Process is a child.
type Process struct {
	tb         testing.TB
	cmd        *exec.Cmd
	supervisor *syscalls.Supervisor
	told       chan string
	stderr     bytes.Buffer

	readers sync.WaitGroup
	history []byte // once the readers are done
	reading error

	deadline *time.Timer
	wait     sync.Once
	ended    error
}

// Start starts a child that runs a program known to [Main] of this binary, and passes config to it as JSON. The child is killed
// when the test ends.
func Start(tb testing.TB, program string, config any, o Options) *Process {
	tb.Helper()
	p, err := start(tb, program, config, o)
	if errors.Is(err, syscalls.ErrUnsupported) || o.Isolated && errors.Is(err, syscall.EPERM) {
		tb.Skipf("not run: %v", err)
	}
	if err != nil {
		tb.Fatalf("start a child: %v", err)
	}
	return p
}

func start(tb testing.TB, program string, config any, o Options) (*Process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	told, err := json.Marshal(config)
	if err != nil {
		return nil, err
	}
	p := &Process{tb: tb, cmd: exec.Command(self), told: make(chan string, 100)}
	p.cmd.Env = append(os.Environ(), variable+"="+program, settings+"="+string(told), quickExit)
	p.cmd.Stderr = &p.stderr
	p.cmd.SysProcAttr = attributes(o.Isolated)
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	past, present, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	p.cmd.ExtraFiles = []*os.File{present}
	var ours *os.File
	if o.Syscalls != nil {
		var theirs *os.File
		if ours, theirs, err = socketpair(); err != nil {
			return nil, errors.Join(err, past.Close(), present.Close())
		}
		defer ours.Close()
		p.cmd.ExtraFiles = append(p.cmd.ExtraFiles, theirs)
		p.cmd.Env = append(p.cmd.Env, shown+"=1")
	}
	err = p.cmd.Start()
	for _, theirs := range p.cmd.ExtraFiles {
		theirs.Close()
	}
	if err != nil {
		return nil, errors.Join(err, past.Close())
	}
	patience := cmp.Or(o.Patience, 2*time.Minute)
	p.deadline = time.AfterFunc(patience, func() {
		tb.Errorf("a child ran for more than %v, and was ended", patience)
		p.signal(syscall.SIGQUIT) // Go then prints its stacks, if it can
		time.AfterFunc(10*time.Second, p.Kill)
	})
	stop := context.AfterFunc(tb.Context(), p.Kill)
	tb.Cleanup(func() {
		stop()
		p.Kill()
		p.Wait()
	})
	p.readers.Go(func() {
		defer past.Close()
		p.history, p.reading = io.ReadAll(past)
	})
	p.readers.Go(func() {
		defer close(p.told)
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			p.told <- lines.Text()
		}
	})
	if o.Syscalls != nil {
		p.supervisor, err = syscalls.Supervise(p.cmd.Process, ours, o.Syscalls)
	}
	return p, err
}

// quickExit keeps the race detector, if the binary has it, from waiting a second at the end of each child.
const quickExit = "GORACE=atexit_sleep_ms=0"

func socketpair() (ours, theirs *os.File, err error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		return nil, nil, err
	}
	unix.CloseOnExec(pair[0])
	unix.CloseOnExec(pair[1])
	return os.NewFile(uintptr(pair[0]), "socket"), os.NewFile(uintptr(pair[1]), "socket"), nil
}

// Await waits for a line of the child that begins with prefix, and returns the line. ok is false if the child ended without one.
func (p *Process) Await(prefix string) (line string, ok bool) {
	for line := range p.told {
		if strings.HasPrefix(line, prefix) {
			return line, true
		}
	}
	return "", false
}

// Kill ends the child at once. It does nothing to one that has ended.
func (p *Process) Kill() { p.signal(syscall.SIGKILL) }

// Stop stops the child where it is. Continue lets it continue.
func (p *Process) Stop() { p.signal(syscall.SIGSTOP) }

// Stopped waits for a child that is about to stop itself. A Continue that came before the stop would be lost, and the child
// would stay stopped.
func (p *Process) Stopped() {
	if err := awaitStop(p.cmd.Process.Pid); err != nil {
		p.tb.Errorf("wait for a child to stop: %v", err)
	}
}

// Continue lets a stopped child continue.
func (p *Process) Continue() { p.signal(syscall.SIGCONT) }

func (p *Process) signal(s syscall.Signal) {
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.tb.Errorf("signal a child: %v", err)
	}
}

// Wait waits for the child to end. If the child failed and was not killed, the error has what it wrote to stderr.
func (p *Process) Wait() error {
	p.wait.Do(func() {
		p.readers.Wait()
		err := p.cmd.Wait()
		p.deadline.Stop()
		if p.supervisor != nil {
			if err := p.supervisor.Wait(); err != nil {
				p.tb.Error(err)
			}
		}
		if status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() && status.Signal() == syscall.SIGKILL {
			return
		}
		if err != nil {
			p.ended = fmt.Errorf("child: %w\n%s", err, p.stderr.Bytes())
		}
	})
	return p.ended
}

// Killed reports whether the child was killed. The child must have ended.
func (p *Process) Killed() bool {
	p.Wait()
	status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}

// Output returns what the child wrote to Self.History. The child must have ended.
func (p *Process) Output() []byte {
	p.Wait()
	if p.reading != nil {
		p.tb.Errorf("read of a child: %v", p.reading)
	}
	return p.history
}

// History reads that output as a history.
func (p *Process) History() history.History {
	h, err := history.Read(bytes.NewReader(p.Output()))
	if err != nil {
		p.tb.Errorf("the history of a child: %v", err)
	}
	return h
}
