// Command report tries every fault on every store and writes what was counted.
//
//	go run ./cmd/report -long -json results.json > results.md
//
// The table goes to standard output, progress to standard error. It ends with status 1 if anything was lost, doubled
// or otherwise wrong; what the machine cannot do is said to be "not run". PostgreSQL is a throw-away server where it is
// installed, or the one that CHECKOUT_TEST_POSTGRES names.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/caisse/checkout/faults/concurrent"
	"github.com/caisse/checkout/faults/crash"
	"github.com/caisse/checkout/faults/internal/child"
	"github.com/caisse/checkout/faults/iofault"
	"github.com/caisse/checkout/faults/model"
	"github.com/caisse/checkout/faults/power"
	"github.com/caisse/checkout/faults/suite"
	"github.com/caisse/checkout/faults/trial"
	"github.com/caisse/checkout/internal/pgtest"
)

// suites is the list of all that is tried, in the order of the table.
func suites() []suite.Suite {
	return slices.Concat(
		model.Suites(),
		concurrent.Suites(),
		crash.Suites(),
		power.Suites(),
		iofault.Suites(),
	)
}

// programs is the list of what this program is when its suites start it once more.
func programs() []child.Program {
	return slices.Concat(crash.Programs(), power.Programs(), iofault.Programs())
}

func main() {
	child.Main(programs()...)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "report:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	// Suites are test code, and ask package testing for its flags.
	testing.Init()
	if err := flag.CommandLine.Parse(nil); err != nil {
		return err
	}
	flags := flag.NewFlagSet("report", flag.ContinueOnError)
	flags.SetOutput(stderr)
	long := flags.Bool("long", false, "try for long")
	seed := flags.Uint64("seed", uint64(time.Now().UnixNano()), "what random choices follow from")
	only := flags.String("only", "", "try only what matches this regular expression: \"fault on store\"")
	raw := flags.String("json", "", "write the whole report to this file")
	if err := flags.Parse(args); err != nil {
		return err
	}
	wanted, err := regexp.Compile(*only)
	if err != nil {
		return err
	}
	report := suite.Report{Seed: *seed, Long: *long, Started: time.Now()}
	try := func() {
		report.Revision, report.Versions, report.Machine = revision(ctx), versions(ctx), machine()
		for _, s := range suites() {
			if name := s.Fault + " on " + string(s.Store); wanted.MatchString(name) {
				fmt.Fprintln(stderr, name)
				row := s.Try(ctx, suite.Options{Long: *long, Seed: *seed})
				fmt.Fprint(stderr, row.Log)
				report.Rows = append(report.Rows, row)
			}
		}
	}
	if err := withPostgres(ctx, try); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if *raw != "" {
		if err := writeFile(*raw, report.WriteJSON); err != nil {
			return err
		}
	}
	if err := report.WriteMarkdown(stdout); err != nil {
		return err
	}
	switch {
	case len(report.Rows) == 0:
		return fmt.Errorf("nothing matches %q", *only)
	case !report.OK():
		return errors.New("something failed")
	}
	return nil
}

// withPostgres calls f while a server runs that all suites share. Where none can be started, f is called all the same,
// and its suites say what they lack.
func withPostgres(ctx context.Context, f func()) error {
	called := false
	started := trial.Run(ctx, "PostgreSQL", func(tb testing.TB) {
		if os.Getenv(pgtest.Env) == "" {
			os.Setenv(pgtest.Env, pgtest.Start(tb).URL())
			defer os.Unsetenv(pgtest.Env)
		}
		called = true
		f()
	})
	switch {
	case started.Failed:
		return errors.New(started.Log)
	case !called:
		f()
	}
	return nil
}

func writeFile(name string, write func(io.Writer) error) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}
