package history_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/matryer/is"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/faults/clock"
	_ "github.com/caisse/checkout/faults/effort" // defines the flags -long and -seed
	"github.com/caisse/checkout/faults/history"
	"github.com/caisse/checkout/store/memory"
)

var merchant = checkout.Account{ID: "acct_1"}

func params() checkout.CreateParams {
	return checkout.CreateParams{
		Account: merchant, IdempotencyKey: "8e03978e-40d5-43dd-bc93-6894a57f9324", Amount: 5000, Currency: "XOF",
		UserPhone: "+22507987654", Description: "two baskets", SuccessURL: "https://shop.example/thanks",
		PaymentID: "ORDER_123", CustomerID: "customer 7",
	}
}

// newRecorder returns a recorder, a service whose calls it can record, and the clock of both.
func newRecorder(t *testing.T) (*history.Recorder, *checkout.Checkouts, *clock.Clock) {
	t.Helper()
	now := clock.At(time.Date(2026, time.November, 22, 7, 31, 56, 123456789, time.UTC))
	checkouts, err := checkout.New(memory.New(), checkout.Config{Clock: now})
	if err != nil {
		t.Fatal(err)
	}
	return history.New(history.Header{Test: t.Name(), Store: "memory", Seed: 7}, now), checkouts, now
}

// TestClient proves that a history has every call, its answer and its order, and no secret. The oracle judges nothing else, so a call
// that is missing or wrong in the history would hide a bug of a store.
func TestClient(t *testing.T) {
	t.Run("records every call with its answer", func(t *testing.T) {
		is := is.New(t)
		recorder, checkouts, now := newRecorder(t)
		client := recorder.Client("caller", checkouts)
		ctx := t.Context()
		session, _, err := client.Create(history.WithIntent(ctx, "order 123"), params())
		is.NoErr(err)
		_, err = client.Get(ctx, merchant, session.ID)
		is.NoErr(err)
		_, err = client.List(ctx, merchant, checkout.Query{Status: checkout.StatusCreated})
		is.NoErr(err)
		_, err = client.Begin(ctx, merchant, session.ID, "p1")
		is.NoErr(err)
		_, err = client.Process(ctx, merchant, session.ID, "")
		is.NoErr(err)
		_, err = client.Fail(ctx, merchant, session.ID, "", "insufficient funds")
		is.NoErr(err)
		_, err = client.Begin(ctx, merchant, session.ID, "p2")
		is.True(err != nil)
		_, err = client.Complete(ctx, merchant, session.ID, "p1")
		is.NoErr(err)
		_, err = client.Cancel(ctx, merchant, "another")
		is.True(errors.Is(err, checkout.ErrNotFound))
		now.Advance(time.Hour)
		_, err = client.ExpireDue(ctx, 10)
		is.NoErr(err)
		_, err = client.History(ctx, merchant, session.ID)
		is.NoErr(err)
		_, err = client.Events(ctx, "", 10)
		is.NoErr(err)

		h := recorder.History()
		is.Equal(h.Header, history.Header{Test: t.Name(), Store: "memory", Seed: 7})
		var lines []string
		for i, op := range h.Operations {
			is.Equal(op.ID, int64(i+1))
			is.True(op.At <= op.Return.At)
			is.True(i == 0 || h.Operations[i-1].Return.At <= op.At)
			is.Equal(op.Client, "caller")
			line := fmt.Sprintf("%s: %s", op.Kind, op.Return.Outcome)
			if op.Return.Code != "" {
				line += fmt.Sprintf(" %s %s", op.Return.Code, op.Return.From)
			}
			for _, s := range op.Return.Sessions {
				line += fmt.Sprintf(" %s v%d", s.Status, s.Version)
			}
			lines = append(lines, line)
		}
		is.Equal(lines, []string{
			"create: ok created v1", "get: ok created v1", "list: ok created v1", "begin: ok pending v2", "process: ok processing v3",
			"fail: ok failed v4", "begin: error refused failed", "complete: ok completed v5", "cancel: error not_found ", "expire: ok",
			"history: ok", "feed: ok",
		})
		first := h.Operations[0]
		is.Equal(first.Intent, "order 123")
		is.Equal(first.Payment, "ORDER_123")
		is.Equal(first.Clock, session.CreatedAt.UnixMicro())
		is.Equal(first.Return.Sessions[0].Created, session.CreatedAt.UnixMicro())
		is.Equal(first.Return.Sessions[0].Key, first.Request.Key)
		is.Equal(h.Operations[2].Return.Total, 1)
		is.Equal(len(h.Operations[10].Return.Events), 5)
		is.Equal(len(h.Operations[11].Return.Events), 4) // the feed has no creations
	})

	t.Run("records no secret", func(t *testing.T) {
		is := is.New(t)
		recorder, checkouts, _ := newRecorder(t)
		client := recorder.Client("caller", checkouts)
		session, _, err := client.Create(t.Context(), params())
		is.NoErr(err)
		_, err = client.Fail(t.Context(), merchant, session.ID, "", "no funds")
		is.NoErr(err)
		var file bytes.Buffer
		is.NoErr(recorder.History().Write(&file))
		for _, secret := range []string{"8e03978e", "07987654", "baskets", "shop.example", "customer 7", "no funds"} {
			is.True(!strings.Contains(file.String(), secret)) // the history must not contain a secret
		}
	})

	t.Run("records equal requests as equal, however they are written", func(t *testing.T) {
		is := is.New(t)
		recorder, checkouts, _ := newRecorder(t)
		client := recorder.Client("caller", checkouts)
		for _, edit := range []func(*checkout.CreateParams){
			func(*checkout.CreateParams) {},
			func(p *checkout.CreateParams) { p.ExpiresIn = 30 * time.Minute },
			func(p *checkout.CreateParams) { p.PaymentMethod = checkout.MobileMoney },
			func(p *checkout.CreateParams) { p.UserPhone = "+225 07-98.76(54)" },
			func(p *checkout.CreateParams) { p.IdempotencyKey = "8E03978E-40D5-43DD-BC93-6894A57F9324" },
		} {
			p := params()
			edit(&p)
			_, _, err := client.Create(t.Context(), p)
			is.NoErr(err)
		}
		ops := recorder.History().Operations
		for _, op := range ops {
			is.Equal(*op.Request, *ops[0].Request)
			is.Equal(op.Return.Sessions[0].ID, ops[0].Return.Sessions[0].ID) // the service too must take them for one request
		}
		p := params()
		p.Description = "three baskets"
		_, _, err := client.Create(t.Context(), p)
		is.True(err != nil)
		last := recorder.History().Operations[len(ops)]
		is.True(*last.Request != *ops[0].Request)
		is.Equal(last.Return.Held, ops[0].Return.Sessions[0].ID)
	})

	t.Run("loses no call when many goroutines call at the same time", func(t *testing.T) {
		is := is.New(t)
		recorder, checkouts, _ := newRecorder(t)
		var done sync.WaitGroup
		for i := range 8 {
			client := recorder.Client(fmt.Sprint(i), checkouts)
			done.Go(func() {
				for range 20 {
					client.Create(t.Context(), params())
				}
			})
		}
		done.Wait()
		is.Equal(len(recorder.History().Operations), 160)
	})
}

