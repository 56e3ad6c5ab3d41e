package checkout_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caisse/checkout"
	"github.com/matryer/is"
)

// table is a second copy of the table of transitions. If the library's table is changed by mistake, the tests below fail.
var table = map[checkout.Status]string{
	"created":    "pending processing completed failed cancelled expired",
	"pending":    "processing completed failed cancelled expired",
	"processing": "completed failed",
	"expired":    "completed",
	"cancelled":  "completed",
	"failed":     "completed",
	"completed":  "",
}

func TestTransitionsAreTheTable(t *testing.T) {
	is := is.New(t)
	got := checkout.Transitions()
	is.Equal(len(got), 7)
	is.Equal(checkout.Statuses(), []checkout.Status{"created", "pending", "processing", "completed", "failed", "expired", "cancelled"}) // the page's order
	for from, words := range table {
		is.Equal(len(got[from]), len(strings.Fields(words)))
		for _, to := range checkout.Statuses() {
			is.Equal(from.CanBecome(to), strings.Contains(" "+words+" ", " "+string(to)+" "))
		}
	}
	got["completed"] = append(got["completed"], "failed")
	got["created"][0] = "failed"
	is.True(!checkout.StatusCompleted.CanBecome(checkout.StatusFailed)) // Transitions returns a copy
	is.True(checkout.StatusCreated.CanBecome(checkout.StatusPending))
	is.True(!checkout.Status("paid").CanBecome(checkout.StatusFailed))
}

// reach creates a session and moves it to a status.
func reach(t *testing.T, a *api, status checkout.Status) checkout.Session {
	t.Helper()
	return reachFrom(t, a, a.mustCreate(live, ""), status)
}

// reachFrom moves a session to a status.
func reachFrom(t *testing.T, a *api, s checkout.Session, status checkout.Status) checkout.Session {
	t.Helper()
	var err error
	switch status {
	case checkout.StatusExpired:
		a.clock.Set(s.ExpiresAt)
		if _, err = a.ExpireDue(t.Context(), 1000); err == nil {
			s, err = a.Get(t.Context(), live, s.ID)
		}
	case checkout.StatusCreated:
	default:
		s, err = move(t.Context(), a, s.ID, status)
	}
	if err != nil || s.Status != status {
		t.Fatalf("%s: %v, %v", status, s.Status, err)
	}
	return s
}

// move makes the call that moves a session to a status.
func move(ctx context.Context, a *api, id string, to checkout.Status) (checkout.Session, error) {
	switch to {
	case checkout.StatusPending:
		return a.Begin(ctx, live, id, "PAY_1")
	case checkout.StatusProcessing:
		return a.Process(ctx, live, id, "PAY_1")
	case checkout.StatusCompleted:
		return a.Complete(ctx, live, id, "PAY_1")
	case checkout.StatusFailed:
		return a.Fail(ctx, live, id, "PAY_1", "no funds")
	case checkout.StatusCancelled:
		return a.Cancel(ctx, live, id)
	}
	return checkout.Session{}, fmt.Errorf("no call moves a session to %s", to)
}

