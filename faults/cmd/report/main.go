// Command report tries every fault on every store and writes what was counted.
//
//	go run ./cmd/report -long -json results.json > results.md
//
// The table goes to standard output, progress to standard error. It ends with status 1 if anything was lost, doubled
// or otherwise wrong; what the machine cannot do is said to be "not run". PostgreSQL is a throw-away server where it is
// installed, or the one that CHECKOUT_TEST_POSTGRES names.
//
// The file of -json is written anew after each suite, so that a run that is interrupted keeps what it has. With -resume a
// later run goes on with it, on the same source and with the same seed: it tries what is missing, was not run or has failed.
// With -only, a regular expression, suites are so tried one after the other:
//
//	go run ./cmd/report -long -json results.json -only 'on sqlite$'
//	go run ./cmd/report -long -json results.json -only 'power cut' -resume
//	go run ./cmd/report -long -json results.json -resume > results.md
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
	"github.com/caisse/checkout/faults/delivery"
	"github.com/caisse/checkout/faults/internal/child"
	"github.com/caisse/checkout/faults/iofault"
	"github.com/caisse/checkout/faults/model"
	"github.com/caisse/checkout/faults/overload"
	"github.com/caisse/checkout/faults/pgfault"
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
		pgfault.Suites(),
		overload.Suites(),
		delivery.Suites(),
	)
}

// programs is the list of what this program is when its suites start it once more.
func programs() []child.Program {
	return slices.Concat(crash.Programs(), power.Programs(), iofault.Programs(), overload.Programs(), delivery.Programs())
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
	raw := flags.String("json", "", "write the whole report to this file, after each suite")
	resume := flags.Bool("resume", false, "go on with the report in the file of -json")
	if err := flags.Parse(args); err != nil {
		return err
	}
	wanted, err := regexp.Compile(*only)
	if err != nil {
		return err
	}
	j := &journal{file: *raw, progress: stderr, all: suites(), report: suite.Report{
		Revision: revision(ctx), Seed: *seed, Long: *long, Machine: machine(), Started: time.Now(),
	}}
	if *resume {
		if err := j.resume(); err != nil {
			return err
		}
	}
	var tried error
	try := func() {
		j.report.Versions = versions(ctx)
		tried = j.try(ctx, wanted)
	}
	if err := withPostgres(ctx, try); err != nil {
		return err
	}
	if err := j.report.WriteMarkdown(stdout); err != nil {
		return err
	}
	switch {
	case tried != nil:
		return tried
	case len(j.report.Rows) == 0:
		return fmt.Errorf("nothing matches %q", *only)
	case !j.report.OK():
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
