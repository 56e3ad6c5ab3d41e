//go:build unix

package child_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/matryer/is"

	_ "github.com/caisse/checkout/faults/effort" // defines the flags -long and -seed
	"github.com/caisse/checkout/faults/internal/child"
	"github.com/caisse/checkout/faults/trial"
)

func TestMain(m *testing.M) {
	child.Main(child.Program{Name: "talker", Run: talk})
	os.Exit(m.Run())
}

// talk is the child process. It writes "kept" to its history, sends its lines to the parent, and obeys the lines "wait", "stop" and "fail".
func talk(_ context.Context, self *child.Self) error {
	var lines []string
	if err := self.Config(&lines); err != nil {
		return err
	}
	fmt.Fprint(self.History, "kept")
	for _, line := range lines {
		if err := self.Tell(line); err != nil {
			return err
		}
		switch line {
		case "wait":
			select {}
		case "stop":
			if err := syscall.Kill(os.Getpid(), syscall.SIGSTOP); err != nil {
				return err
			}
		case "fail":
			return errors.New("as it was told")
		}
	}
	return nil
}

// TestProcess proves that a test controls a child completely: it configures it, reads its lines, stops it and kills it, and no child
// outlives its test.
func TestProcess(t *testing.T) {
	start := func(t *testing.T, lines ...string) *child.Process {
		t.Helper()
		return child.Start(t, "talker", lines, child.Options{})
	}

	t.Run("gets its configuration, and its lines reach the test", func(t *testing.T) {
		is := is.New(t)
		p := start(t, "one", "at last", "two")
		line, ok := p.Await("at ")
		is.True(ok)
		is.Equal(line, "at last")
		_, ok = p.Await("three")
		is.True(!ok)
		is.NoErr(p.Wait())
		is.True(!p.Killed())
	})
	t.Run("is killed without a failure, and leaves its history", func(t *testing.T) {
		is := is.New(t)
		p := start(t, "wait")
		_, ok := p.Await("wait")
		is.True(ok)
		p.Kill()
		is.NoErr(p.Wait())
		is.True(p.Killed())
		is.Equal(string(p.Output()), "kept")
		p.Kill() // a second kill does nothing
	})
	t.Run("stops and continues", func(t *testing.T) {
		is := is.New(t)
		p := start(t, "stop", "on")
		_, ok := p.Await("stop")
		is.True(ok)
		p.Stopped()
		p.Continue()
		_, ok = p.Await("on")
		is.True(ok)
		is.NoErr(p.Wait())
	})
	t.Run("says why it failed", func(t *testing.T) {
		is := is.New(t)
		err := start(t, "fail").Wait()
		is.True(err != nil)
		is.True(strings.Contains(err.Error(), "as it was told"))
	})
	t.Run("ends with the test", func(t *testing.T) {
		is := is.New(t)
		var p *child.Process
		report := trial.Run(t.Context(), "trial", func(tb testing.TB) {
			p = child.Start(tb, "talker", []string{"wait"}, child.Options{})
			p.Await("wait")
		})
		is.Equal(report, trial.Report{})
		is.True(p.Killed())
	})
	t.Run("is ended when it runs for too long, and shows its stack", func(t *testing.T) {
		is := is.New(t)
		var err error
		report := trial.Run(t.Context(), "trial", func(tb testing.TB) {
			err = child.Start(tb, "talker", []string{"wait"}, child.Options{Patience: time.Second}).Wait()
		})
		is.Equal(report, trial.Report{Failed: true, Log: "a child ran for more than 1s, and was ended\n"})
		is.True(err != nil)
		is.True(strings.Contains(err.Error(), "child_test.talk"))
	})
	t.Run("fails if child.Main does not know the program", func(t *testing.T) {
		is := is.New(t)
		err := child.Start(t, "stranger", nil, child.Options{}).Wait()
		is.True(err != nil)
		is.True(strings.Contains(err.Error(), "child.Main"))
	})
}