func TestEveryCellOfTheTable(t *testing.T) {
	eachStore(t, func(t *testing.T, store checkout.Store) {
		a := newAPI(t, store)
		for _, from := range checkout.Statuses() {
			for _, to := range checkout.Statuses() {
				t.Run(fmt.Sprintf("%s to %s", from, to), func(t *testing.T) {
					is := is.New(t)
					before := reach(t, a, from)
					if to == checkout.StatusExpired { // no call expires a session, only the clock does
						a.clock.Set(before.ExpiresAt)
						swept, err := a.ExpireDue(t.Context(), 1000)
						is.NoErr(err)
						after, err := a.Get(t.Context(), live, before.ID)
						is.NoErr(err)
						is.Equal(after.Status == to, from.CanBecome(to) || from == to)
						ids := map[string]int64{}
						for _, s := range swept {
							ids[s.ID]++
						}
						is.Equal(ids[before.ID] == 1, from.CanBecome(to))
						is.Equal(after.Version, before.Version+ids[before.ID])
						return
					}
					if to == checkout.StatusCreated { // no call moves a session back to created
						is.True(!from.CanBecome(to))
						return
					}
					a.clock.Advance(time.Second)
					after, err := move(t.Context(), a, before.ID, to)
					kept, getErr := a.Get(t.Context(), live, before.ID)
					is.NoErr(getErr)
					switch {
					case from == to: // a repeated call changes nothing and is no error
						is.NoErr(err)
						is.Equal(after, before)
						is.Equal(kept, before)
					case from.CanBecome(to):
						is.NoErr(err)
						is.Equal(after, kept)
						is.Equal(after.Status, to)
						is.Equal(after.Version, before.Version+1)
						is.Equal(after.Late, from == checkout.StatusExpired || from == checkout.StatusCancelled || from == checkout.StatusFailed)
						is.Equal(after.UpdatedAt, a.clock.Now())
						if from == checkout.StatusFailed {
							is.Equal(after.FailureReason, before.FailureReason) // a late payment keeps the reason
						}
						is.Equal(after.CompletedAt.IsZero(), to != checkout.StatusCompleted)
						if to == checkout.StatusCompleted {
							is.Equal(after.CompletedAt, a.clock.Now())
						}
						// These fields never change.
						is.Equal([]any{after.ID, after.Account, after.Amount, after.Currency, after.TransactionFee, after.CreatedAt, after.ExpiresAt, after.Fingerprint},
							[]any{before.ID, before.Account, before.Amount, before.Currency, before.TransactionFee, before.CreatedAt, before.ExpiresAt, before.Fingerprint})
					default:
						var refused *checkout.TransitionError
						is.True(asError(err, &refused))
						is.Equal(*refused, checkout.TransitionError{From: from, To: to})
						is.Equal(kept, before)
					}
				})
			}
		}
	})
}

