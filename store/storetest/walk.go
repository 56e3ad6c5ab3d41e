package storetest

import (
	"slices"
	"time"

	"github.com/caisse/checkout"
)

var walkChecks = []check{
	{"continues after a place, also among sessions of one instant", func(t *trial) {
		var want []checkout.Session
		for n := range 12 {
			s := sample(n)
			s.CreatedAt = morning.Add(time.Duration(n/5) * time.Second)
			s.UpdatedAt = s.CreatedAt
			want = append(want, t.create(s))
		}
		slices.Reverse(want)
		for size := 1; size <= 6; size++ {
			t.follows(checkout.Query{Limit: size}, want, func() {})
		}
	}},
	{"continues after a place that no session has", func(t *trial) {
		var held []checkout.Session
		for n := range 4 {
			held = append(held, t.create(sample(n)))
		}
		after := func(at time.Time, id string) checkout.Query { return checkout.Query{AfterCreatedAt: at, AfterID: id} }
		for _, c := range []struct {
			q    checkout.Query
			want []checkout.Session
		}{
			{after(held[3].CreatedAt.Add(time.Hour), "cs_x"), []checkout.Session{held[3], held[2], held[1], held[0]}},
			{after(held[2].CreatedAt.Add(time.Microsecond), "cs_x"), []checkout.Session{held[2], held[1], held[0]}},
			{after(held[2].CreatedAt, "cs_zz"), []checkout.Session{held[2], held[1], held[0]}}, // the instant of held[2], and a greater id
			{after(held[2].CreatedAt, "cs_"), []checkout.Session{held[1], held[0]}},            // the same instant, and a smaller id
			{after(held[0].CreatedAt, held[0].ID), nil},
		} {
			sessions, total := t.list(merchant, c.q)
			t.sameIDs("List", sessions, c.want)
			if total != 0 {
				t.Errorf("List(%+v) counted %d sessions, want 0: a list by place counts none", c.q, total)
			}
		}
	}},
	{"lists every session once while sessions are created and changed", func(t *trial) {
		var want []checkout.Session
		for n := range 20 {
			want = append(want, t.create(sample(n)))
		}
		changing := slices.Clone(want)
		slices.Reverse(want)
		step := 0
		t.follows(checkout.Query{Limit: 3}, want, func() {
			t.create(sample(100 + step))
			changing[19-step] = t.update(completed(changing[19-step]))
			t.expire(changing[step].ExpiresAt, 1)
			step++
		})
	}},
	{"continues after a place with every filter", func(t *trial) {
		var all, old []checkout.Session
		for n := range 9 {
			s := sample(n)
			s.ClientReference = []string{"order 1", "order 2", ""}[n%3]
			s.PaymentID = []string{"ORDER_1", "", "ORDER_2"}[n%3]
			all = append(all, t.create(s))
		}
		slices.Reverse(all)
		pick := func(remainder int) (some []checkout.Session) {
			for i, s := range all {
				if (8-i)%3 == remainder {
					some = append(some, s)
				}
			}
			return some
		}
		for _, s := range all {
			if s.CreatedAt.Before(morning.Add(5 * time.Second)) {
				old = append(old, s)
			}
		}
		for size := 1; size <= 3; size++ {
			t.follows(checkout.Query{Limit: size, ClientReference: "order 1"}, pick(0), func() {})
			t.follows(checkout.Query{Limit: size, PaymentID: "ORDER_2"}, pick(2), func() {})
			t.follows(checkout.Query{Limit: size, Status: checkout.StatusCreated}, all, func() {})
			t.follows(checkout.Query{Limit: size, CreatedBefore: morning.Add(5 * time.Second)}, old, func() {})
			t.follows(checkout.Query{Limit: size, UserPhone: all[0].UserPhone}, all, func() {})
			t.follows(checkout.Query{Limit: size, Status: checkout.StatusExpired, At: morning.Add(24 * time.Hour)}, all, func() {})
		}
	}},
	{"counts up to 10,001 sessions, and searches 10,000 for a phone number", func(t *trial) {
		const n, callers = checkout.MaxListTotal + 7, 8
		atOnce(callers, func(i int) {
			for n := n - 1 - i; n >= 0; n -= callers {
				s := sample(n)
				if n < 4 {
					s.UserPhone = "+221771234567"
				}
				if _, created, err := t.store.Create(t.Context(), s); err != nil || !created {
					t.Errorf("Create: created %t, %v", created, err)
				}
			}
		})
		for _, q := range []checkout.Query{{Limit: 1}, {Limit: 1, Status: checkout.StatusCreated}, {Limit: 1, Offset: 500}} {
			if _, total := t.list(merchant, q); total != checkout.MaxListTotal+1 {
				t.Errorf("List(%+v) counted %d sessions, want %d", q, total, checkout.MaxListTotal+1)
			}
		}
		last, _ := t.list(merchant, checkout.Query{Limit: 3, Offset: checkout.MaxListOffset})
		t.sameIDs("List at the last offset", last, []checkout.Session{sample(6), sample(5), sample(4)})
		rest, _ := t.list(merchant, checkout.Query{Limit: 5, AfterCreatedAt: sample(5).CreatedAt, AfterID: sample(5).ID})
		t.sameIDs("List after a place", rest, []checkout.Session{sample(4), sample(3), sample(2), sample(1), sample(0)})

		// The first 10,000 sessions do not have this phone. The last of them is returned, so that the caller can continue after it.
		rare := checkout.Query{UserPhone: "+221771234567"}
		scanned, _ := t.list(merchant, rare)
		t.sameIDs("List by phone", scanned, []checkout.Session{sample(7)})
		rare.AfterCreatedAt, rare.AfterID = sample(7).CreatedAt, sample(7).ID
		found, _ := t.list(merchant, rare)
		t.sameIDs("List by phone after that", found, []checkout.Session{sample(3), sample(2), sample(1), sample(0)})
		// If the scan begins five sessions later, its 10,000 sessions end among those that have the phone.
		rare.AfterCreatedAt, rare.AfterID = sample(n-5).CreatedAt, sample(n-5).ID
		found, _ = t.list(merchant, rare)
		t.sameIDs("List by phone", found, []checkout.Session{sample(3), sample(2)})
		rare.Limit = 1
		found, _ = t.list(merchant, rare)
		t.sameIDs("List of one by phone", found, []checkout.Session{sample(3)})
	}},
}

// follows checks that a walk by places returns exactly want. It calls meanwhile after each page.
func (t *trial) follows(q checkout.Query, want []checkout.Session, meanwhile func()) {
	t.Helper()
	var got []checkout.Session
	for range len(want) + 1 {
		page, _ := t.list(merchant, q)
		if len(page) > q.Limit {
			t.Errorf("List(%+v) returned %d sessions", q, len(page))
		}
		if len(page) == 0 {
			break
		}
		got = append(got, page...)
		q.AfterCreatedAt, q.AfterID = page[len(page)-1].CreatedAt, page[len(page)-1].ID
		meanwhile()
	}
	t.sameIDs("List, place by place,", got, want)
}
