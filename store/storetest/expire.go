package storetest

import (
	"slices"
	"time"

	"github.com/caisse/checkout"
)

var expireChecks = []check{
	{"expires only sessions that wait for the payer", func(t *trial) {
		held := t.createEach()
		t.expires(held[0].ExpiresAt, 100, expired(held[0]), expired(held[1]))
		t.kept(expired(held[0]))
		t.kept(expired(held[1]))
		for _, s := range held[2:] {
			t.kept(s)
		}
	}},
	{"expires a session exactly at ExpiresAt", func(t *trial) {
		for n, instant := range instants {
			s := t.create(sample(n))
			now := s.ExpiresAt.Add(instant.after)
			if instant.due {
				t.expires(now, 1, s)
			} else {
				t.expires(now, 1)
				t.kept(s)
				t.expires(s.ExpiresAt, 1, s)
			}
		}
	}},
	{"returns sessions as they are after expiry", func(t *trial) {
		for _, s := range samples() {
			t.create(s)
		}
		moved := t.expire(morning.Add(time.Hour), 100)
		var want []checkout.Session
		for _, s := range samples() {
			want = append(want, expired(s))
		}
		t.sameIDs("Expire", moved, want)
		for i := range min(len(moved), len(want)) {
			t.same("what Expire returned", moved[i], want[i])
			t.kept(want[i])
		}
	}},
	{"gives an expired session a new version", func(t *trial) {
		s := t.create(sample(1))
		t.expire(s.ExpiresAt, 1)
		stale := completed(s)
		t.failed("Update of what expired meanwhile", t.store.Update(t.Context(), stale), checkout.ErrConflict)
		t.kept(expired(s))
		late := completed(expired(s))
		late.Late = true
		t.kept(t.update(late))
	}},
	{"expires the sessions that have been due longest first, up to the limit", func(t *trial) {
		due := make([]checkout.Session, 6)
		for n, rank := range []int{4, 0, 5, 2, 1, 3} {
			s := sample(n)
			s.ExpiresAt = morning.Add(time.Hour + time.Duration(rank)*time.Microsecond)
			due[rank] = t.create(s)
		}
		now := morning.Add(2 * time.Hour)
		t.expires(now, 1, due[0])
		t.expires(now, 3, due[1], due[2], due[3])
		t.expires(now, 3, due[4], due[5])
		t.expires(now, 3)
	}},
	{"expires sessions of one instant by id", func(t *trial) {
		due := make([]checkout.Session, 6)
		for _, n := range []int{4, 0, 5, 2, 1, 3} {
			s := sample(n)
			s.ExpiresAt = morning.Add(time.Hour)
			due[n] = t.create(s)
		}
		t.expires(morning.Add(time.Hour), 4, due[:4]...)
		t.expires(morning.Add(time.Hour), 4, due[4:]...)
	}},
	{"expires a session once", func(t *trial) {
		s := t.create(sample(1))
		t.expires(s.ExpiresAt, 10, s)
		t.expires(s.ExpiresAt.Add(time.Hour), 10)
		t.kept(expired(s))
	}},
	{"expires every account's sessions, test and live", func(t *trial) {
		var due []checkout.Session
		for n, account := range []checkout.Account{merchant, sandbox, stranger} {
			s := sample(n)
			s.Account = account
			due = append(due, t.create(s))
		}
		t.expires(morning.Add(time.Hour), 10, due...)
		for _, s := range due {
			t.kept(expired(s))
		}
	}},
	{"expires by the values after an update", func(t *trial) {
		paid, asked := t.create(sample(1)), t.create(sample(2))
		asked = t.update(began(asked, "ORDER_1"))
		paid = t.update(completed(paid))
		t.expires(morning.Add(2*time.Hour), 10, asked)
		t.kept(expired(asked))
		t.kept(paid)
	}},
	{"shares no memory of expired sessions with its callers", func(t *trial) {
		labeled := sample(1)
		labeled.Metadata = map[string]string{"size": "XL"}
		first, second := t.create(labeled), t.create(sample(2))
		first.Metadata = map[string]string{"size": "XL"}
		moved := slices.Clip(t.expire(morning.Add(time.Hour), 10))
		t.sameIDs("Expire", moved, []checkout.Session{first, second})
		for _, s := range moved {
			if s.Metadata != nil {
				s.Metadata["size"] = "scribble"
			}
		}
		scribble(moved)
		t.kept(expired(first))
		t.kept(expired(second))
	}},
}

// expired returns s as it is after a sweep has expired it.
func expired(s checkout.Session) checkout.Session {
	s.Status, s.UpdatedAt = checkout.StatusExpired, s.ExpiresAt
	s.Version++
	return s
}
