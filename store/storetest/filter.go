package storetest

import (
	"time"

	"github.com/caisse/checkout"
)

var filterChecks = []check{
	{"filters by each status", func(t *trial) {
		held := t.createEach()
		for i, status := range checkout.Statuses() {
			t.lists(merchant, checkout.Query{Status: status, At: morning}, held[i])
		}
	}},
	{"filters by the status at the instant asked", func(t *trial) {
		held := t.createEach()
		created, pending, expired := held[0], held[1], held[5]
		at := created.ExpiresAt
		t.lists(merchant, checkout.Query{Status: checkout.StatusCreated, At: at})
		t.lists(merchant, checkout.Query{Status: checkout.StatusPending, At: at})
		t.lists(merchant, checkout.Query{Status: checkout.StatusExpired, At: at}, expired, pending, created)
		for _, i := range []int{2, 3, 4, 6} { // processing, completed, failed, cancelled: no clock moves them
			t.lists(merchant, checkout.Query{Status: held[i].Status, At: at}, held[i])
		}
	}},
	{"holds a session expired from the very instant", func(t *trial) {
		s := t.create(sample(1))
		for _, instant := range instants {
			at := s.ExpiresAt.Add(instant.after)
			is, not := checkout.StatusCreated, checkout.StatusExpired
			if instant.due {
				is, not = not, is
			}
			t.lists(merchant, checkout.Query{Status: is, At: at}, s)
			t.lists(merchant, checkout.Query{Status: not, At: at})
			t.lists(merchant, checkout.Query{Status: is, At: at.In(time.FixedZone("west", -8*3600))}, s)
		}
	}},
	{"filters by the whole payment id", func(t *trial) {
		var held []checkout.Session
		for n, payment := range []string{"ORDER_123", "ORDER_1234", "ORDER_12", "order_123", "ORDERX123", "%", ""} {
			s := sample(n)
			s.PaymentID = payment
			held = append(held, t.create(s))
		}
		for _, s := range held {
			if s.PaymentID != "" {
				t.lists(merchant, checkout.Query{PaymentID: s.PaymentID}, s)
			}
		}
		t.lists(merchant, checkout.Query{PaymentID: "ORDER_"})
	}},
	{"filters by status and payment together", func(t *trial) {
		both, status, payment := sample(1), sample(2), sample(3)
		both.PaymentID, payment.PaymentID = "ORDER_123", "ORDER_123"
		payment.Status = checkout.StatusPending
		t.createAll(both, status, payment)
		t.lists(merchant, checkout.Query{Status: checkout.StatusCreated, PaymentID: "ORDER_123", At: morning}, both)
	}},
	{"filters by what an update made of a session", func(t *trial) {
		s := sample(1)
		s.Status, s.PaymentID = checkout.StatusPending, "ORDER_1"
		s = t.create(s)
		next := s
		next.Status, next.PaymentID, next.Version = checkout.StatusProcessing, "ORDER_2", 2
		t.update(next)
		t.lists(merchant, checkout.Query{Status: checkout.StatusPending, At: morning})
		t.lists(merchant, checkout.Query{PaymentID: "ORDER_1"})
		t.lists(merchant, checkout.Query{Status: checkout.StatusProcessing, At: morning}, next)
		t.lists(merchant, checkout.Query{PaymentID: "ORDER_2"}, next)
	}},
	{"counts all that a filter lets through, not the page", func(t *trial) {
		for n := range 7 {
			s := sample(n)
			s.PaymentID = "ORDER_123"
			t.create(s)
		}
		t.create(sample(7))
		for _, q := range []checkout.Query{
			{PaymentID: "ORDER_123", Limit: 2},
			{PaymentID: "ORDER_123", Limit: 2, Offset: 6},
			{PaymentID: "ORDER_123", Limit: 2, Offset: 7},
			{PaymentID: "ORDER_123", Status: checkout.StatusCreated, At: morning, Limit: 2, Offset: 1000},
		} {
			sessions, total := t.list(merchant, q)
			if want := min(2, max(0, 7-q.Offset)); len(sessions) != want || total != 7 {
				t.Errorf("List(%+v) returned %d sessions of %d, want %d of 7", q, len(sessions), total, want)
			}
		}
	}},
}

// createEach creates a session of each status in the order of [checkout.Statuses], all due at the same instant.
func (t *trial) createEach() []checkout.Session {
	t.Helper()
	var held []checkout.Session
	for n, status := range checkout.Statuses() {
		s := sample(n)
		s.ExpiresAt = morning.Add(time.Hour)
		if status == checkout.StatusCompleted {
			s = completed(s)
		}
		if status == checkout.StatusFailed {
			s.FailureReason = "insufficient funds"
		}
		s.Status, s.Version = status, 1
		held = append(held, t.create(s))
	}
	return held
}

// instants are those around the one at which a session is due. What is finer than a microsecond is of no account.
var instants = []struct {
	after time.Duration
	due   bool
}{
	{-time.Microsecond, false},
	{-time.Nanosecond, false},
	{0, true},
	{time.Nanosecond, true},
	{time.Microsecond, true},
}
