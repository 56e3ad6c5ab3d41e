package storetest

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/caisse/checkout"
)

var feedChecks = []check{
	{"appends an event for every change, and none for a create", func(t *trial) {
		t.feed()
		var want []checkout.Session
		for n, form := range forms() {
			s := sample(n)
			s.Account = []checkout.Account{merchant, sandbox, stranger}[n%3]
			s = t.create(s)
			t.feed(want...)
			want = append(want, t.update(successor(s, form)))
			t.feed(want...)
		}
		t.replay(sample(0), want[0])
		t.feed(want...)
	}},
	{"appends an event for every session that it expires", func(t *trial) {
		var due []checkout.Session
		for n := range 5 {
			due = append(due, expired(t.create(sample(n))))
		}
		t.expire(morning.Add(time.Hour), 3)
		if events := t.eventsOnce("", 100, 3); len(events) != 3 {
			t.Fatalf("Events returned %v after 3 expiries", steps(events))
		}
		t.expire(morning.Add(time.Hour), 100)
		t.expire(morning.Add(time.Hour), 100) // there are no more sessions to expire
		t.feedHas(due...)
	}},
	{"continues after a cursor, in pages of any size", func(t *trial) {
		var want []checkout.Session
		for n := range 7 {
			want = append(want, t.update(completed(t.create(sample(n)))))
		}
		t.feed(want...)
		for size := 1; size <= 8; size++ {
			var got []checkout.Event
			cursor := checkout.Cursor("")
			for range len(want) + 1 {
				page := t.events(cursor, size)
				if len(page) > size {
					t.Errorf("Events returned %d events, want %d at most", len(page), size)
				}
				if len(page) == 0 {
					break
				}
				got = append(got, page...)
				cursor = page[len(page)-1].Cursor
			}
			t.sameEvents("Events, page by page,", got, want)
		}
		// Later events come after the events that were read.
		cursor := t.events("", 100)[6].Cursor
		for n := 10; n < 13; n++ {
			s := t.update(completed(t.create(sample(n))))
			page := t.eventsOnce(cursor, 100, 1)
			t.sameEvents("Events after later changes", page, []checkout.Session{s})
			if len(page) == 1 {
				cursor = page[0].Cursor
			}
		}
	}},
	{"returns the last event for LastEvent", func(t *trial) {
		t.sameEvents("Events(LastEvent) of an empty feed", t.events(checkout.LastEvent, 10), nil)
		first := t.update(began(t.create(sample(1)), "ORDER_1"))
		second := t.update(completed(t.create(sample(2))))
		t.feed(first, second)
		last := t.events(checkout.LastEvent, 10)
		t.sameEvents("Events(LastEvent)", last, []checkout.Session{second})
		third := t.update(completed(first))
		if len(last) == 1 {
			t.sameEvents("Events after the last event", t.eventsOnce(last[0].Cursor, 10, 1), []checkout.Session{third})
		}
	}},
	{"refuses a cursor that it has not made", func(t *trial) {
		t.update(completed(t.create(sample(1))))
		// A cursor is the store's own text. No store would make one of these.
		for _, cursor := range []checkout.Cursor{" ", "?", "not a cursor", "\t\n", "{}", "LastEvent, please"} {
			_, err := t.store.Events(t.Context(), cursor, 10)
			invalid, ok := errors.AsType[*checkout.ValidationError](err)
			if !ok || len(invalid.Fields) != 1 || invalid.Fields[0].Field != "cursor" {
				t.Errorf("Events after %q: %v, want a *ValidationError about cursor", cursor, err)
			}
		}
	}},
	{"shares no memory of events with its callers", func(t *trial) {
		s := sample(1)
		s.Metadata = map[string]string{"size": "XL"}
		paid := t.update(completed(t.create(s)))
		for range 2 {
			events := t.eventsOnce("", 10, 1)
			t.sameEvents("Events", events, []checkout.Session{paid})
			for i := range events {
				events[i].Session.Metadata["size"] = "scribble"
				events[i] = checkout.Event{}
			}
		}
	}},
	{"shows a reader every event once while others write", func(t *trial) {
		const writers, each = 8, 12
		var done atomic.Int64
		seen := make(map[string]int)
		atOnce(writers+1, func(i int) {
			if i > 0 {
				defer done.Add(1)
				for n := range each {
					s := sample(100*i + n)
					if _, _, err := t.store.Create(t.Context(), s); err != nil {
						t.Errorf("Create: %v", err)
					}
					for _, form := range forms()[:2] {
						s = successor(s, form)
						if err := t.store.Update(t.Context(), s); err != nil {
							t.Errorf("Update: %v", err)
						}
					}
				}
				return
			}
			cursor := checkout.Cursor("")
			for deadline := time.Now().Add(t.patience); time.Now().Before(deadline); {
				over := done.Load() == writers
				events, err := t.store.Events(t.Context(), cursor, 5)
				if err != nil {
					t.Errorf("Events: %v", err)
					return
				}
				for _, e := range events {
					seen[e.ID]++
					cursor = e.Cursor
				}
				if over && len(events) == 0 && len(seen) >= writers*each*2 {
					return
				}
			}
		})
		if want := writers * each * 2; len(seen) != want {
			t.Errorf("a reader saw %d events, want %d", len(seen), want)
		}
		for id, n := range seen {
			if n != 1 {
				t.Errorf("a reader saw the event %s %d times, want once", id, n)
			}
		}
	}},
}

func (t *trial) events(after checkout.Cursor, limit int) []checkout.Event {
	t.Helper()
	events, err := t.store.Events(t.Context(), after, limit)
	if err != nil {
		t.Fatalf("Events(%q): %v", after, err)
	}
	return events
}

// eventsOnce returns the events as soon as there are n, or when t.patience has passed.
func (t *trial) eventsOnce(after checkout.Cursor, limit, n int) []checkout.Event {
	t.Helper()
	for deadline := time.Now().Add(t.patience); ; time.Sleep(5 * time.Millisecond) {
		if events := t.events(after, limit); len(events) >= n || time.Now().After(deadline) {
			return events
		}
	}
}

// feed checks that the feed has the events of these states, in their order, and no others.
func (t *trial) feed(states ...checkout.Session) {
	t.Helper()
	events := t.eventsOnce("", 1000, len(states))
	t.sameEvents("Events", events, states)
	cursors := make(map[checkout.Cursor]bool)
	for _, e := range events {
		if e.Cursor == "" || cursors[e.Cursor] {
			t.Errorf("Events returned the cursor %q, want a different cursor for each event", e.Cursor)
		}
		cursors[e.Cursor] = true
	}
}

// feedHas checks that the feed has the events of these states, in any order, and no others.
func (t *trial) feedHas(states ...checkout.Session) {
	t.Helper()
	left := make(map[string]checkout.Session)
	for _, s := range states {
		left[fmt.Sprint(s.ID, s.Version)] = s
	}
	for _, e := range t.eventsOnce("", 1000, len(states)) {
		key := fmt.Sprint(e.Session.ID, e.Session.Version)
		s, ok := left[key]
		if !ok {
			t.Errorf("Events returned %s, which is not expected here or was returned before", e.ID)
			continue
		}
		delete(left, key)
		t.sameEvents("Events", []checkout.Event{e}, []checkout.Session{s})
	}
	for key := range left {
		t.Errorf("Events did not return the event of %s", key)
	}
}
