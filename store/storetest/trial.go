package storetest

import (
	"context"
	"errors"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/idempotency"
)

// trial is one check on one store. Its methods call the store, and end the check if its next steps make no sense after the answer.
type trial struct {
	tb
	store    checkout.Store
	patience time.Duration // how long an event may take to appear: transactions of other tests may delay it
}

// create writes a session that must be new, and returns it as the store must keep it.
func (t *trial) create(s checkout.Session) checkout.Session {
	t.Helper()
	held, created, err := t.store.Create(t.Context(), s)
	if err != nil {
		t.Fatalf("Create(%s): %v", s.ID, err)
	}
	if !created {
		t.Fatalf("Create(%s) replayed %s, want a new session", s.ID, held.ID)
	}
	t.same("what Create returned", held, s)
	return s
}

// createAll creates sessions in the order given.
func (t *trial) createAll(sessions ...checkout.Session) {
	t.Helper()
	for _, s := range sessions {
		t.create(s)
	}
}

// replay creates s under a used key, and checks that the store returns want, the session that has the key.
func (t *trial) replay(s, want checkout.Session) {
	t.Helper()
	held, created, err := t.store.Create(t.Context(), s)
	if err != nil {
		t.Fatalf("Create(%s) under a used key: %v", s.ID, err)
	}
	if created {
		t.Fatalf("Create(%s) under a used key created a session, want %s replayed", s.ID, want.ID)
	}
	t.same("what a replay returned", held, want)
}

// get reads a session that must be there.
func (t *trial) get(account checkout.Account, id string) checkout.Session {
	t.Helper()
	s, err := t.store.Get(t.Context(), account, id)
	if err != nil {
		t.Fatalf("Get(%s): %v", id, err)
	}
	return s
}

// kept checks that the store has exactly this session: by ID, by key, and once in its account's list.
func (t *trial) kept(want checkout.Session) {
	t.Helper()
	t.same("what Get returned", t.get(want.Account, want.ID), want)
	if want.IdempotencyKey != "" {
		s, err := t.store.GetByKey(t.Context(), want.Account, want.IdempotencyKey)
		if err != nil {
			t.Fatalf("GetByKey for %s: %v", want.ID, err)
		}
		t.same("what GetByKey returned", s, want)
	}
	sessions, _ := t.list(want.Account, checkout.Query{Limit: 100, At: want.CreatedAt})
	found := 0
	for _, s := range sessions {
		if s.ID == want.ID {
			found++
			t.same("what List returned", s, want)
		}
	}
	if found != 1 {
		t.Errorf("List returned session %s %d times, want once", want.ID, found)
	}
}

// absent checks that the account has no session with this ID, nor one under the key, which may be "".
func (t *trial) absent(account checkout.Account, id string, key idempotency.Key) {
	t.Helper()
	_, err := t.store.Get(t.Context(), account, id)
	t.failed("Get of an absent session", err, checkout.ErrNotFound)
	_, err = t.store.GetByKey(t.Context(), account, key)
	t.failed("GetByKey of an absent session", err, checkout.ErrNotFound)
	sessions, _ := t.list(account, checkout.Query{Limit: 100})
	for _, s := range sessions {
		if s.ID == id {
			t.Errorf("List returned session %s, want it absent", id)
		}
	}
}

// update writes the next version of a session, and returns it as the store must keep it.
func (t *trial) update(s checkout.Session) checkout.Session {
	t.Helper()
	if err := t.store.Update(t.Context(), s); err != nil {
		t.Fatalf("Update(%s) to version %d: %v", s.ID, s.Version, err)
	}
	return s
}

// list calls List. It fills in the Limit and At that [checkout.Checkouts] would set.
func (t *trial) list(account checkout.Account, q checkout.Query) ([]checkout.Session, int) {
	t.Helper()
	if q.Limit == 0 {
		q.Limit = 100
	}
	if q.At.IsZero() {
		q.At = morning
	}
	sessions, total, err := t.store.List(t.Context(), account, q)
	if err != nil {
		t.Fatalf("List(%+v): %v", q, err)
	}
	return sessions, total
}

// lists checks that a list has exactly these sessions in this order, and that the total is their number.
func (t *trial) lists(account checkout.Account, q checkout.Query, want ...checkout.Session) {
	t.Helper()
	sessions, total := t.list(account, q)
	t.sameIDs("List", sessions, want)
	if total != len(want) {
		t.Errorf("List(%+v) counted %d sessions, want %d", q, total, len(want))
	}
}

func (t *trial) expire(now time.Time, limit int) []checkout.Session {
	t.Helper()
	sessions, err := t.store.Expire(t.Context(), now, limit)
	if err != nil {
		t.Fatalf("Expire: %v", err)
	}
	return sessions
}

// expires checks that a sweep expires exactly these sessions, in this order.
func (t *trial) expires(now time.Time, limit int, want ...checkout.Session) {
	t.Helper()
	t.sameIDs("Expire", t.expire(now, limit), want)
}

func (t *trial) sameIDs(what string, got, want []checkout.Session) {
	t.Helper()
	same := len(got) == len(want)
	for i := 0; same && i < len(got); i++ {
		same = got[i].ID == want[i].ID && got[i].Account == want[i].Account
	}
	if !same {
		t.Errorf("%s returned %v, want %v", what, ids(got), ids(want))
	}
}

// same checks that two sessions are equal in every field.
func (t *trial) same(what string, got, want checkout.Session) {
	t.Helper()
	for _, d := range differences(got, want) {
		t.Errorf("%s: session %s: %s", what, want.ID, d)
	}
}

// kinds are the errors by which a caller decides what to do next.
var kinds = []error{
	checkout.ErrNotFound, checkout.ErrConflict, checkout.ErrUnavailable, checkout.ErrOutcomeUnknown,
	context.Canceled, context.DeadlineExceeded,
}

// failed checks that an error is of one kind and of no other. If kind is nil, the error must be of none of the kinds.
func (t *trial) failed(what string, err, kind error) {
	t.Helper()
	if err == nil {
		t.Errorf("%s succeeded, want an error", what)
		return
	}
	for _, k := range kinds {
		switch is := errors.Is(err, k); {
		case is && k != kind:
			t.Errorf("%s: the error is %q, which it must not be: %v", what, k, err)
		case !is && k == kind:
			t.Errorf("%s: the error is not %q: %v", what, k, err)
		}
	}
}
