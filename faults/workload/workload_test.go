package workload_test

import (
	"slices"
	"testing"
	"time"

	"github.com/matryer/is"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/faults/clock"
	_ "github.com/caisse/checkout/faults/effort" // defines the flags -long and -seed
	"github.com/caisse/checkout/faults/history"
	"github.com/caisse/checkout/faults/workload"
	"github.com/caisse/checkout/store/memory"
)

func run(t *testing.T, p workload.Plan) history.History {
	t.Helper()
	now := clock.At(time.Date(2026, time.November, 22, 7, 31, 56, 0, time.UTC))
	p.Clock = now
	checkouts, err := checkout.New(memory.New(), checkout.Config{Clock: now})
	if err != nil {
		t.Fatal(err)
	}
	recorder := history.New(history.Header{}, now)
	workload.Run(t.Context(), p, recorder, checkouts)
	workload.Settle(t.Context(), p, recorder, checkouts)
	return recorder.History()
}

// TestRun proves that a workload makes every kind of call and gets every kind of answer. An answer that never comes is never judged.
func TestRun(t *testing.T) {
	t.Run("makes every kind of call, and gets every kind of answer", func(t *testing.T) {
		is := is.New(t)
		seen := make(map[string]bool)
		for _, op := range run(t, workload.Plan{Seed: 1, Name: "all", Callers: 4, Calls: 500, Keys: 24}).Operations {
			seen[string(op.Kind)+" "+string(op.Return.Outcome)] = true
			seen[string(op.Return.Code)] = true
			if op.Return.Replayed {
				seen["replayed"] = true
			}
			for _, s := range op.Return.Sessions {
				seen[s.Status], seen[s.Method] = true, true
				if s.Late {
					seen["late"] = true
				}
			}
		}
		for _, want := range []string{
			"create ok", "get ok", "list ok", "begin ok", "process ok", "complete ok", "fail ok", "cancel ok", "expire ok", "history ok", "feed ok",
			"not_found", "key_reused", "refused", "payment_conflict", "replayed", "late", "mobile_money", "card",
			"created", "pending", "processing", "completed", "failed", "expired", "cancelled",
		} {
			if !seen[want] {
				t.Errorf("no call or answer was %q", want)
			}
		}
		is.True(!seen["invalid"]) // an invalid request never reaches the store, so it would test nothing
	})

	t.Run("with one caller, makes the same choices for the same seed, and others for another seed", func(t *testing.T) {
		is := is.New(t)
		choices := func(seed uint64) (all []history.Kind) {
			for _, op := range run(t, workload.Plan{Seed: seed, Name: "one", Callers: 1, Calls: 100, Keys: 3}).Operations {
				if op.Kind != history.Feed { // another goroutine reads the feed, at no fixed time
					all = append(all, op.Kind)
				}
			}
			return all
		}
		is.Equal(choices(1), choices(1))
		is.True(!slices.Equal(choices(1), choices(2)))
	})

	t.Run("uses other accounts and keys in each round", func(t *testing.T) {
		is := is.New(t)
		one, two := workload.Plan{Seed: 1, Name: "round 1"}, workload.Plan{Seed: 1, Name: "round 2"}
		is.True(one.Key(0) != one.Key(1))
		is.True(one.Key(0) != two.Key(0))
		is.True(one.Key(0) != workload.Plan{Seed: 2, Name: "round 1"}.Key(0))
		is.True(one.Accounts()[0] != two.Accounts()[0])
	})
}

// TestSettle proves that Settle creates every session, expires them all, and reads the feed to its end. The oracle cannot notice the loss
// of something that was never asked for.
func TestSettle(t *testing.T) {
	is := is.New(t)
	p := workload.Plan{Seed: 1, Name: "settle", Keys: 3}
	ops := run(t, p).Operations
	created := 0
	for _, op := range ops {
		if op.Kind == history.Create && !op.Return.Replayed {
			created++
		}
	}
	is.Equal(created, len(p.Accounts())*p.Keys)
	is.Equal(ops[len(ops)-1].Kind, history.Feed)
	is.Equal(len(ops[len(ops)-1].Return.Events), 0) // the last page of the feed is empty
	var last, events = history.Operation{}, 0
	for _, op := range ops {
		switch op.Kind {
		case history.List:
			last = op
		case history.Feed:
			events += len(op.Return.Events)
		}
	}
	is.Equal(events, created) // one event for each session: its expiry
	for _, s := range last.Return.Sessions {
		is.Equal(s.Status, "expired") // a sweep of the next round must not find sessions of this one
		is.Equal(s.Version, int64(2))
	}
	is.Equal(len(last.Return.Sessions), p.Keys)
}
