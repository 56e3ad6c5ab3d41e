//go:build linux

// Package isolated runs suites that mount file systems in a child process with namespaces for mounts and processes. However
// the child ends, no mount, loop device or process is left.
package isolated

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/caisse/checkout/faults/internal/child"
	"github.com/caisse/checkout/faults/stores"
	"github.com/caisse/checkout/faults/suite"
	"github.com/caisse/checkout/faults/trial"
)

// Run is the Run of a suite, with an empty folder to mount on.
type Run func(tb testing.TB, dir string, kind stores.Kind, o suite.Options) suite.Result

// order is the configuration of the process, and outcome its answer.
type order struct {
	Dir     string
	Kind    stores.Kind
	Options suite.Options
}

type outcome struct {
	Report trial.Report
	Result suite.Result
}

// Program makes a program that runs run. The name must be unique among all packages.
func Program(name string, run Run) child.Program {
	return child.Program{Name: name, Run: func(ctx context.Context, self *child.Self) error {
		var o order
		if err := self.Config(&o); err != nil {
			return err
		}
		// Processes have other numbers in the namespace, so the namespace needs its own /proc.
		if err := unix.Mount("proc", "/proc", "proc", 0, ""); err != nil {
			return fmt.Errorf("mount /proc: %w", err)
		}
		var answer outcome
		answer.Report = trial.Run(ctx, name, func(tb testing.TB) { answer.Result = run(tb, o.Dir, o.Kind, o.Options) })
		return json.NewEncoder(self.History).Encode(answer)
	}}
}

// Possible reports whether this process may mount file systems.
func Possible() bool {
	var of [2]unix.CapUserData
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	return os.Geteuid() == 0 && unix.Capget(&header, &of[0]) == nil && of[0].Effective&(1<<unix.CAP_SYS_ADMIN) != 0
}

// patience is how long a suite may take, also in a long pass.
const patience = 10 * time.Minute

// Suite runs the program with this name. If this process may not mount file systems, the test is skipped.
func Suite(tb testing.TB, name string, kind stores.Kind, o suite.Options) suite.Result {
	tb.Helper()
	if !Possible() {
		tb.Skip("not run: it mounts file systems, which takes root")
	}
	dir, err := os.MkdirTemp("", name)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil { // for the user that PostgreSQL runs as
		tb.Fatal(err)
	}
	p := child.Start(tb, name, order{dir, kind, o}, child.Options{Isolated: true, Patience: patience})
	if err := p.Wait(); err != nil {
		tb.Fatal(err)
	}
	var answer outcome
	if err := json.Unmarshal(p.Output(), &answer); err != nil {
		tb.Fatalf("%s ended without a result: %v", name, err)
	}
	if answer.Report.Log != "" {
		tb.Log(answer.Report.Log)
	}
	if answer.Report.Failed {
		tb.Fail()
	}
	if answer.Report.Skipped {
		tb.SkipNow()
	}
	return answer.Result
}
