package storetest

import (
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/idempotency"
)

var updateChecks = []check{
	{"replaces a session by its next version", func(t *trial) {
		s, bystander := t.create(sample(1)), t.create(sample(2))
		s.Status, s.Version = checkout.StatusPending, 2
		t.kept(t.update(s))
		t.kept(t.update(completed(s)))
		t.kept(bystander)
	}},
	{"refuses every version but the next", func(t *trial) {
		s := t.create(sample(1))
		s.Status, s.Version = checkout.StatusPending, 2
		s = t.update(s)
		for _, version := range []int64{0, 1, 2, 4, 5, 1<<32 + 3} {
			other := completed(s)
			other.Version = version
			err := t.store.Update(t.Context(), other)
			t.failed("Update to a version that is not the next", err, checkout.ErrConflict)
			t.kept(s)
		}
	}},
	{"never changes what a session was created with", func(t *trial) {
		s := t.create(sample(1))
		forged := completed(s)
		forged.CreatedAt = s.CreatedAt.Add(time.Minute)
		forged.IdempotencyKey = sampleKey(2)
		forged.Fingerprint = idempotency.Sum(1, "forged")
		t.update(forged)
		t.kept(completed(s))
		_, err := t.store.GetByKey(t.Context(), merchant, sampleKey(2))
		t.failed("GetByKey of a key that an update brought", err, checkout.ErrNotFound)
		t.lists(merchant, checkout.Query{}, completed(s))
	}},
	{"leaves a key free that only an update brought", func(t *trial) {
		s := t.create(sample(1))
		forged := completed(s)
		forged.IdempotencyKey = sampleKey(2)
		t.update(forged)
		t.kept(t.create(sample(2)))
	}},
	{"never changes the session under a caller that holds it", func(t *trial) {
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
