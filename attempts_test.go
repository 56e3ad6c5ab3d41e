package checkout_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/caisse/checkout"
	"github.com/matryer/is"
)

// Process and Fail with the payment of another attempt return a conflict and change nothing. Otherwise late news of the first attempt
// would fail a session whose second attempt may still be paid.
func TestNewsOfAnotherAttemptChangesNothing(t *testing.T) {
	eachStore(t, func(t *testing.T, store checkout.Store) {
		a := newAPI(t, store)
		ctx := t.Context()
		calls := map[string]func(id, payment string) (checkout.Session, error){
			"Process": func(id, payment string) (checkout.Session, error) { return a.Process(ctx, live, id, payment) },
			"Fail":    func(id, payment string) (checkout.Session, error) { return a.Fail(ctx, live, id, payment, "refused") },
		}
		for name, call := range calls {
			for _, status := range checkout.Statuses() {
				t.Run(fmt.Sprintf("%s of a session that is %s", name, status), func(t *testing.T) {
					is := is.New(t)
					p := params(live, "")
					p.PaymentID = "PAY_1"
					created, _, err := a.Create(ctx, p)
					is.NoErr(err)
					before := reachFrom(t, a, created, status)
					_, err = call(before.ID, "PAY_0")
					var conflict *checkout.PaymentConflictError
					is.True(asError(err, &conflict))
					is.Equal(*conflict, checkout.PaymentConflictError{SessionID: before.ID, Have: before.PaymentID, Got: "PAY_0"})
					kept, err := a.Get(ctx, live, before.ID)
					is.NoErr(err)
					is.Equal(kept, before)
				})
			}
		}
		t.Run("a late refusal of one attempt does not fail the next", func(t *testing.T) {
			is := is.New(t)
			s := reach(t, a, checkout.StatusPending)
			s, err := a.Begin(ctx, live, s.ID, "PAY_2")
			is.NoErr(err)
			_, err = a.Fail(ctx, live, s.ID, "PAY_1", "too slow")
			var conflict *checkout.PaymentConflictError
			is.True(asError(err, &conflict))
			s, err = a.Complete(ctx, live, s.ID, "PAY_2")
			is.NoErr(err)
			is.True(!s.Late)
			is.Equal(s.FailureReason, "")
		})
		t.Run("a session without a payment gets the payment that the call names", func(t *testing.T) {
			for name, call := range calls {
				is := is.New(t)
				s, err := call(a.mustCreate(live, "").ID, "PAY_"+name)
				is.NoErr(err)
				is.Equal(s.PaymentID, "PAY_"+name)
			}
		})
		t.Run("a call without a payment is about the attempt that the session has", func(t *testing.T) {
			for _, call := range calls {
				is := is.New(t)
				s, err := call(reach(t, a, checkout.StatusPending).ID, "")
				is.NoErr(err)
				is.Equal(s.PaymentID, "PAY_1")
			}
		})
		t.Run("a session that is processing without a payment gets the first payment that a call names", func(t *testing.T) {
			is := is.New(t)
			s, err := a.Process(ctx, live, a.mustCreate(live, "").ID, "")
			is.NoErr(err)
			s, err = a.Process(ctx, live, s.ID, "PAY_1")
			is.NoErr(err)
			is.Equal(s.PaymentID, "PAY_1")
			again, err := a.Process(ctx, live, s.ID, "PAY_1")
			is.NoErr(err)
			is.Equal(again, s)
		})
		t.Run("Complete is accepted for any attempt", func(t *testing.T) {
			is := is.New(t)
			s := reach(t, a, checkout.StatusProcessing)
			s, err := a.Complete(ctx, live, s.ID, "PAY_0")
			is.NoErr(err)
			is.Equal(s.PaymentID, "PAY_0")
			is.True(!s.Late)
		})
	})
}

// MaxChanges bounds the attempts of a session, and so its history. An outcome is recorded even beyond the bound, since money has moved.
func TestASessionTakesAHundredChangesAndItsOutcome(t *testing.T) {
	eachStore(t, func(t *testing.T, store checkout.Store) {
		is := is.New(t)
		a := newAPI(t, store)
		ctx := t.Context()
		s := a.mustCreate(live, "")
		for n := 2; n <= checkout.MaxChanges; n++ {
			var err error
			s, err = a.Begin(ctx, live, s.ID, fmt.Sprint("PAY_", n))
			is.NoErr(err)
			is.Equal(s.Version, int64(n))
		}
		_, err := a.Begin(ctx, live, s.ID, "PAY_101")
		var invalid *checkout.ValidationError
		is.True(asError(err, &invalid))
		is.Equal(invalid.Fields[0].Field+" "+invalid.Fields[0].Code, "payment_id out_of_range")
		again, err := a.Begin(ctx, live, s.ID, s.PaymentID) // a repeated call begins no attempt
		is.NoErr(err)
		is.Equal(again, s)

		s, err = a.Process(ctx, live, s.ID, s.PaymentID) // this and every later step is recorded
		is.NoErr(err)
		s, err = a.Fail(ctx, live, s.ID, s.PaymentID, "no funds")
		is.NoErr(err)
		s, err = a.Complete(ctx, live, s.ID, "PAY_7")
		is.NoErr(err)
		is.Equal(s.Version, int64(checkout.MaxChanges+3))
		history, err := a.History(ctx, live, s.ID)
		is.NoErr(err)
		is.Equal(len(history), checkout.MaxChanges+3)
	})
}

func TestUpdatedAtIsTheTimeOfTheLastChange(t *testing.T) {
	eachStore(t, func(t *testing.T, store checkout.Store) {
		is := is.New(t)
		a := newAPI(t, store)
		s := a.mustCreate(live, "")
		is.Equal(s.UpdatedAt, s.CreatedAt)
		a.clock.Advance(time.Second)
		s, err := a.Begin(t.Context(), live, s.ID, "PAY_1")
		is.NoErr(err)
		is.Equal(s.UpdatedAt, a.clock.Now())
		a.clock.Advance(time.Second)
		kept, err := a.Get(t.Context(), live, s.ID)
		is.NoErr(err)
		is.Equal(kept, s)

		a.clock.Set(s.ExpiresAt.Add(time.Hour))
		kept, err = a.Get(t.Context(), live, s.ID)
		is.NoErr(err)
		is.Equal(kept.UpdatedAt, s.ExpiresAt) // the time of its expiry, swept or not
		swept, err := a.ExpireDue(t.Context(), 1)
		is.NoErr(err)
		is.Equal(swept[0].UpdatedAt, s.ExpiresAt)
		_, onTheWire := a.get("/v1/checkouts/" + s.ID).body["updated_at"]
		is.True(!onTheWire)
	})
}
