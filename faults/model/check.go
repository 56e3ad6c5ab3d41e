package model

import (
	"context"
	"flag"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/faults/clock"
	"github.com/caisse/checkout/faults/history"
	"github.com/caisse/checkout/faults/oracle"
)

// Target is a store on which programs run, one after the other. Each program has accounts of its own.
type Target struct {
	Name  string
	Store checkout.Store
	// Service, if it is not nil, wraps the Checkouts over the store.
	Service func(history.Service) history.Service
}

// Options say how many programs are run.
type Options struct {
	Seed     uint64        // a failure prints the seed with which its program is the first
	Programs int           // how many programs; 0 is 100
	Steps    int           // of each program, on average; 0 is 60
	Shrink   time.Duration // how long to look for a shorter program that fails too
}

// Check runs random programs on the model and on all targets side by side. If an answer differs, it looks for the shortest program
// that shows it, saves the history of each target, and fails the test. It sets rapid's flags, so it must not run concurrently.
func Check(tb testing.TB, o Options, targets ...Target) Report {
	tb.Helper()
	configure(tb, o)
	report := Report{Answers: make(map[string]int)}
	var last *machine
	defer func() {
		if tb.Failed() && last != nil {
			for _, t := range last.targets {
				t.recorder.History().Save(tb)
			}
		}
	}()
	programs := 0
	rapid.Check(tb, func(rt *rapid.T) {
		programs++
		last = newMachine(rt, tb.Name(), fmt.Sprintf("program %d", programs), o.Seed, targets)
		last.report = &report
		rt.Repeat(map[string]func(*rapid.T){"act": last.act})
		last.judge(rt)
	})
	return report
}

// Report is what was tried.
type Report struct {
	Calls   int            // of each target
	Answers map[string]int // by kind, such as "Create: replayed"
	Tally   oracle.Tally   // of all targets
}

// count counts an answer by its call and the beginning of its error, and some properties of its sessions.
func (r *Report) count(what string, a Answer) {
	r.Calls++
	call, _, _ := strings.Cut(what, "(")
	kind, _, _ := strings.Cut(a.Error, ":")
	kind, _, _ = strings.Cut(kind, ",")
	switch {
	case a.Error == "" && a.Replayed:
		kind = "replayed"
	case a.Error == "" && len(a.Sessions) == 0:
		kind = "nothing"
	case a.Error == "":
		kind = "ok"
	}
	r.Answers[call+": "+kind]++
	for _, s := range a.Sessions {
		if s.Late {
			r.Answers["late"]++
		}
		if s.TransactionFee > 0 {
			r.Answers["with a fee"]++
		}
		r.Answers[string(s.Status)]++
	}
}

// configure sets the options of rapid, which takes them only as flags.
func configure(tb testing.TB, o Options) {
	tb.Helper()
	if o.Programs == 0 {
		o.Programs = 100
	}
	if o.Steps == 0 {
		o.Steps = 60
	}
	for name, value := range map[string]string{
		"rapid.checks":     strconv.Itoa(o.Programs),
		"rapid.steps":      strconv.Itoa(o.Steps),
		"rapid.seed":       strconv.FormatUint(max(o.Seed, 1), 10), // rapid takes 0 for "any seed"
		"rapid.shrinktime": o.Shrink.String(),
		"rapid.nofailfile": "true", // the seed and the history are enough
	} {
		if err := flag.Set(name, value); err != nil {
			tb.Fatal(err)
		}
	}
}

// machine runs one program.
type machine struct {
	name     string // the beginning of its accounts' IDs
	targets  []*target
	accounts []checkout.Account
	clock    *clock.Clock
	requests []Request
	report   *Report

	// The meaning of each fingerprint, and the fingerprint of each meaning.
	prints map[any]any
}

var morning = time.Date(2026, time.November, 22, 7, 31, 56, 123456789, time.UTC)

func newMachine(rt *rapid.T, test, name string, seed uint64, targets []Target) *machine {
	m := &machine{name: name, clock: clock.At(morning), prints: make(map[any]any)}
	first, second := name+" acct_1", name+" acct_2"
	m.accounts = []checkout.Account{{ID: first}, {ID: first, Test: true}, {ID: second}, {ID: second, Test: true}}
	for _, t := range targets {
		drain(t.Store)
		recorder := history.New(history.Header{Test: test, Store: t.Name, Seed: seed}, m.clock)
		m.targets = append(m.targets, &target{
			Target: t, recorder: recorder, clock: m.clock, model: New(Hosts()[0]), numbers: make(map[string]int),
		})
	}
	m.configure(rt, Hosts()[0])
	return m
}

// drain expires every session, so that the next program's sweeps find nothing.
func drain(store checkout.Store) {
	defer func() { _ = recover() }() // if the store panics, a program must report it, and not this function
	for range 100 {
		moved, err := store.Expire(context.Background(), morning.AddDate(10, 0, 0), 1000)
		if err != nil || len(moved) == 0 {
			return
		}
	}
}

func (m *machine) configure(rt *rapid.T, host Settings) {
	for _, t := range m.targets {
		if err := t.configure(host); err != nil {
			rt.Fatal(err)
		}
	}
}
