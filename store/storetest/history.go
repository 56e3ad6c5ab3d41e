package storetest

import (
	"fmt"
	"slices"
	"time"

	"github.com/caisse/checkout"
)

var historyChecks = []check{
	{"returns a session's history from its creation, with the state after each change", func(t *trial) {
		for _, s := range samples() {
			states := []checkout.Session{t.create(s)}
			t.history(states...)
			for _, form := range forms() { // they set, replace and remove the payment
				s = t.update(successor(s, form))
				states = append(states, s)
				t.history(states...)
			}
		}
	}},
	{"returns an expiry in a session's history", func(t *trial) {
		s := t.create(sample(1))
		begun := t.update(began(s, "ORDER_1"))
		t.expire(s.ExpiresAt.Add(time.Hour), 10)
		late := t.update(completed(expired(begun)))
		t.history(s, begun, expired(begun), late)
	}},
	{"adds no event for a change that it refuses", func(t *trial) {
		s := t.create(sample(1))
		begun := t.update(began(s, "ORDER_1"))
		for _, version := range []int64{1, 2, 4, 9} {
			stale := completed(begun)
			stale.Version = version
			t.failed("Update to a version that is not the next", t.store.Update(t.Context(), stale), checkout.ErrConflict)
		}
		t.history(s, begun)
		t.feed(begun)
	}},
	{"has no history of a session that does not exist", func(t *trial) {
		s := t.create(sample(1))
		for _, account := range []checkout.Account{stranger, sandbox} {
			_, err := t.store.History(t.Context(), account, s.ID)
			t.failed("History of another's session", err, checkout.ErrNotFound)
		}
		for _, id := range []string{sampleID("ci", 2), ""} {
			_, err := t.store.History(t.Context(), merchant, id)
			t.failed("History of no session", err, checkout.ErrNotFound)
		}
	}},
}

// history checks that the history of one session has these states.
func (t *trial) history(states ...checkout.Session) {
	t.Helper()
	events, err := t.store.History(t.Context(), states[0].Account, states[0].ID)
	if err != nil {
		t.Fatalf("History(%s): %v", states[0].ID, err)
	}
	t.sameEvents("History", events, states)
	for _, e := range events {
		if e.Cursor != "" {
			t.Errorf("History returned an event with the cursor %q, want none", e.Cursor)
		}
	}
}

// sameEvents checks that events are the events of these states, in this order. It does not compare cursors.
func (t *trial) sameEvents(what string, events []checkout.Event, states []checkout.Session) {
	t.Helper()
	if len(events) != len(states) {
		t.Errorf("%s returned %v, want %v", what, steps(events), steps(eventsOf(states)))
		return
	}
	for i, e := range events {
		want := checkout.NewEvent(states[i], e.Cursor)
		t.same("what "+what+" returned as event "+want.ID, e.Session, want.Session)
		if e.ID != want.ID || e.Type != want.Type || !e.At.Equal(want.At) || e.At.Location() != time.UTC {
			t.Errorf("%s returned the event %s %s of %v, want %s %s of %v", what, e.ID, e.Type, e.At, want.ID, want.Type, want.At)
		}
	}
}

func eventsOf(states []checkout.Session) []checkout.Event {
	events := make([]checkout.Event, len(states))
	for i, s := range states {
		events[i] = checkout.NewEvent(s, "")
	}
	return events
}

// steps returns a short text for each event.
func steps(events []checkout.Event) []string {
	all := make([]string, len(events))
	for i, e := range events {
		all[i] = fmt.Sprintf("%s v%d", e.Session.ID, e.Session.Version)
	}
	return slices.Clip(all)
}
