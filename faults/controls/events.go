package controls

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/caisse/checkout"
)

func eventBugs() []Bug {
	return []Bug{
		{Name: "an event is written after the commit", By: []Detector{Rules}, Crash: dropLastEvent, Store: func(testing.TB) checkout.Store {
			return eventAfterCommit{withoutUpdates()}
		}},
		{Name: "an event is written before the change, which is rolled back", By: []Detector{Rules, StoreTest}, Store: func(testing.TB) checkout.Store {
			return eventBeforeChange{withoutUpdates()}
		}},
		{Name: "two events have one number", By: []Detector{Rules, StoreTest}, Store: func(testing.TB) checkout.Store {
			return sharedNumbers{newShelf()}
		}},
		{Name: "the feed is ordered by a sequence only", By: []Detector{Rules}, Store: func(testing.TB) checkout.Store {
			return &bySequence{shelf: newShelf(), numbers: make(map[string]int)}
		}},
		onShelf("an expiry has no event", func(h *shelf) {
			h.logs = func(s checkout.Session) bool { return s.Status != checkout.StatusExpired }
		}, Rules, StoreTest),
		{Name: "a history shows the creation with the present payment", By: []Detector{Rules, StoreTest}, Store: func(testing.TB) checkout.Store {
			return paidFromTheStart{newShelf()}
		}},
	}
}

// withoutUpdates is a shelf that writes events for expiries only.
func withoutUpdates() *shelf {
	h := newShelf()
	h.logs = func(s checkout.Session) bool { return s.Status == checkout.StatusExpired }
	return h
}

// write appends the event of a change to the log.
func (h *shelf) write(s checkout.Session) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.log = append(h.log, inUTC(s))
}

// eventAfterCommit writes the event after the change, in a transaction of its own.
type eventAfterCommit struct{ *shelf }

func (e eventAfterCommit) Update(ctx context.Context, s checkout.Session) error {
	if err := e.shelf.Update(ctx, s); err != nil {
		return err
	}
	others()
	e.write(s)
	return nil
}

// dropLastEvent removes the last event, as a crash between a change and its event would.
func dropLastEvent(store checkout.Store) checkout.Store {
	h := store.(eventAfterCommit).shelf
	h.mu.Lock()
	defer h.mu.Unlock()
	h.log = h.log[:max(len(h.log)-1, 0)]
	return store
}

// eventBeforeChange writes the event before the change, and keeps it when the change is refused.
type eventBeforeChange struct{ *shelf }

func (e eventBeforeChange) Update(ctx context.Context, s checkout.Session) error {
	e.write(s)
	return e.shelf.Update(ctx, s)
}

// sharedNumbers gives the same number to two events.
type sharedNumbers struct{ *shelf }

func (n sharedNumbers) Events(ctx context.Context, after checkout.Cursor, limit int) ([]checkout.Event, error) {
	if number, err := strconv.Atoi(string(after)); err == nil {
		after = checkout.Cursor(strconv.Itoa(2 * number))
	}
	events, err := n.shelf.Events(ctx, after, limit)
	for i, e := range events {
		number, _ := strconv.Atoi(string(e.Cursor))
		events[i].Cursor = checkout.Cursor(strconv.Itoa((number + 1) / 2))
	}
	return events, err
}

// bySequence takes the number of an event from a sequence, before the change is committed.
type bySequence struct {
	*shelf
	drawn   int
	numbers map[string]int // by event
}

func (b *bySequence) Update(ctx context.Context, s checkout.Session) error {
	b.mu.Lock()
	b.drawn++
	number := b.drawn
	b.mu.Unlock()
	for range 50 {
		others()
	}
	err := b.shelf.Update(ctx, s)
	if err == nil {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.numbers[checkout.NewEvent(s, "").ID] = number
	}
	return err
}

func (b *bySequence) Expire(ctx context.Context, now time.Time, limit int) ([]checkout.Session, error) {
	moved, err := b.shelf.Expire(ctx, now, limit)
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range moved {
		b.drawn++
		b.numbers[checkout.NewEvent(s, "").ID] = b.drawn
	}
	return moved, err
}

func (b *bySequence) Events(ctx context.Context, after checkout.Cursor, limit int) ([]checkout.Event, error) {
	all, err := b.shelf.Events(ctx, "", 1<<30)
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	number := func(e checkout.Event) int { return b.numbers[e.ID] }
	all = slices.DeleteFunc(all, func(e checkout.Event) bool { return number(e) == 0 })
	slices.SortFunc(all, func(a, b checkout.Event) int { return cmp.Compare(number(a), number(b)) })
	for i := range all {
		all[i].Cursor = checkout.Cursor(strconv.Itoa(number(all[i])))
	}
	if after == checkout.LastEvent {
		return all[max(len(all)-1, 0):], nil
	}
	from, err := strconv.Atoi(cmp.Or(string(after), "0"))
	if err != nil {
		return nil, &checkout.ValidationError{Fields: []checkout.FieldError{{Field: "cursor", Code: checkout.CodeMalformed}}}
	}
	all = slices.DeleteFunc(all, func(e checkout.Event) bool { n, _ := strconv.Atoi(string(e.Cursor)); return n <= from })
	return all[:min(limit, len(all))], nil
}

// paidFromTheStart shows the creation with the payment that the session has now.
type paidFromTheStart struct{ *shelf }

func (p paidFromTheStart) History(ctx context.Context, account checkout.Account, id string) ([]checkout.Event, error) {
	events, err := p.shelf.History(ctx, account, id)
	if err == nil {
		events[0].Session.PaymentID = events[len(events)-1].Session.PaymentID
	}
	return events, err
}
