package main_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/caisse/checkout"
	operator "github.com/caisse/checkout/examples/operator"
	"github.com/matryer/is"
)

// TestHost proves that the host asks for a payment, sweeps and reconciles in an order that survives a crash or an operator that is down.
func TestHost(t *testing.T) {
	t.Run("stores the payment's ID in the session before it asks the operator", func(t *testing.T) {
		is := is.New(t)
		f := newFixture(t)
		f.gateway.onAsk = func(p operator.Payment) {
			s := f.session(t)
			is.Equal(s.Status, checkout.StatusPending)
			is.Equal(s.PaymentID, p.ID)
		}
		is.NoErr(f.host.Pay(t.Context(), f.id, "P-1"))
		is.Equal(f.gateway.asked, []operator.Payment{
			{ID: "P-1", Reference: f.id, Phone: "+2250707987654", Amount: 5000, Currency: "XOF"},
		})
	})

	t.Run("can ask again after the operator could not be reached", func(t *testing.T) {
		is := is.New(t)
		f := newFixture(t)
		f.gateway.err = errors.New("no route to the operator")
		is.True(f.host.Pay(t.Context(), f.id, "P-1") != nil)
		is.NoErr(f.host.Pay(t.Context(), f.id, "P-1"))
		is.Equal(len(f.gateway.asked), 1)
	})

	t.Run("does not ask for the payment of an expired session", func(t *testing.T) {
		is := is.New(t)
		f := newFixture(t)
		expired(t, f)
		is.True(f.host.Pay(t.Context(), f.id, "P-1") != nil)
		is.Equal(len(f.gateway.asked), 0)
	})

	t.Run("sweeps the sessions that are due, each once", func(t *testing.T) {
		is := is.New(t)
		f := newFixture(t)
		second := f.create(t)
		f.now = f.now.Add(time.Hour)
		n, err := f.host.Sweep(t.Context(), 1)
		is.NoErr(err)
		is.Equal(n, 1)
		n, err = f.host.Sweep(t.Context(), 10)
		is.NoErr(err)
		is.Equal(n, 1)
		both := []string{f.id, second}
		slices.Sort(both)
		is.Equal(slices.Sorted(slices.Values(f.books.GivenUp())), both)
	})

	t.Run("reconciles every processing session, even after one fails", func(t *testing.T) {
		is := is.New(t)
		f := newFixture(t)
		f.gateway.known = map[string]operator.Event{}
		f.gateway.down = map[string]error{}
		const n = checkout.MaxListLimit + 20 // more than one page of a list
		for i := range n {
			f.id = f.create(t)
			paymentID := fmt.Sprintf("P-%d", i)
			is.NoErr(f.host.Pay(t.Context(), f.id, paymentID))
			is.Equal(f.send(f.event(paymentID, operator.Held)), 200)
			f.gateway.known[paymentID] = f.event(paymentID, operator.Paid)
		}
		down := errors.New("the operator is down")
		f.gateway.down["P-60"] = down

		is.True(errors.Is(f.host.Reconcile(t.Context()), down))
		is.Equal(len(f.books.Delivered()), n-1)
		delete(f.gateway.down, "P-60")
		is.NoErr(f.host.Reconcile(t.Context()))
		is.Equal(len(f.books.Delivered()), n)
	})
}