func TestRepeatedCallbacks(t *testing.T) {
	eachStore(t, func(t *testing.T, store checkout.Store) {
		a := newAPI(t, store)
		ctx := t.Context()
		t.Run("Begin with another payment is a new attempt", func(t *testing.T) {
			is := is.New(t)
			s := reach(t, a, checkout.StatusPending)
			again, err := a.Begin(ctx, live, s.ID, "PAY_2")
			is.NoErr(err)
			is.Equal(again.PaymentID, "PAY_2")
			is.Equal(again.Version, s.Version+1)
			same, err := a.Begin(ctx, live, s.ID, "")
			is.NoErr(err)
			is.Equal(same, again) // "" keeps the payment that the session has
		})
		t.Run("Begin without a payment keeps the one of the request", func(t *testing.T) {
			is := is.New(t)
			p := params(live, "")
			p.PaymentID = "ORDER_123"
			s, _, err := a.Create(ctx, p)
			is.NoErr(err)
			s, err = a.Begin(ctx, live, s.ID, "")
			is.NoErr(err)
			is.Equal(s.Status, checkout.StatusPending)
			is.Equal(s.PaymentID, "ORDER_123")
		})
		t.Run("Complete with a payment is a conflict if the session was completed without one", func(t *testing.T) {
			is := is.New(t)
			s, err := a.Complete(ctx, live, a.mustCreate(live, "").ID, "")
			is.NoErr(err)
			_, err = a.Complete(ctx, live, s.ID, "PAY_1")
			var conflict *checkout.PaymentConflictError
			is.True(asError(err, &conflict))
			is.Equal(*conflict, checkout.PaymentConflictError{SessionID: s.ID, Have: "", Got: "PAY_1"})
		})
		t.Run("failure_reason is in the answer, and null if Fail gave no reason", func(t *testing.T) {
			is := is.New(t)
			s := reach(t, a, checkout.StatusFailed)
			is.Equal(a.get("/v1/checkouts/" + s.ID).body["failure_reason"], "no funds")
			s, err := a.Fail(ctx, live, a.mustCreate(live, "").ID, "", "")
			is.NoErr(err)
			reason, there := a.get("/v1/checkouts/" + s.ID).body["failure_reason"]
			is.True(there && reason == nil)
		})
		t.Run("a returned time is already truncated to microseconds", func(t *testing.T) {
			is := is.New(t)
			s := a.mustCreate(live, "")
			a.clock.Advance(1234567)
			s, err := a.Complete(ctx, live, s.ID, "")
			is.NoErr(err)
			is.Equal(s.CompletedAt.Nanosecond()%1000, 0)
			kept, err := a.Get(ctx, live, s.ID)
			is.NoErr(err)
			is.Equal(kept, s)
		})
		t.Run("a card session gets its payment by Begin", func(t *testing.T) {
			is := is.New(t)
			p := params(live, "")
			asCard(&p)
			s, _, err := a.Create(ctx, p)
			is.NoErr(err)
			is.Equal(s.Status, checkout.StatusPending)
			s, err = a.Begin(ctx, live, s.ID, "PAY_1")
			is.NoErr(err)
			is.Equal(s.PaymentID, "PAY_1")
		})
		t.Run("a second Fail with another reason keeps the first", func(t *testing.T) {
			is := is.New(t)
			s := reach(t, a, checkout.StatusFailed)
			again, err := a.Fail(ctx, live, s.ID, "PAY_1", "insufficient funds")
			is.NoErr(err)
			is.Equal(again, s)
		})
		t.Run("Complete after Fail keeps the reason and marks the session late", func(t *testing.T) {
			is := is.New(t)
			s := reach(t, a, checkout.StatusFailed)
			s, err := a.Complete(ctx, live, s.ID, "PAY_2")
			is.NoErr(err)
			is.Equal(s.Status, checkout.StatusCompleted)
			is.True(s.Late)
			is.Equal(s.FailureReason, "no funds")
			is.Equal(s.PaymentID, "PAY_2")
			got := a.get("/v1/checkouts/" + s.ID)
			is.Equal(got.body["late"], true)
			is.Equal(got.body["failure_reason"], "no funds")
		})
		t.Run("Complete records the payment that paid", func(t *testing.T) {
			is := is.New(t)
			s := reach(t, a, checkout.StatusPending)
			s, err := a.Complete(ctx, live, s.ID, "PAY_9")
			is.NoErr(err)
			is.Equal(s.PaymentID, "PAY_9")
			again, err := a.Complete(ctx, live, s.ID, "")
			is.NoErr(err)
			is.Equal(again, s)
		})
		t.Run("Complete with another payment is a conflict and changes nothing", func(t *testing.T) {
			is := is.New(t)
			s := reach(t, a, checkout.StatusCompleted)
			_, err := a.Complete(ctx, live, s.ID, "PAY_2")
			var conflict *checkout.PaymentConflictError
			is.True(asError(err, &conflict))
			is.Equal(*conflict, checkout.PaymentConflictError{SessionID: s.ID, Have: "PAY_1", Got: "PAY_2"})
			kept, err := a.Get(ctx, live, s.ID)
			is.NoErr(err)
			is.Equal(kept, s)
		})
	})
}

