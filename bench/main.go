// Bench measures the library side by side with alternatives, in one run:
//
//	cd bench && go run .
//
// See README.md.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	err := run(ctx, os.Getenv(childEnv), os.Args[1:], os.Stdout, os.Stderr)
	stop()
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
	case errors.Is(err, errUsage):
		os.Exit(2)
	default:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, kind string, args []string, stdout, stderr io.Writer) error {
	if kind != "" {
		return runChild(ctx, kind)
	}
	opts, err := parseOptions(args, stderr)
	if err != nil {
		return err
	}
	r, err := measure(ctx, opts, stderr)
	if err != nil {
		return err
	}
	if opts.json != "" {
		text, err := json.MarshalIndent(r, "", "\t")
		if err != nil {
			return err
		}
		if err := os.WriteFile(opts.json, append(text, '\n'), 0o666); err != nil {
			return err
		}
	}
	_, err = io.WriteString(stdout, r.markdown())
	return err
}

// measure runs the chosen sections.
func measure(ctx context.Context, opts options, progress io.Writer) (*report, error) {
	r, err := newReport(opts)
	if err != nil {
		return nil, err
	}
	others := watchOthers()
	for _, section := range []struct {
		name    string
		measure func(context.Context, options, io.Writer, *report) error
	}{
		{"sqlite", measureSQLite},
		{"http", measureHTTP},
		{"memory", measureMemory},
		{"postgres", measurePostgres},
		{"before", measureBefore},
		{"lists", measureLists},
		{"page", measurePage},
		{"webhooks", measureWebhooks},
		{"waiters", measureWaiters},
	} {
		if !opts.has(section.name) {
			continue
		}
		if err := section.measure(ctx, opts, progress, r); err != nil {
			return nil, fmt.Errorf("%s: %w", section.name, err)
		}
	}
	if opts.rows > 0 && (opts.has("sqlite") || opts.has("http")) {
		if err := measureGrowth(ctx, opts, progress, r); err != nil {
			return nil, fmt.Errorf("%d rows: %w", opts.rows, err)
		}
	}
	r.Others = others()
	return r, r.measureFlush(opts)
}

func measureSQLite(ctx context.Context, opts options, progress io.Writer, r *report) error {
	results, err := interleave(ctx, progress, opts.rounds, opts.measure, opts.profiled(sqliteContenders(opts)))
	r.SQLite = results
	return err
}

func measureHTTP(ctx context.Context, opts options, progress io.Writer, r *report) error {
	var err error
	if r.HTTP, err = interleave(ctx, progress, opts.rounds, opts.measure, httpContenders(opts, bareClient)); err != nil {
		return err
	}
	r.HTTPByGo, err = interleave(ctx, progress, opts.rounds, opts.measure, httpContenders(opts, goClient))
	return err
}

func measureMemory(ctx context.Context, opts options, progress io.Writer, r *report) (err error) {
	// These measurements are short, so that a busy time of the machine affects all contenders of a round, and not only one.
	if r.Memory, err = interleave(ctx, progress, opts.rounds, opts.measure/4, opts.profiled(memoryContenders())); err != nil {
		return err
	}
	fmt.Fprintf(progress, "filling memory with %s sessions\n", thousands(opts.sessions))
	r.MemoryBytes, err = memorySize(ctx, opts.sessions)
	return err
}

func measurePostgres(ctx context.Context, opts options, progress io.Writer, r *report) error {
	err := withServer(ctx, opts.postgres, func(server string) error {
		return withSchema(ctx, server, func(server string) error {
			contenders, err := postgresContenders(opts, server)
			if err != nil {
				return err
			}
			r.Postgres, err = interleave(ctx, progress, opts.rounds, opts.measure, contenders)
			return err
		})
	})
	if errors.Is(err, errNoServer) || errors.Is(err, errNoPgbench) {
		r.Skipped = append(r.Skipped, fmt.Sprintf("PostgreSQL: %v", err))
		return nil
	}
	return err
}

func measureGrowth(ctx context.Context, opts options, progress io.Writer, r *report) error {
	dir, err := os.MkdirTemp(opts.dir, "checkout-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := fill(ctx, progress, dir, opts.rows); err != nil {
		return err
	}
	size, err := bytesPerRow(ctx, filepath.Join(dir, databaseName), "checkout_sessions")
	if err != nil {
		return err
	}
	r.Rows, r.RowBytes = opts.rows, size
	r.Growth, err = interleave(ctx, progress, opts.rounds, opts.measure, growthContenders(opts, dir))
	return err
}
