package controls_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/faults/clock"
	"github.com/caisse/checkout/faults/controls"
	"github.com/caisse/checkout/faults/effort"
	"github.com/caisse/checkout/faults/history"
	"github.com/caisse/checkout/faults/lossy"
	"github.com/caisse/checkout/faults/model"
	"github.com/caisse/checkout/faults/oracle"
	"github.com/caisse/checkout/faults/trial"
	"github.com/caisse/checkout/faults/workload"
	"github.com/caisse/checkout/store/storetest"
)

// detect tries the oracle and the model on a bug. It returns the complaint of each detector that caught the bug.
func detect(t *testing.T, bug controls.Bug, seed uint64) map[controls.Detector]string {
	t.Helper()
	caught := make(map[controls.Detector]string)
	// A bug that needs an unlucky order of calls may show only after many rounds. The rounds end early once every detector that must
	// catch the bug has done so.
	const few, many = 4, 100
	for round := range many {
		for _, v := range judge(t, bug, seed, round) {
			d := controls.Rules
			if v.Rule == oracle.Linearizable {
				d = controls.Order
			}
			if caught[d] == "" {
				caught[d] = fmt.Sprintf("in round %d: %.300s", round, v)
			}
		}
		if round >= few && !bug.Misses(caught, controls.Rules, controls.Order) {
			break
		}
	}
	programs := 30
	if bug.Misses(caught, controls.Model) {
		programs = 1000
	}
	report := trial.Run(t.Context(), "model", func(tb testing.TB) {
		o := model.Options{Seed: seed, Programs: programs}
		model.Check(tb, o, model.Target{Name: "bug", Store: bug.Store(tb), Service: bug.Service})
	})
	if report.Failed {
		caught[controls.Model] = firstComplaint(report.Log)
	}
	return caught
}

// judge runs one workload on a store with the bug, and crashes the store if the bug needs that. It returns what the oracle finds.
func judge(t *testing.T, bug controls.Bug, seed uint64, round int) []oracle.Violation {
	t.Helper()
	var violations []oracle.Violation
	report := trial.Run(t.Context(), bug.Name, func(tb testing.TB) {
		now := clock.At(time.Date(2026, time.November, 22, 7, 31, 56, 123456789, time.UTC))
		plan := workload.Plan{
			Seed: seed + uint64(round), Name: fmt.Sprintf("round %d", round), Callers: 8, Calls: 40, Keys: 4, Retries: 2,
			Caller: bug.Caller, Clock: now,
		}
		recorder := history.New(history.Header{Test: t.Name(), Store: bug.Name, Seed: seed}, now)
		store := bug.Store(tb)
		workload.Run(tb.Context(), plan, recorder, service(tb, bug, lossy.New(store, bug.Odds, seed), now))
		if bug.Crash != nil {
			store = bug.Crash(store)
		}
		workload.Settle(tb.Context(), plan, recorder, service(tb, bug, store, now))
		violations = oracle.Judge(recorder.History(), oracle.Options{Faultless: bug.Odds == lossy.Odds{} && !bug.Faulty}).Violations
	})
	if report.Failed {
		t.Fatal(report.Log)
	}
	return violations
}

func service(tb testing.TB, bug controls.Bug, store checkout.Store, now *clock.Clock) history.Service {
	tb.Helper()
	checkouts, err := checkout.New(store, checkout.Config{Clock: now})
	if err != nil {
		tb.Fatal(err)
	}
	if bug.Service != nil {
		return bug.Service(checkouts)
	}
	return checkouts
}

// firstComplaint returns the line of the log in which rapid says what failed.
func firstComplaint(log string) string {
	for line := range strings.Lines(log) {
		if strings.Contains(line, "[rapid] failed") || strings.Contains(line, "[rapid] panic") || strings.Contains(line, "flaky") {
			return strings.TrimSpace(line)
		}
	}
	return log
}

// conformance is the environment variable that makes TestConformance try every bug. It then fails, as it should. A test that must pass
// cannot contain a suite that must fail, so conformanceComplaints runs TestConformance in another process.
const conformance = "CONTROLS_CONFORMANCE"

// TestConformance runs package storetest on the sound store, which must pass. With the environment variable it
// also runs it on every bug that storetest can be run on.
func TestConformance(t *testing.T) {
	t.Run("no bug: the plainest store", func(t *testing.T) {
		storetest.Run(t, func(t *testing.T) checkout.Store { return controls.Sound(t) })
	})
	if os.Getenv(conformance) == "" {
		return
	}
	for _, bug := range controls.Bugs() {
		if !bug.ForStoreTest() || bug.Slow && !effort.Long() {
			continue
		}
		t.Run(bug.Name, func(t *testing.T) {
			storetest.Run(t, func(t *testing.T) checkout.Store { return bug.Store(t) })
		})
	}
}

var failure = regexp.MustCompile(`(?m)^ +--- FAIL: TestConformance/([^/\n]+)/`)

// conformanceComplaints runs TestConformance on every bug, and returns how many checks of package storetest each bug fails.
func conformanceComplaints(t *testing.T, bugs []controls.Bug) map[string]int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestConformance$", fmt.Sprintf("-long=%t", effort.Long()))
	cmd.Env = append(os.Environ(), conformance+"=1")
	output, err := cmd.Output()
	if failed := (*exec.ExitError)(nil); !errors.As(err, &failed) || failed.ExitCode() != 1 {
		t.Fatalf("storetest must fail with status 1, not with %v:\n%s", err, output)
	}
	complaints := make(map[string]int)
	for _, match := range failure.FindAllStringSubmatch(string(output), -1) {
		for _, bug := range bugs {
			if testName(bug.Name) == match[1] {
				complaints[bug.Name]++
			}
		}
	}
	return complaints
}

// testName returns a bug's name as go test prints it in the name of a sub-test.
func testName(bug string) string { return strings.ReplaceAll(bug, " ", "_") }