// Concurrent calls on one session must have the same result as the same calls one after another, in some order. A caller that is refused
// gets the status that the session had. Otherwise a session could, for example, be both cancelled and failed.
func TestTransitionsAtOnce(t *testing.T) {
	eachStore(t, func(t *testing.T, store checkout.Store) {
		a := newAPI(t, store)
		race := func(id string, moves ...checkout.Status) (won []checkout.Status) {
			var mu sync.Mutex
			var wg sync.WaitGroup
			for _, to := range moves {
				wg.Go(func() {
					s, err := move(t.Context(), a, id, to)
					var refused *checkout.TransitionError
					mu.Lock()
					defer mu.Unlock()
					switch {
					case err == nil && s.Status == to:
						won = append(won, to)
					case errors.As(err, &refused) && !refused.From.CanBecome(to):
					default:
						t.Errorf("%s: %v, %v", to, s.Status, err)
					}
				})
			}
			wg.Wait()
			return won
		}
		for range 20 {
			is := is.New(t)
			s := a.mustCreate(live, "")
			won := race(s.ID, checkout.StatusFailed, checkout.StatusCancelled)
			is.Equal(len(won), 1) // either Fail or Cancel succeeds
			got, err := a.Get(t.Context(), live, s.ID)
			is.NoErr(err)
			is.Equal(got.Status, won[0])
			is.Equal(got.Version, int64(2))

			s = a.mustCreate(live, "")
			won = race(s.ID, checkout.StatusCompleted, checkout.StatusCancelled, checkout.StatusCompleted, checkout.StatusPending)
			got, err = a.Get(t.Context(), live, s.ID)
			is.NoErr(err)
			is.Equal(got.Status, checkout.StatusCompleted) // Complete always succeeds, and no transition can follow it
			is.True(len(won) >= 2)
		}
	})
}

func TestTransitionArguments(t *testing.T) {
	is := is.New(t)
	a := newAPI(t, openSQLite(t))
	s := a.mustCreate(live, "")
	fields := func(err error) string {
		var invalid *checkout.ValidationError
		if !asError(err, &invalid) {
			return fmt.Sprint(err)
		}
		return invalid.Fields[0].Field + " " + invalid.Fields[0].Code
	}
	_, err := a.Begin(t.Context(), live, s.ID, strings.Repeat("é", 256))
	is.Equal(fields(err), "payment_id too_long")
	_, err = a.Complete(t.Context(), live, s.ID, "a\x00")
	is.Equal(fields(err), "payment_id malformed")
	_, err = a.Fail(t.Context(), live, s.ID, "", strings.Repeat("é", 1001))
	is.Equal(fields(err), "failure_reason too_long")
	_, err = a.Begin(t.Context(), checkout.Account{}, s.ID, "\x00")
	var both *checkout.ValidationError
	is.True(asError(err, &both))
	is.Equal(len(both.Fields), 2) // both faults in one error
	_, err = a.Cancel(t.Context(), checkout.Account{}, s.ID)
	is.Equal(fields(err), "account missing")
	_, err = a.Cancel(t.Context(), other, s.ID)
	is.True(errors.Is(err, checkout.ErrNotFound))
	_, err = a.Get(t.Context(), live, "")
	is.True(errors.Is(err, checkout.ErrNotFound))
	s, err = a.Fail(t.Context(), live, s.ID, "", strings.Repeat("é", 1000))
	is.NoErr(err)
	is.Equal(len([]rune(s.FailureReason)), 1000)
}

// lostRaces is a store whose next n updates fail with ErrConflict, as if another caller had changed the session first.
type lostRaces struct {
	checkout.Store
	n int
}

func (s *lostRaces) Update(ctx context.Context, session checkout.Session) error {
	if s.n--; s.n >= 0 {
		return checkout.ErrConflict
	}
	return s.Store.Update(ctx, session)
}

func TestALostRaceIsReadAgainAndRetried(t *testing.T) {
	is := is.New(t)
	store := &lostRaces{openSQLite(t), 5}
	a := newAPI(t, store)
	s := a.mustCreate(live, "")
	s, err := a.Process(t.Context(), live, s.ID, "")
	is.NoErr(err)
	is.Equal(s.Status, checkout.StatusProcessing)
	store.n = 1 << 30
	_, err = a.Complete(t.Context(), live, s.ID, "")
	is.True(errors.Is(err, checkout.ErrConflict)) // it gives up in the end
}
