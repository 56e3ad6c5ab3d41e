package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/matryer/is"
)

// TestMain lets the test binary start itself as a child process, as the program does.
func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// bench runs the program with very short measurements. It returns what the program printed, and its report.
func bench(t *testing.T, args ...string) (printed string, r report) {
	t.Helper()
	is := is.New(t)
	dir := t.TempDir()
	file := filepath.Join(t.TempDir(), "report.json")
	args = append([]string{"-seconds", "0.1", "-rounds", "1", "-dir", dir, "-json", file}, args...)
	var stdout, stderr bytes.Buffer
	if err := run(t.Context(), "", args, &stdout, &stderr); err != nil {
		t.Fatalf("bench %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	text, err := os.ReadFile(file)
	is.NoErr(err)
	is.NoErr(json.Unmarshal(text, &r))

	left, err := os.ReadDir(dir)
	is.NoErr(err)
	is.Equal(len(left), 0) // the program must leave no files behind
	return stdout.String(), r
}

// wantMeasured fails unless the results have these titles, with one sample each, and the printed report has the name of each.
func wantMeasured(t *testing.T, printed string, results []result, titles ...string) {
	t.Helper()
	var have []string
	for _, r := range results {
		have = append(have, r.title())
		if len(r.Samples) != 1 || r.rate() <= 0 {
			t.Errorf("%s must have one sample with a rate: %+v", r.title(), r.Samples)
		}
		if !strings.Contains(printed, r.Name) {
			t.Errorf("the printed report does not contain %q", r.Name)
		}
	}
	is.New(t).Equal(have, titles)
}

// wantTargets fails unless the printed table of targets has these rows, each with the verdict "yes" or "missed".
func wantTargets(t *testing.T, printed string, targets ...string) {
	t.Helper()
	_, printed, _ = strings.Cut(printed, "### Targets")
	var have []string
	for line := range strings.Lines(printed) {
		if cells := strings.Split(line, " | "); len(cells) == 4 && strings.ContainsAny(cells[1], "≥≤") {
			have = append(have, strings.TrimPrefix(cells[0], "| ")+" "+cells[1])
			if verdict := strings.TrimRight(cells[3], " |\n"); verdict != "yes" && verdict != "missed" {
				t.Errorf("the target has no verdict: %q", line)
			}
		}
	}
	is.New(t).Equal(have, targets)
}

func TestSQLite(t *testing.T) {
	is := is.New(t)
	printed, r := bench(t, "-only", "sqlite,peers")
	if r.Skipped != nil {
		t.Fatal(r.Skipped) // fiber's storage needs cgo, and so does the race detector
	}
	wantMeasured(t, printed, r.SQLite,
		"the store, 1 callers", "the store, 16 callers", "the store, 64 callers", "the store, 256 callers",
		"a loop, a transaction per row, 1 callers", "a loop, 256 rows per transaction, 1 callers",
		"a transaction per call, one connection, 256 callers", "a transaction per call, sql.Open's own pool, 256 callers",
		"hand-written, 1 callers", "hand-written, 64 callers", "fiber's idempotency middleware, 64 callers")
	wantTargets(t, printed,
		"SQLite, 256 callers, over a transaction per call ≥ 12",
		"SQLite, 256 callers, over 256 rows per transaction ≥ 0.85")
	store := find(r.SQLite, storeName, 256)
	is.True(store.extra(extraBytes) > 100 && store.extra(extraBytes) < 1000)
	is.True(r.Flush.Median > 0 && r.FlushEnd.P99 >= r.FlushEnd.Median)
	is.True(strings.Contains(printed, "A flush (write and fdatasync of 4 KiB) took "))
}

func TestHTTP(t *testing.T) {
	printed, r := bench(t, "-only", "http,peers")
	var targets []string
	for client, results := range map[string][]result{bareClient: r.HTTP, goClient: r.HTTPByGo} {
		wantMeasured(t, printed, results,
			"bare net/http, writes nothing, 64 callers", "the memory store, 64 callers", "the SQLite store, 64 callers",
			"hand-written, 64 callers", "fiber's idempotency middleware, 64 callers", "the same, its handler writes nothing, 64 callers")
		if !strings.Contains(printed, "called "+client+" from another process") {
			t.Errorf("no table for the server called %s", client)
		}
	}
	for _, client := range []string{bareClient, goClient} {
		targets = append(targets,
			"called "+client+": SQLite over the hand-written handler ≥ 6",
			"called "+client+": SQLite over bare net/http ≥ 0.45",
			"called "+client+": the memory store over bare net/http ≥ 0.7")
		if peakResident() > 0 {
			targets = append(targets, "called "+client+": peak memory of the server on SQLite, MB ≤ 200")
		}
	}
	wantTargets(t, printed, targets...)
}

func TestMemory(t *testing.T) {
	is := is.New(t)
	printed, r := bench(t, "-only", "memory", "-sessions", "3200")
	wantMeasured(t, printed, r.Memory, partCreate, partCard, partCardNoPhone, partFingerprint, partID, partStore, partParse, partHandler, partFloor)
	wantTargets(t, printed, "allocations of a create on the memory store ≤ 40", "bytes of a session in the memory store ≤ 1024")
	is.True(find(r.Memory, partCreate, 0).extra(extraAllocs) > 1)
	is.True(r.MemoryBytes > 300)
}

func TestPostgres(t *testing.T) {
	printed, r := bench(t, "-only", "postgres")
	if r.Skipped != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(r.Skipped)
		}
		t.Skip(r.Skipped)
	}
	wantMeasured(t, printed, r.Postgres,
		pgbenchName+", 1 callers", pgbenchName+", 16 callers", pgbenchName+", 64 callers", pgbenchName+", 128 callers",
		"the store, 1 callers", "the store, 16 callers", "the store, 64 callers", "the store, 256 callers",
		"two instances of the store, 16 callers", "two instances of the store, 64 callers", "two instances of the store, 256 callers",
		rowByRow+", 1 callers", rowByRow+", 64 callers", rowByRow+", 256 callers")
	wantTargets(t, printed,
		"PostgreSQL, 256 callers, over pgbench at its best ≥ 3",
		"PostgreSQL, 1 caller, over pgbench with 1 client ≥ 0.8")
}

