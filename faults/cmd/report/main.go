// Command report runs every suite, and writes what the suites counted.
//
//	go run ./cmd/report -long -json results.json > results.md
//
// The table goes to standard output, progress to standard error. The exit status is 1 if anything was lost, doubled or otherwise
// wrong. What the machine cannot do is reported as "not run". PostgreSQL is the server that
// CHECKOUT_TEST_POSTGRES names, or else a throw-away server if PostgreSQL is installed.
//
// The file of -json is written after each suite, so that an interrupted run loses nothing. With -resume a later run of the same
// source continues with the same seed: it runs the suites that are missing, were not run or failed. With -only, a regular
// expression, it runs only the suites that match:
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

	"github.com/caisse/checkout/faults/cluster"
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

// suites lists all suites, in the order of the table.
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
		cluster.Suites(),
	)
}

// programs lists the programs that suites run in child processes.
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
	// Suites are test code, and use the flags of package testing.
	testing.Init()
	if err := flag.CommandLine.Parse(nil); err != nil {
		return err
	}
	flags := flag.NewFlagSet("report", flag.ContinueOnError)
	flags.SetOutput(stderr)
	long := flags.Bool("long", false, "run the long pass")
	seed := flags.Uint64("seed", uint64(time.Now().UnixNano()), "what random choices follow from")
	only := flags.String("only", "", "run only the suites whose name, \"fault on store\", matches this regular expression")
	raw := flags.String("json", "", "write the whole report to this file, after each suite")
	resume := flags.Bool("resume", false, "continue the report in the file of -json")
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

// withPostgres calls f while a PostgreSQL server runs that all suites share. If none can be started it calls f without
// one, and the suites report what they lack.
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
