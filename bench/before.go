package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/caisse/checkout/store/sqlite"
)

// The kinds of work that are measured on two revisions.
const (
	beforeCreate   = "create, SQLite"
	beforeHTTP     = "create over HTTP, SQLite"
	beforeMoves    = "begin and complete, SQLite"
	beforeCreatePG = "create, PostgreSQL"
	beforeMovesPG  = "begin and complete, PostgreSQL"
)

// Names in a sample's Extra that only this section has.
const (
	extraBegin    = "begin"    // per second
	extraComplete = "complete" // per second
)

const (
	before, now = ", before", ", now"
	// movesEach is the least number of sessions that each caller changes. That takes half a second or more.
	movesEach = 200
)

// beforeTask is the task of a worker: see worker/main.go.
type beforeTask struct {
	Work    string        `json:"work"`
	Store   string        `json:"store"`
	Account string        `json:"account"`
	Token   string        `json:"token"`
	Callers int           `json:"callers"`
	WarmUp  time.Duration `json:"warm_up_ns"`
	Measure time.Duration `json:"measure_ns"`
	Each    int           `json:"each"`
}

type beforeOutcome struct {
	Address                 string
	Create, Begin, Complete float64
}

// measureBefore measures the revision that -before names, and this one.
func measureBefore(ctx context.Context, opts options, progress io.Writer, r *report) error {
	if opts.before == "" {
		return nil
	}
	dir, err := os.MkdirTemp(opts.dir, "checkout-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	fmt.Fprintf(progress, "building %s\n", opts.before)
	workers, err := buildWorkers(ctx, dir, opts.before)
	if err != nil {
		return err
	}
	measure := func(contenders []contender) error {
		results, err := interleave(ctx, progress, opts.rounds, opts.measure, contenders)
		r.Before = append(r.Before, results...)
		return err
	}
	if err := measure(beforeSQLite(opts, workers)); err != nil {
		return err
	}
	if r.IdleFeed, err = idleFeed(ctx, dir); err != nil {
		return err
	}
	err = withServer(ctx, opts.postgres, func(server string) error {
		return measure(beforePostgres(workers, server))
	})
	if errors.Is(err, errNoServer) {
		r.Skipped = append(r.Skipped, fmt.Sprintf("PostgreSQL: %v", err))
		return nil
	}
	return err
}

// buildWorkers builds the worker with another revision and with this one.
func buildWorkers(ctx context.Context, dir, revision string) (workers map[string]string, err error) {
	old := filepath.Join(dir, "revision")
	if err := os.Mkdir(old, 0o777); err != nil {
		return nil, err
	}
	archive := exec.CommandContext(ctx, "sh", "-c", `git -C .. archive "$0" | tar -x -C "$1"`, revision, old)
	if text, err := archive.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("revision %s: %w\n%s", revision, err, text)
	}
	if _, err := os.Stat(filepath.Join(old, "go.mod")); err != nil {
		return nil, fmt.Errorf("revision %s: %w", revision, err)
	}
	workers = map[string]string{before: filepath.Join(dir, "worker-before"), now: filepath.Join(dir, "worker-now")}
	for _, name := range []string{"go.mod", "go.sum"} {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o666); err != nil {
			return nil, err
		}
	}
	mod := filepath.Join(dir, "go.mod")
	for _, args := range [][]string{
		{"mod", "edit", "-replace", "github.com/caisse/checkout=" + old, mod},
		{"build", "-modfile", mod, "-o", workers[before], "./worker"},
		{"build", "-o", workers[now], "./worker"},
	} {
		if text, err := exec.CommandContext(ctx, "go", args...).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("go %s: %w\n%s", args[0], err, text)
		}
	}
	return workers, nil
}

// revisions are the ends of the names of the two contenders for each kind of work.
var revisions = []string{before, now}