func TestGrowth(t *testing.T) {
	is := is.New(t)
	printed, r := bench(t, "-only", "http", "-rows", "3000")
	var titles []string
	for _, of := range []string{"the store, beside %s, 1 callers", "the store, beside %s, 64 callers", "the store, beside %s, 256 callers",
		"a loop, 256 rows per transaction, beside %s, 1 callers", "the SQLite store, beside %s, 64 callers"} {
		titles = append(titles, fmt.Sprintf(of, "0"), fmt.Sprintf(of, "3,000"))
	}
	wantMeasured(t, printed, r.Growth, titles...)
	is.True(r.RowBytes > 100 && r.RowBytes < 1000)
	is.True(strings.Contains(printed, "| SQLite, 256 callers, beside 3,000 sessions over an empty database | ≥ 0.5 |"))
}

func TestBefore(t *testing.T) {
	is := is.New(t)
	printed, r := bench(t, "-only", "before", "-before", "HEAD")
	var titles []string
	for _, work := range []string{"create, SQLite%s, 1 callers", "create, SQLite%s, 256 callers", "create over HTTP, SQLite%s, 64 callers",
		"begin and complete, SQLite%s, 1 callers", "begin and complete, SQLite%s, 64 callers", "create, PostgreSQL%s, 256 callers",
		"begin and complete, PostgreSQL%s, 1 callers", "begin and complete, PostgreSQL%s, 64 callers"} {
		if r.Skipped == nil || !strings.Contains(work, "PostgreSQL") {
			titles = append(titles, fmt.Sprintf(work, before), fmt.Sprintf(work, now))
		}
	}
	wantMeasured(t, printed, r.Before, titles...)
	is.True(r.IdleFeed > 0)
	is.True(strings.Contains(printed, "| create, SQLite, 256 callers, over before | ≥ 0.97 |"))
	t.Run("names a revision that does not exist", func(t *testing.T) {
		var stderr bytes.Buffer
		err := run(t.Context(), "", []string{"-only", "before", "-before", "nowhere", "-dir", t.TempDir()}, &bytes.Buffer{}, &stderr)
		is.True(err != nil && strings.Contains(err.Error(), "revision nowhere"))
	})
}

func TestLists(t *testing.T) {
	is := is.New(t)
	printed, r := bench(t, "-only", "lists", "-rows", "700")
	stores := []string{"SQLite", "PostgreSQL"}
	if r.Skipped != nil {
		stores = stores[:1]
	}
	for _, store := range stores {
		asked := 0
		for _, l := range r.Lists {
			if l.Store != store {
				continue
			}
			asked++
			is.Equal(len(l.Took), 2)
			is.Equal(l.Took[0].Sessions, 70)
			is.Equal(l.Took[1].Sessions, 700)
			is.True(l.Took[1].Median > 0)
			is.True(strings.Contains(printed, "| "+store+" | "+l.What+" |"))
		}
		is.Equal(asked, 2+7+2+12+5) // every query must be measured
		is.True(strings.Contains(printed, store+": a page, ms"))
	}
}

