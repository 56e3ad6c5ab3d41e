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
	{"filters by the status at the instant of the query", func(t *trial) {
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
	{"lists a session as expired exactly from ExpiresAt on", func(t *trial) {
		for n, account := range []checkout.Account{merchant, stranger} {
			s := sample(n)
			s.Account = account
			if n == 1 { // test an instant without a fraction of a second too
				s.ExpiresAt = s.ExpiresAt.Truncate(time.Second)
			}
			s = t.create(s)
			for _, instant := range instants {
				at := s.ExpiresAt.Add(instant.after)
				is, not := checkout.StatusCreated, checkout.StatusExpired
				if instant.due {
					is, not = not, is
				}
				t.lists(account, checkout.Query{Status: is, At: at}, s)
				t.lists(account, checkout.Query{Status: not, At: at})
			}
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
		t.createAll(both, status)
		t.update(began(t.create(payment), "ORDER_123"))
		t.lists(merchant, checkout.Query{Status: checkout.StatusCreated, PaymentID: "ORDER_123", At: morning}, both)
	}},
	{"filters by the values after an update", func(t *trial) {
		s := t.create(sample(1))
		s = t.update(began(s, "ORDER_1"))
		next := s
		next.Status, next.PaymentID = checkout.StatusProcessing, "ORDER_2"
		next = t.update(successor(next, next))
		t.lists(merchant, checkout.Query{Status: checkout.StatusPending})
		t.lists(merchant, checkout.Query{PaymentID: "ORDER_1"})
		t.lists(merchant, checkout.Query{Status: checkout.StatusProcessing}, next)
		t.lists(merchant, checkout.Query{PaymentID: "ORDER_2"}, next)
	}},
	{"filters by the whole reference", func(t *trial) {
		var held []checkout.Session
		for n, reference := range []string{"order 1", "order 12", "order", "Order 1", "%", ""} {
			s := sample(n)
			s.ClientReference = reference
			held = append(held, t.create(s))
		}
		other := sample(9)
		other.Account, other.ClientReference = stranger, "order 1"
		t.create(other)
		for _, s := range held[:5] {
			t.lists(merchant, checkout.Query{ClientReference: s.ClientReference}, s)
		}
		t.lists(merchant, checkout.Query{ClientReference: "order 1", Status: checkout.StatusPending})
		t.lists(merchant, checkout.Query{ClientReference: "order 1", Status: checkout.StatusCreated}, held[0])
		t.lists(merchant, checkout.Query{ClientReference: "order 1", PaymentID: "ORDER_1"})
		paid := t.update(completed(held[0]))
		t.lists(merchant, checkout.Query{ClientReference: "order 1", PaymentID: "ORDER_123", Status: checkout.StatusCompleted}, paid)
	}},
	{"filters by time of creation, from the first instant (inclusive) to the second (exclusive)", func(t *trial) {
		held := make([]checkout.Session, 6)
		for n := range held {
			held[n] = t.create(sample(n))
		}
		between := func(after, before time.Time) checkout.Query {
			return checkout.Query{CreatedAfter: after, CreatedBefore: before}
		}
		at := func(n int) time.Time { return held[n].CreatedAt }
		t.lists(merchant, between(at(4), time.Time{}), held[5], held[4])
		t.lists(merchant, between(at(4).Add(time.Microsecond), time.Time{}), held[5])
		t.lists(merchant, between(time.Time{}, at(2)), held[1], held[0])
		t.lists(merchant, between(time.Time{}, at(2).Add(time.Microsecond)), held[2], held[1], held[0])
		t.lists(merchant, between(at(2), at(4)), held[3], held[2])
		t.lists(merchant, between(at(2), at(2)))
		q := between(at(1), at(5))
		q.Status = checkout.StatusCreated
		t.lists(merchant, q, held[4], held[3], held[2], held[1])
		q.Status = checkout.StatusCompleted
		t.lists(merchant, q)
	}},
	{"filters by the whole phone number, and does not count", func(t *trial) {
		var held []checkout.Session
		for n, phone := range []string{"+2250707987654", "+22507987654", "+225070798765", "+2250707987654"} {
			s := sample(n)
			s.UserPhone = phone
			held = append(held, t.create(s))
		}
		for _, c := range []struct {
			q    checkout.Query
			want []checkout.Session
		}{
			{checkout.Query{UserPhone: "+2250707987654"}, []checkout.Session{held[3], held[0]}},
			{checkout.Query{UserPhone: "+22507987654"}, []checkout.Session{held[1]}},
			{checkout.Query{UserPhone: "+2250707987654", Limit: 1}, []checkout.Session{held[3]}},
			{checkout.Query{UserPhone: "+2250707987654", Status: checkout.StatusCompleted}, nil},
			{checkout.Query{UserPhone: "+2250707987654", CreatedBefore: held[3].CreatedAt}, []checkout.Session{held[0]}},
			{checkout.Query{UserPhone: "+2250707987654", AfterCreatedAt: held[3].CreatedAt, AfterID: held[3].ID}, []checkout.Session{held[0]}},
		} {
			sessions, total := t.list(merchant, c.q)
			t.sameIDs("List", sessions, c.want)
			if total != 0 {
				t.Errorf("List(%+v) counted %d sessions, want 0: a list by phone counts none", c.q, total)
			}
		}
	}},
	{"counts all sessions that pass a filter, not only the page", func(t *trial) {
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

// createEach makes a session of each status in the order of [checkout.Statuses], all due at the same instant.
func (t *trial) createEach() []checkout.Session {
	t.Helper()
	var held []checkout.Session
	for n, status := range checkout.Statuses() {
		s := sample(n)
		s.ExpiresAt = morning.Add(time.Hour)
		s = t.create(s)
		if status != checkout.StatusCreated {
			s.Status = status
			s = t.update(successor(s, s))
		}
		held = append(held, s)
	}
	return held
}

// instants are just before, at and just after the instant at which a session is due, relative to that instant.
var instants = []struct {
	after time.Duration
	due   bool
}{
	{-time.Microsecond, false},
	{0, true},
	{time.Microsecond, true},
}
