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

	_ "github.com/caisse/checkout/faults/effort" // its flags
	"github.com/caisse/checkout/faults/internal/child"
	"github.com/caisse/checkout/faults/trial"
)

func TestMain(m *testing.M) {
	child.Main(child.Program{Name: "talker", Run: talk})
	os.Exit(m.Run())
}

// talk keeps something, says its lines, and does what the last of them says.
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

func TestProcess(t *testing.T) {
	start := func(t *testing.T, lines ...string) *child.Process {
		t.Helper()
		return child.Start(t, "talker", lines, child.Options{})
	}

	t.Run("is told what to do, and heard", func(t *testing.T) {
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
	t.Run("is killed, which is no failure, and what it kept stays", func(t *testing.T) {
		is := is.New(t)
		p := start(t, "wait")
		_, ok := p.Await("wait")
		is.True(ok)
		p.Kill()
		is.NoErr(p.Wait())
		is.True(p.Killed())
		is.Equal(string(p.Output()), "kept")
		p.Kill() // does nothing
	})
	t.Run("stops, and goes on", func(t *testing.T) {
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
	t.Run("is ended when it goes on for too long, and says where it was", func(t *testing.T) {
		is := is.New(t)
		var said error
		report := trial.Run(t.Context(), "trial", func(tb testing.TB) {
			said = child.Start(tb, "talker", []string{"wait"}, child.Options{Patience: time.Second}).Wait()
		})
		is.Equal(report, trial.Report{Failed: true, Log: "a child ran for more than 1s, and was ended\n"})
		is.True(said != nil)
		is.True(strings.Contains(said.Error(), "child_test.talk"))
	})
	t.Run("fails where nobody knows the program", func(t *testing.T) {
		is := is.New(t)
		err := child.Start(t, "stranger", nil, child.Options{}).Wait()
		is.True(err != nil)
		is.True(strings.Contains(err.Error(), "child.Main"))
	})
}
