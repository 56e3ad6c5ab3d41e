package memory

import (
	"context"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/caisse/checkout"
)

// state is what a change may change in a session, as one change left it.
type state struct {
	num                uint64 // its place in the feed; 0 for the creation, which is not in it
	of                 *record
	version            int64
	status             checkout.Status
	payment, reason    string
	completed, updated int64 // microseconds since 1970; notSet where there is no completion
	late               bool
}

// session is the session as it was then.
func (e *state) session() checkout.Session {
	s := e.of.session()
	s.Version, s.Status, s.PaymentID, s.FailureReason = e.version, e.status, e.payment, e.reason
	s.CompletedAt, s.UpdatedAt, s.Late = time.Time{}, time.UnixMicro(e.updated).UTC(), e.late
	if e.completed != notSet {
		s.CompletedAt = time.UnixMicro(e.completed).UTC()
	}
	return s
}

const notSet = math.MinInt64

func stateOf(r *record, s checkout.Session) *state {
	e := &state{
		of: r, version: s.Version, status: s.Status, payment: s.PaymentID, reason: s.FailureReason,
		completed: notSet, updated: s.UpdatedAt.UnixMicro(), late: s.Late,
	}
	if !s.CompletedAt.IsZero() {
		e.completed = s.CompletedAt.UnixMicro()
	}
	return e
}

// change makes s of r, and appends the event of that.
func (m *Store) change(r *record, s checkout.Session) {
	if len(r.states) == 0 {
		r.states = append(r.states, stateOf(r, r.session()))
	}
	r.owner.removeChanging(r)
	r.change(s)
	r.owner.insertChanging(r)
	m.due.track(r)
	e := stateOf(r, r.session())
	e.updated = s.UpdatedAt.UnixMicro()
	m.events++
	e.num = m.events
	r.states = append(r.states, e)
	m.feed = append(m.feed, e)
}

// Events implements [checkout.Store].
func (m *Store) Events(ctx context.Context, after checkout.Cursor, limit int) ([]checkout.Event, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	if after == checkout.LastEvent {
		return eventsOf(m.feed[max(len(m.feed)-1, 0):]), nil
	}
	num, ok := m.number(after)
	if !ok {
		return nil, &checkout.ValidationError{Fields: []checkout.FieldError{{
			Field: "cursor", Code: checkout.CodeMalformed, Detail: "must be the Cursor of an event of this store",
		}}}
	}
	from, _ := slices.BinarySearchFunc(m.feed, num+1, func(e *state, num uint64) int {
		if e.num < num {
			return -1
		}
		return int(min(e.num-num, 1))
	})
	rest := m.feed[from:]
	return eventsOf(rest[:min(limit, len(rest))]), nil
}

// number reads a cursor that this store has made.
func (m *Store) number(c checkout.Cursor) (uint64, bool) {
	if c == "" {
		return 0, true
	}
	num, err := strconv.ParseUint(string(c), 10, 64)
	return num, err == nil && num >= 1 && num <= m.events && cursor(num) == c
}

func cursor(num uint64) checkout.Cursor { return checkout.Cursor(strconv.FormatUint(num, 10)) }

func eventsOf(states []*state) []checkout.Event {
	events := make([]checkout.Event, len(states))
	for i, e := range states {
		events[i] = checkout.NewEvent(e.session(), cursor(e.num))
	}
	return events
}

// History implements [checkout.Store].
func (m *Store) History(ctx context.Context, account checkout.Account, id string) ([]checkout.Event, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	r := m.find(account, id)
	if r == nil {
		return nil, checkout.ErrNotFound
	}
	if len(r.states) == 0 {
		return []checkout.Event{checkout.NewEvent(r.session(), "")}, nil
	}
	events := eventsOf(r.states)
	for i := range events {
		events[i].Cursor = ""
	}
	return events, nil
}

// Prune implements [checkout.Store]. It looks at every session while others wait.
func (m *Store) Prune(ctx context.Context, before time.Time, limit int) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	pruned := make(map[*record]bool)
	for _, r := range m.byID {
		if len(pruned) == limit {
			break
		}
		if r.created.Before(before) && ended(r.status()) {
			pruned[r] = true
		}
	}
	if len(pruned) == 0 {
		return 0, nil
	}
	for r := range pruned {
		m.remove(r)
	}
	m.feed = slices.DeleteFunc(m.feed, func(e *state) bool { return pruned[e.of] })
	return len(pruned), nil
}

func ended(s checkout.Status) bool {
	switch s {
	case checkout.StatusCompleted, checkout.StatusFailed, checkout.StatusExpired, checkout.StatusCancelled:
		return true
	}
	return false
}

// remove takes r out of every index. It is none of those that wait to expire.
func (m *Store) remove(r *record) {
	r.owner.remove(r)
	if len(r.owner.all.chunks) == 0 {
		delete(m.accounts, r.owner.Account)
	}
	delete(m.byID, r.id())
	if key := r.key(); key != "" {
		delete(m.byKey, ownedKey{r.owner, key})
	}
}
