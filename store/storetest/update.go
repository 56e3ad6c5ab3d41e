package storetest

import "github.com/caisse/checkout"

var updateChecks = []check{
	{"replaces a session with its next version", func(t *trial) {
		s, bystander := t.create(sample(1)), t.create(sample(2))
		s = t.update(began(s, ""))
		t.kept(s)
		t.kept(t.update(completed(s)))
		t.kept(bystander)
	}},
	{"refuses every version except the next", func(t *trial) {
		s := t.create(sample(1))
		s = t.update(began(s, ""))
		for _, version := range []int64{0, 1, 2, 4, 5, 1<<32 + 3} {
			other := completed(s)
			other.Version = version
			err := t.store.Update(t.Context(), other)
			t.failed("Update to a version that is not the next", err, checkout.ErrConflict)
			t.kept(s)
		}
	}},
	{"does not change a session that it has returned", func(t *trial) {
		s := t.create(sample(1))
		page, _ := t.list(merchant, checkout.Query{})
		before := t.get(merchant, s.ID)
		t.update(completed(s))
		t.same("the session that was read before the update", before, s)
		if len(page) == 1 {
			t.same("the session that was listed before the update", page[0], s)
		} else {
			t.Errorf("List returned %v, want one session", ids(page))
		}
	}},
}
