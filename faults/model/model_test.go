package model_test

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/matryer/is"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/faults/effort"
	"github.com/caisse/checkout/faults/history"
	"github.com/caisse/checkout/faults/model"
	"github.com/caisse/checkout/faults/stores"
	"github.com/caisse/checkout/faults/trial"
	"github.com/caisse/checkout/internal/pgtest"
	"github.com/caisse/checkout/store/memory"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// TestCheck runs random programs of calls on the stores and on the model, and fails at the first answer that differs.
func TestCheck(t *testing.T) {
	for _, tt := range []struct {
		name     string
		programs int
		kinds    []stores.Kind
	}{
		{"memory and SQLite answer as the model does, in many programs", effort.Pick(150, 5000), []stores.Kind{stores.Memory, stores.SQLite}},
		{"all three stores answer as the model does, in fewer programs", effort.Pick(60, 2000), stores.Kinds()},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var targets []model.Target
			for _, kind := range tt.kinds {
				targets = append(targets, model.Target{Name: string(kind), Store: stores.Open(t, kind, "synchronous_commit=off")})
			}
			o := model.Options{Seed: effort.Seed(t), Programs: tt.programs, Shrink: 20 * time.Second}
			report := model.Check(t, o, targets...)
			t.Logf("%d calls on each store: %v", report.Calls, report.Answers)
			// The programs must have met each of these answers. An answer that no program met was not compared.
			for _, answer := range []string{
				"Create: ok", "Create: replayed", "Create: key reused", "Create: invalid", "Create: gave up",
				"Get: ok", "Get: not found", "List: ok", "List: nothing", "List: invalid",
				"Begin: ok", "Begin: refused", "Process: ok", "Process: refused", "Cancel: ok", "Cancel: refused",
				"Process: payment conflict", "Complete: ok", "Complete: payment conflict", "Fail: ok", "Fail: refused", "Fail: payment conflict",
				"ExpireDue: ok", "ExpireDue: nothing",
				"created", "pending", "processing", "completed", "failed", "expired", "cancelled", "late", "with a fee",
			} {
				if report.Answers[answer] == 0 {
					t.Errorf("no program met the answer %q", answer)
				}
			}
		})
	}
}

// TestCheckFails is the control of TestCheck: a service that never marks a payment late must be caught, and the report must say where.
func TestCheckFails(t *testing.T) {
	t.Run("names the store and the call that differ, shows the program and saves the history of each store", func(t *testing.T) {
		is := is.New(t)
		t.Setenv("TMPDIR", t.TempDir())
		broken := model.Target{Name: "broken", Store: memory.New(), Service: func(s history.Service) history.Service { return neverLate{s} }}
		report := trial.Run(t.Context(), "broken", func(tb testing.TB) {
			model.Check(tb, model.Options{Seed: effort.Seed(t), Programs: 1000, Shrink: time.Second},
				model.Target{Name: "sound", Store: memory.New()}, broken)
		})
		is.True(report.Failed)
		for _, want := range []string{"broken: Complete({acct_", ".Late is false, want true", "-rapid.seed=", "Create({{acct_"} {
			if !strings.Contains(report.Log, want) {
				t.Errorf("the report does not contain %q:\n%s", want, report.Log)
			}
		}
		files, err := os.ReadDir(os.TempDir())
		is.NoErr(err)
		is.Equal(len(files), 2) // one history for each target
	})
}

// neverLate is a service with a bug: it never marks a payment as late.
type neverLate struct{ history.Service }

func (n neverLate) Complete(ctx context.Context, account checkout.Account, id, paymentID string) (checkout.Session, error) {
	s, err := n.Service.Complete(ctx, account, id, paymentID)
	s.Late = false
	return s, err
}
