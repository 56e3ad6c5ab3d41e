package tested_test

import (
	"errors"
	"testing"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/examples/tested"
	"github.com/caisse/checkout/idempotency"
	"github.com/caisse/checkout/simulator"
	"github.com/caisse/checkout/store/memory"
	"github.com/google/uuid"
	"github.com/matryer/is"
)

// stage is what a host needs in a test: a store in memory, a clock that only the test moves, and a simulated operator.
// The last two digits of the phone tell the operator what the payer does.
type stage struct {
	t        *testing.T
	now      time.Time
	operator *simulator.Simulator
	*tested.Tickets
}

func newStage(t *testing.T) *stage {
	t.Helper()
	is := is.New(t)
	s := &stage{t: t, now: time.Date(2026, 12, 24, 18, 0, 0, 0, time.UTC)}
	clock := checkout.ClockFunc(func() time.Time { return s.now })
	checkouts, err := checkout.New(memory.New(), checkout.Config{Clock: clock})
	is.NoErr(err)
	s.operator, err = simulator.New(checkouts, simulator.Config{Clock: clock})
	is.NoErr(err)
	s.Tickets = &tested.Tickets{Checkouts: checkouts, Operator: s.operator}
	return s
}

// after moves the clock by d. On the way it stops at every time at which the operator has something to do.
func (s *stage) after(d time.Duration) {
	s.t.Helper()
	until := s.now.Add(d)
	for {
		next, err := s.operator.Tick(s.t.Context())
		is.New(s.t).NoErr(err)
		if next.IsZero() || next.After(until) {
			break
		}
		s.now = next
	}
	s.now = until
}

func (s *stage) ticket(o tested.Order) string {
	s.t.Helper()
	text, err := s.Ticket(s.t.Context(), o)
	is.New(s.t).NoErr(err)
	return text
}

func TestTickets(t *testing.T) {
	for _, test := range []struct{ name, phone, want string }{
		{"is paid", "+2250707070700", "here is your ticket"},
		{"has too little money", "+2250707070701", "no ticket: failed insufficient funds"},
		{"never answers", "+2250707070703", "no ticket: expired "},
		{"pays after the session expired", "+2250707070704", "paid after the hall was full: pay it back"},
		{"pays once, and the operator reports it twice", "+2250707070706", "here is your ticket"},
	} {
		t.Run("a payer who "+test.name, func(t *testing.T) {
			is := is.New(t)
			s := newStage(t)
			order := tested.Order{Key: idempotency.Key(uuid.NewString()), Phone: test.phone}
			is.NoErr(s.Buy(t.Context(), &order))
			is.Equal(s.ticket(order), "confirm on your phone")
			s.after(time.Hour) // only the test's clock moves
			is.Equal(s.ticket(order), test.want)
		})
	}

	t.Run("a buyer who clicks twice pays once", func(t *testing.T) {
		is := is.New(t)
		s := newStage(t)
		order := tested.Order{Key: idempotency.Key(uuid.NewString()), Phone: "+2250707070700"}
		is.NoErr(s.Buy(t.Context(), &order))
		first := order.Session
		is.NoErr(s.Buy(t.Context(), &order))
		is.Equal(order.Session, first)
		s.after(time.Minute)
		is.Equal(s.ticket(order), "here is your ticket")
		is.Equal(len(s.operator.Refunds()), 0) // a second payment would have been refunded
	})

	t.Run("the error for a phone of another country names the field", func(t *testing.T) {
		is := is.New(t)
		s := newStage(t)
		err := s.Buy(t.Context(), &tested.Order{Key: idempotency.Key(uuid.NewString()), Phone: "+4930123456"})
		var refused *checkout.ValidationError
		is.True(errors.As(err, &refused))
		is.Equal(refused.Fields[0].Field, "user_phone")
	})
}