func beforeSQLite(opts options, workers map[string]string) (contenders []contender) {
	add := func(name string, callers int, round func(ctx context.Context, worker, path string, d time.Duration) (sample, error)) {
		for _, revision := range revisions {
			contenders = append(contenders, contender{name + revision, callers, opts.withFolder(func(ctx context.Context, dir string, d time.Duration) (sample, error) {
				return round(ctx, workers[revision], filepath.Join(dir, databaseName), d)
			})})
		}
	}
	for _, callers := range []int{1, 256} {
		add(beforeCreate, callers, func(ctx context.Context, worker, path string, d time.Duration) (sample, error) {
			s, err := workRound(ctx, worker, beforeTask{Work: "create", Store: "sqlite:" + path, Callers: callers, WarmUp: usually(d), Measure: d})
			if err == nil {
				s.Extra = map[string]float64{}
				s.Extra[extraBytes], err = bytesPerRow(ctx, path, "checkout_sessions")
			}
			return s, err
		})
	}
	add(beforeHTTP, connections, func(ctx context.Context, worker, path string, d time.Duration) (sample, error) {
		return serveRound(ctx, worker, beforeTask{Work: "serve", Store: "sqlite:" + path}, d)
	})
	for _, callers := range []int{1, 64} {
		add(beforeMoves, callers, func(ctx context.Context, worker, path string, d time.Duration) (sample, error) {
			return workRound(ctx, worker, movesTask("sqlite:"+path, callers))
		})
	}
	return contenders
}

func movesTask(store string, callers int) beforeTask {
	return beforeTask{Work: "moves", Store: store, Callers: callers, Each: max(movesEach, 1000/callers)}
}

// beforePostgres gives every round a schema of its own, in which the measured revision creates its tables.
func beforePostgres(workers map[string]string, server string) (contenders []contender) {
	add := func(name string, task beforeTask) {
		for _, revision := range revisions {
			contenders = append(contenders, contender{name + revision, task.Callers, func(ctx context.Context, d time.Duration) (s sample, err error) {
				err = inSchema(ctx, server, func(server string) error {
					task := task
					task.Store, task.WarmUp, task.Measure = server, usually(d), d
					s, err = workRound(ctx, workers[revision], task)
					return err
				})
				return s, err
			}})
		}
	}
	add(beforeCreatePG, beforeTask{Work: "create", Callers: 256})
	add(beforeMovesPG, movesTask("", 1))
	add(beforeMovesPG, movesTask("", 64))
	return contenders
}

func workRound(ctx context.Context, worker string, task beforeTask) (sample, error) {
	task.Account, task.Token = accountID, token
	c, err := spawnProgram(ctx, worker, "worker", task, &struct{}{})
	if err != nil {
		return sample{}, err
	}
	defer c.kill()
	if err := c.begin(); err != nil {
		return sample{}, err
	}
	var done beforeOutcome
	if err := c.finish(&done); err != nil {
		return sample{}, err
	}
	if task.Work == "create" {
		return sample{Rate: done.Create}, nil
	}
	return sample{Rate: 1 / (1/done.Begin + 1/done.Complete), Extra: map[string]float64{extraBegin: done.Begin, extraComplete: done.Complete}}, nil
}

func serveRound(ctx context.Context, worker string, task beforeTask, d time.Duration) (sample, error) {
	task.Account, task.Token = accountID, token
	var at beforeOutcome
	c, err := spawnProgram(ctx, worker, "worker", task, &at)
	if err != nil {
		return sample{}, err
	}
	defer c.kill()
	t, err := loadFrom(ctx, loading{Address: at.Address, Client: bareClient, Connections: connections, WarmUp: usually(d), Duration: d})
	if err != nil {
		return sample{}, err
	}
	return sample{Rate: t.rate()}, c.stop(&struct{}{})
}

// idleFeed measures a read at the end of the feed, where nothing is new, on a SQLite store with some events.
func idleFeed(ctx context.Context, dir string) (time.Duration, error) {
	store, err := sqlite.Open(ctx, filepath.Join(dir, databaseName))
	if err != nil {
		return 0, err
	}
	defer store.Close()
	checkouts, err := newCheckouts(store)
	if err != nil {
		return 0, err
	}
	for range 100 {
		p := params()
		s, _, err := checkouts.Create(ctx, p)
		if err != nil {
			return 0, err
		}
		if _, err := checkouts.Begin(ctx, p.Account, s.ID, "pay_1"); err != nil {
			return 0, err
		}
	}
	events, err := checkouts.Events(ctx, "", 1000)
	if err != nil {
		return 0, err
	}
	end := events[len(events)-1].Cursor
	const reads = 2000
	took := make([]float64, reads)
	for i := range took {
		begin := time.Now()
		if _, err := checkouts.Events(ctx, end, 100); err != nil {
			return 0, err
		}
		took[i] = float64(time.Since(begin))
	}
	return time.Duration(median(took)), nil
}
