package memory

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caisse/checkout"
)

// state has the changeable fields of a session as one change left them. Its texts are copies: a part of a record's text would
// keep the whole text in memory.
type state struct {
	num                uint64 // the place in the feed; 0 for the creation, which is not in the feed
	of                 *record
	before             *state // the previous state; nil for the creation
	version            int64
	status             checkout.Status
	payment, reason    string
	completed, updated int64
	late               bool
}

// session returns the session as it was in this state.
func (e *state) session() checkout.Session {
	s := e.of.session()
	s.Version, s.Status, s.PaymentID, s.FailureReason = e.version, e.status, e.payment, e.reason
	s.CompletedAt, s.UpdatedAt, s.Late = timeOf(e.completed), timeOf(e.updated), e.late
	return s
}

// state returns the present state of r. Its field before is the state that r had last.
func (r *record) state() *state {
	e := &state{
		of: r, before: r.last, version: r.version, completed: r.completed, updated: r.updated, late: r.late,
		status: kept(r.status(), statuses[:]...), payment: r.detail(paymentDetail), reason: r.detail(reasonDetail),
	}
	var was state
	if r.last != nil {
		was = *r.last
	}
	e.payment, e.reason = kept(e.payment, was.payment), kept(e.reason, was.reason)
	return e
}

// kept returns the candidate that equals text, because that is in memory anyway. If there is none, it returns a copy of text.
func kept[T ~string](text T, candidates ...T) T {
	if i := slices.Index(candidates, text); i >= 0 {
		return candidates[i]
	}
	return T(strings.Clone(string(text)))
}

// change changes r to s and appends the event.
func (m *Store) change(r *record, s checkout.Session) {
	if r.last == nil {
		r.last = r.state()
	}
	r.owner.removeChanging(r)
	r.change(s)
	r.owner.insertChanging(r)
	m.due.track(r)
	r.last = r.state()
	m.events++
	r.last.num = m.events
	m.feed = append(m.feed, r.last)
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

// number reads a cursor. It reports false if this store cannot have made the cursor.
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
	if r.last == nil {
		return []checkout.Event{checkout.NewEvent(r.session(), "")}, nil
	}
	var events []checkout.Event
	for e := r.last; e != nil; e = e.before {
		events = append(events, checkout.NewEvent(e.session(), ""))
	}
	slices.Reverse(events)
	return events, nil
}

// Prune implements [checkout.Store]. It looks at every session, and all other calls wait meanwhile.
func (m *Store) Prune(ctx context.Context, before time.Time, limit int) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	end := before.UnixMicro()
	m.mu.Lock()
	defer m.mu.Unlock()
	pruned := make(map[*record]bool)
	for _, r := range m.byID {
		if len(pruned) == limit {
			break
		}
		if r.created < end && ended(r.status()) {
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

// remove removes r from every index. r must not be in the heap of sessions that can expire.
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