// TestOutcomes proves which errors are definite and which leave the outcome unknown. An error in the wrong group would make the oracle
// expect a session that was never written, or overlook a lost one.
func TestOutcomes(t *testing.T) {
	wrap := func(err error) error { return fmt.Errorf("doing something: %w", err) }
	for _, tt := range []struct {
		name    string
		err     error
		outcome history.Outcome
		code    history.Code
		answer  bool // whether a service that works gives this error
	}{
		{"no error", nil, history.OK, "", false},
		{"not found", wrap(checkout.ErrNotFound), history.Error, history.NotFound, true},
		{"invalid", wrap(&checkout.ValidationError{}), history.Error, history.Invalid, true},
		{"a key reused", wrap(&checkout.KeyReusedError{}), history.Error, history.KeyReused, true},
		{"refused", wrap(&checkout.TransitionError{}), history.Error, history.Refused, true},
		{"a payment conflict", wrap(&checkout.PaymentConflictError{}), history.Error, history.PaymentConflict, true},
		{"a conflict", wrap(checkout.ErrConflict), history.Error, history.Conflict, false},
		{"unavailable", wrap(checkout.ErrUnavailable), history.Error, history.Unavailable, false},
		{"a context that has ended", wrap(context.DeadlineExceeded), history.Error, history.GaveUp, false},
		{"another error", errors.New("disk on fire"), history.Error, history.Other, false},
		{"an unknown outcome", wrap(checkout.ErrOutcomeUnknown), history.Unknown, history.OutcomeUnknown, false},
		{"an unknown outcome together with a lost connection", errors.Join(checkout.ErrUnavailable, checkout.ErrOutcomeUnknown),
			history.Unknown, history.OutcomeUnknown, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			is := is.New(t)
			recorder, _, _ := newRecorder(t)
			_, err := recorder.Client("caller", failing{err: tt.err}).Get(t.Context(), merchant, "cs_1")
			is.Equal(err, tt.err)
			op := recorder.History().Operations[0]
			is.Equal(op.Return.Outcome, tt.outcome)
			is.Equal(op.Return.Code, tt.code)
			is.Equal(op.Return.Code.Answer(), tt.answer)
			is.Equal(len(op.Return.Sessions) > 0, tt.err == nil)
		})
	}

	t.Run("a panic is returned to the caller as an error", func(t *testing.T) {
		is := is.New(t)
		recorder, _, _ := newRecorder(t)
		_, err := recorder.Client("caller", failing{panics: "a nil map"}).Get(t.Context(), merchant, "cs_1")
		var panicked *history.PanicError
		is.True(errors.As(err, &panicked))
		is.Equal(panicked.Value, "a nil map")
		op := recorder.History().Operations[0]
		is.Equal(op.Return.Outcome, history.Unknown)
		is.Equal(op.Return.Code, history.Panicked)
	})
}

// failing is a service whose Get panics, or returns an error.
type failing struct {
	history.Service
	err    error
	panics string
}

func (f failing) Get(context.Context, checkout.Account, string) (checkout.Session, error) {
	if f.panics != "" {
		panic(f.panics)
	}
	return checkout.Session{ID: "cs_1"}, f.err
}
