package storetest

import "github.com/caisse/checkout"

var createChecks = []check{
	{"keeps the session that it creates", func(t *trial) {
		t.kept(t.create(sample(1)))
	}},
	{"replays the first session under a used key", func(t *trial) {
		first := t.create(sample(1))
		t.replay(first, first)
		other := sample(2)
		other.IdempotencyKey = first.IdempotencyKey
		t.replay(other, first)
	}},
	{"writes nothing for a replay", func(t *trial) {
		first := t.create(sample(1))
		other := samples()[1]
		other.IdempotencyKey = first.IdempotencyKey
		t.replay(other, first)
		t.kept(first)
		t.absent(other.Account, other.ID, "")
		t.lists(merchant, checkout.Query{}, first)
	}},
	{"replays a session as it is now", func(t *trial) {
		first := t.create(sample(1))
		paid := completed(first)
		t.update(paid)
		t.replay(first, paid)

		second := t.create(sample(2))
		t.expire(second.ExpiresAt, 10)
		t.replay(sample(2), expired(second))
	}},
	{"replays a used key even if the id is also taken", func(t *trial) {
		first, second := t.create(sample(1)), t.create(sample(2))
		both := sample(3)
		both.ID, both.IdempotencyKey = second.ID, first.IdempotencyKey
		t.replay(both, first)
		t.kept(second)
	}},
	{"refuses an id that is taken and writes nothing", func(t *trial) {
		first := t.create(sample(1))
		for n, thief := range map[int]func(*checkout.Session){
			2: func(*checkout.Session) {},
			3: func(s *checkout.Session) { s.IdempotencyKey = "" },
			4: func(s *checkout.Session) { s.Account = stranger },
			5: func(s *checkout.Session) { s.Account = sandbox },
		} {
			s := sample(n)
			thief(&s)
			s.ID = first.ID
			if _, _, err := t.store.Create(t.Context(), s); err == nil {
				t.Errorf("Create with an id that is taken succeeded, want an error")
			}
			t.kept(first)
			if s.Account != first.Account {
				t.absent(s.Account, s.ID, s.IdempotencyKey)
			}
		}
	}},
	{"leaves a key free when its session was refused", func(t *trial) {
		first := t.create(sample(1))
		refused := sample(2)
		refused.ID = first.ID
		if _, _, err := t.store.Create(t.Context(), refused); err == nil {
			t.Fatalf("Create with an id that is taken succeeded")
		}
		t.kept(t.create(sample(2)))
	}},
}
