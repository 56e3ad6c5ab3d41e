package storetest

import (
	"slices"
	"time"

	"github.com/caisse/checkout"
)

var listChecks = []check{
	{"lists the newest session first", func(t *trial) {
		// The sessions are one microsecond apart. Neither the order of their ids nor the order of the creates is the same.
		var want []checkout.Session
		for age, n := range []int{3, 1, 4, 0, 2} {
			s := sample(n)
			s.CreatedAt = morning.Add(-time.Duration(age) * time.Microsecond)
			s.UpdatedAt = s.CreatedAt
			want = append(want, s)
		}
		t.createAll(want[2], want[0], want[4], want[1], want[3])
		t.lists(merchant, checkout.Query{}, want...)
	}},
	{"lists sessions of one instant by id, descending", func(t *trial) {
		var want []checkout.Session
		for _, scope := range []string{"test", "sn", "live", "ci"} {
			for _, n := range []int{0xf, 0xa, 9, 1} {
				s := sample(n)
				s.ID, s.CreatedAt, s.UpdatedAt, s.IdempotencyKey = sampleID(scope, n), morning, morning, ""
				want = append(want, s)
			}
		}
		for _, i := range []int{5, 0, 11, 3, 14, 8, 1, 15, 6, 2, 13, 9, 4, 12, 7, 10} {
			t.create(want[i])
		}
		t.lists(merchant, checkout.Query{}, want...)
		t.walks(3, want)
	}},
	{"lists pages without a gap or a duplicate", func(t *trial) {
		var want []checkout.Session
		for n := range 10 {
			s := sample(n)
			s.CreatedAt = morning.Add(time.Duration(n/4) * time.Second) // up to four sessions share an instant
			s.UpdatedAt = s.CreatedAt
			s.PaymentID = "ORDER_123"
			want = append(want, t.create(s))
		}
		slices.Reverse(want)
		for size := 1; size <= 4; size++ {
			t.walks(size, want)
		}
	}},
	{"applies the limit and the offset", func(t *trial) {
		const all = 53
		var want []checkout.Session
		for n := range all {
			want = append(want, t.create(sample(n)))
		}
		slices.Reverse(want)
		for _, page := range []struct{ limit, offset, from, to int }{
			{1, 0, 0, 1},
			{50, 0, 0, 50},
			{51, 0, 0, 51},
			{100, 0, 0, all},
			{50, 2, 2, 52},
			{50, 51, 51, all},
			{2, all - 1, all - 1, all},
			{2, all, all, all},
			{100, checkout.MaxListOffset, all, all},
		} {
			q := checkout.Query{Limit: page.limit, Offset: page.offset}
			sessions, total := t.list(merchant, q)
			t.sameIDs("List", sessions, want[page.from:page.to])
			if total != all {
				t.Errorf("List(%+v) counted %d sessions, want %d", q, total, all)
			}
		}
	}},
	{"lists sessions as they are stored, even if they are due", func(t *trial) {
		for _, s := range samples() {
			t.create(s)
		}
		later := morning.Add(24 * time.Hour) // by then the sessions are due, and still stored as created or pending
		for _, s := range samples() {
			sessions, _ := t.list(s.Account, checkout.Query{At: later})
			i := slices.IndexFunc(sessions, func(listed checkout.Session) bool { return listed.ID == s.ID })
			if i < 0 {
				t.Fatalf("List returned %v, want %s among them", ids(sessions), s.ID)
			}
			t.same("what List returned", sessions[i], s)
		}
	}},
	{"shares no memory of a list with its callers", func(t *trial) {
		second, first := t.create(sample(1)), t.create(sample(2))
		for _, q := range []checkout.Query{{}, {Limit: 1}, {Status: checkout.StatusCreated, At: morning}} {
			page, _ := t.list(merchant, q)
			scribble(page)
			t.lists(merchant, checkout.Query{}, first, second)
			t.kept(first)
			t.kept(second)
		}
	}},
}

// walks checks that the pages of the given size make up the whole list, and that each page has the total of the list.
func (t *trial) walks(size int, want []checkout.Session) {
	t.Helper()
	var got []checkout.Session
	for offset := 0; offset < len(want)+size; offset += size {
		q := checkout.Query{Limit: size, Offset: offset}
		page, total := t.list(merchant, q)
		if len(page) > size {
			t.Errorf("List(%+v) returned %d sessions", q, len(page))
		}
		if total != len(want) {
			t.Errorf("List(%+v) counted %d sessions, want %d", q, total, len(want))
		}
		got = append(got, page...)
	}
	t.sameIDs("List, page by page,", got, want)
}

// scribble overwrites the sessions of a slice, up to its capacity. Metadata maps have checks of their own.
func scribble(sessions []checkout.Session) {
	sessions = sessions[:cap(sessions)]
	for i := range sessions {
		sessions[i] = checkout.Session{ID: "scribble"}
	}
}