func TestPage(t *testing.T) {
	is := is.New(t)
	printed, r := bench(t, "-only", "page")
	is.True(r.Page.Took > 0)
	is.True(r.Page.Allocations > 0)
	is.True(r.Page.Bytes > 1000)
	is.True(strings.Contains(printed, "| the payer's page, bytes |"))
}

func TestWebhooks(t *testing.T) {
	is := is.New(t)
	printed, r := bench(t, "-only", "webhooks")
	is.True(len(r.Webhooks) == 2 || r.Skipped != nil)
	for _, c := range r.Webhooks {
		is.True(c.Rate > 0)
		is.True(0 < c.Median && c.Median <= c.P99)
		is.True(strings.Contains(printed, "| "+c.Store+": deliveries a second to 1,000 endpoints |"))
	}
}

func TestWaiters(t *testing.T) {
	is := is.New(t)
	printed, r := bench(t, "-only", "waiters")
	is.Equal(r.Waiters.Waiters, 10_000)
	is.True(r.Waiters.Bytes > 0)
	is.True(r.Waiters.Other > 0)
	is.True(strings.Contains(printed, "| 10,000 waiters: MB | ≤ 400 |"))
}

func TestProfiles(t *testing.T) {
	is := is.New(t)
	profiles := t.TempDir()
	bench(t, "-only", "http", "-profile", profiles)
	files, err := filepath.Glob(filepath.Join(profiles, "*.pprof"))
	is.NoErr(err)
	is.Equal(len(files), 6) // three servers, each called by two clients
}

func TestOptions(t *testing.T) {
	for _, test := range []struct {
		name string
		args []string
		says string
	}{
		{"an unknown section", []string{"-only", "sqlite,mysql"}, `not "mysql"`},
		{"an argument", []string{"sqlite"}, `"sqlite" is no flag`},
		{"measurements of no length", []string{"-seconds", "0"}, "-seconds must be"},
		{"no rounds", []string{"-rounds", "0"}, "-rounds at least 1"},
		{"a negative number of rows", []string{"-rows", "-1"}, "-rows must be"},
		{"too few sessions", []string{"-sessions", "3"}, "-sessions must be"},
		{"an unknown flag", []string{"-fast"}, "-fast"},
	} {
		t.Run("refuses "+test.name, func(t *testing.T) {
			is := is.New(t)
			var stderr bytes.Buffer
			err := run(t.Context(), "", test.args, &bytes.Buffer{}, &stderr)
			is.True(errors.Is(err, errUsage))
			is.True(strings.Contains(stderr.String(), test.says))
		})
	}
	t.Run("prints the flags for -h", func(t *testing.T) {
		is := is.New(t)
		var stderr bytes.Buffer
		err := run(t.Context(), "", []string{"-h"}, &bytes.Buffer{}, &stderr)
		is.True(errors.Is(err, flag.ErrHelp))
		is.True(strings.Contains(stderr.String(), "-rows"))
	})
	t.Run("measures everything by default", func(t *testing.T) {
		is := is.New(t)
		opts, err := parseOptions(nil, &bytes.Buffer{})
		is.NoErr(err)
		is.Equal(opts.only, sections)
	})
	t.Run("measures SQLite and HTTP too when peers are chosen", func(t *testing.T) {
		is := is.New(t)
		opts, err := parseOptions([]string{"-only", "peers"}, &bytes.Buffer{})
		is.NoErr(err)
		is.True(opts.has("sqlite") && opts.has("http") && !opts.has("postgres"))
	})
}

// TestAFailureIsReported proves that the program returns the error of a measurement, instead of an incomplete report.
func TestAFailureIsReported(t *testing.T) {
	is := is.New(t)
	var stdout, stderr bytes.Buffer
	err := run(t.Context(), "", []string{"-dir", filepath.Join(t.TempDir(), "nowhere"), "-only", "sqlite"}, &stdout, &stderr)
	is.True(errors.Is(err, os.ErrNotExist))
	is.Equal(stdout.Len(), 0)
	is.True(run(t.Context(), "dance", nil, &bytes.Buffer{}, &stderr) != nil) // no such child
}
