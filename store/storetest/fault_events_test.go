package storetest_test

import (
	"context"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/idempotency"
)

var historyFaults = []fault{
	{"begins a history with the current payment", "returns a session's history from its creation, with the state after each change",
		part(func(n *naive) {
			n.first = func(created, now checkout.Session) checkout.Session {
				created.PaymentID = now.PaymentID
				return created
			}
		})},
	{"begins a history with the first change", "returns a session's history from its creation, with the state after each change",
		func(n *naive) checkout.Store { return noCreation{n} }},
	{"leaves an expiry out of the history", "returns an expiry in a session's history", unlogged(checkout.StatusExpired)},
	{"logs a change that it then refuses", "adds no event for a change that it refuses",
		func(n *naive) checkout.Store { return logsFirst{n} }},
	{"shows a session's history to other accounts", "has no history of a session that does not exist",
		func(n *naive) checkout.Store { return openHistory{n} }},
}

// noCreation leaves the creation out of a history.
type noCreation struct{ *naive }

func (s noCreation) History(ctx context.Context, a checkout.Account, id string) ([]checkout.Event, error) {
	events, err := s.naive.History(ctx, a, id)
	if len(events) > 1 {
		events = events[1:]
	}
	return events, err
}

// unlogged makes a fault: changes to this status are not logged.
func unlogged(status checkout.Status) func(*naive) checkout.Store {
	return part(func(n *naive) {
		n.logged = func(s checkout.Session) []checkout.Session {
			if s.Status == status {
				return nil
			}
			return []checkout.Session{s}
		}
	})
}

// logsFirst appends the event before it makes the change. If it refuses the change, the event stays.
type logsFirst struct{ *naive }

func (l logsFirst) Update(ctx context.Context, s checkout.Session) error {
	right := l.logged
	l.naive.append(s)
	l.logged = func(checkout.Session) []checkout.Session { return nil }
	defer func() { l.logged = right }()
	return l.naive.Update(ctx, s)
}

// openHistory finds a history by the session's ID alone, without the account.
type openHistory struct{ *naive }

func (o openHistory) History(ctx context.Context, a checkout.Account, id string) ([]checkout.Event, error) {
	for _, s := range o.sessions {
		if s.ID == id {
			a = s.Account
		}
	}
	return o.naive.History(ctx, a, id)
}

var feedFaults = []fault{
	{"logs creates", "appends an event for every change, and none for a create",
		func(n *naive) checkout.Store { return logsCreates{n} }},
	{"logs a change twice", "appends an event for every change, and none for a create",
		part(func(n *naive) {
			n.logged = func(s checkout.Session) []checkout.Session { return []checkout.Session{s, s} }
		})},
	{"gives two events the same number", "appends an event for every change, and none for a create",
		func(n *naive) checkout.Store { return sameNumber{n} }},
	{"logs no expiry", "appends an event for every session that it expires", unlogged(checkout.StatusExpired)},
	{"returns the last event again", "continues after a cursor, in pages of any size",
		part(func(n *naive) { n.from = func(num int) int { return max(num, 1) } })},
	{"skips the next event", "continues after a cursor, in pages of any size",
		part(func(n *naive) {
			n.from = func(num int) int {
				if num == 0 {
					return 1
				}
				return num + 2
			}
		})},
	{"returns the first event as the last", "returns the last event for LastEvent",
		part(func(n *naive) { n.last = func(log []entry) []entry { return log[:min(1, len(log))] } })},
	{"returns all events as the last", "returns the last event for LastEvent",
		part(func(n *naive) { n.last = func(log []entry) []entry { return log } })},
	{"reads from the beginning with an invalid cursor", "refuses a cursor that it has not made",
		func(n *naive) checkout.Store { return anyCursor{n} }},
	{"returns its own metadata map in an event", "shares no memory of events with its callers",
		part(func(n *naive) { n.copied = func(s checkout.Session) checkout.Session { return s } })},
	{"numbers an event before it commits", "shows a reader every event once while others write",
		func(n *naive) checkout.Store {
			n.logged = func(checkout.Session) []checkout.Session { return nil }
			return &earlyNumbers{naive: n}
		}},
}

// logsCreates appends an event for a create too.
type logsCreates struct{ *naive }

func (l logsCreates) Create(ctx context.Context, s checkout.Session) (checkout.Session, bool, error) {
	held, created, err := l.naive.Create(ctx, s)
	if created {
		l.naive.append(held)
	}
	return held, created, err
}

// sameNumber gives the event of an update the number of the previous event.
type sameNumber struct{ *naive }

func (s sameNumber) Update(ctx context.Context, session checkout.Session) error {
	err := s.naive.Update(ctx, session)
	if n := len(s.log); n > 1 {
		s.log[n-1].num = s.log[n-2].num
	}
	return err
}

// anyCursor accepts every cursor. If it is invalid, the feed starts at the beginning.
type anyCursor struct{ *naive }

func (a anyCursor) Events(ctx context.Context, after checkout.Cursor, limit int) ([]checkout.Event, error) {
	events, err := a.naive.Events(ctx, after, limit)
	if err != nil && ctx.Err() == nil {
		return a.naive.Events(ctx, "", limit)
	}
	return events, err
}

// earlyNumbers takes the number of an event from a sequence, before the change commits. So a reader may see a greater number first. To
// make this happen, the first change waits until a reader has seen a greater number, for a second at most.
type earlyNumbers struct {
	*naive
	passed atomic.Bool // a reader has seen a greater number than the first
}

func (e *earlyNumbers) Events(ctx context.Context, after checkout.Cursor, limit int) ([]checkout.Event, error) {
	events, err := e.naive.Events(ctx, after, limit)
	for _, event := range events {
		if num, _ := strconv.Atoi(string(event.Cursor)); num > 1 {
			e.passed.Store(true)
		}
	}
	return events, err
}

func (e *earlyNumbers) Update(ctx context.Context, s checkout.Session) error {
	e.mu.Lock()
	e.events++
	num := e.events
	e.mu.Unlock()
	for late := time.Now().Add(time.Second); num == 1 && !e.passed.Load() && time.Now().Before(late); {
		time.Sleep(10 * time.Microsecond)
	}
	if err := e.naive.Update(ctx, s); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	at, _ := slices.BinarySearchFunc(e.log, num, func(e entry, num int) int { return e.num - num })
	e.log = slices.Insert(e.log, at, entry{num, own(s)})
	return nil
}

var pruneFaults = []fault{
	{"prunes a session that is processing", "prunes only sessions that have ended",
		part(func(n *naive) {
			right := n.ended
			n.ended = func(s checkout.Session, before time.Time) bool {
				if s.Status == checkout.StatusProcessing {
					s.Status = checkout.StatusFailed
				}
				return right(s, before)
			}
		})},
	{"prunes a session created exactly at the instant", "prunes only sessions created before the instant",
		part(func(n *naive) {
			right := n.ended
			n.ended = func(s checkout.Session, before time.Time) bool { return right(s, before.Add(time.Microsecond)) }
		})},
	{"prunes without a limit", "prunes sessions of every account, up to the limit",
		part(func(n *naive) { n.most = func(due, _ int) int { return due } })},
	{"prunes only live sessions", "prunes sessions of every account, up to the limit",
		part(func(n *naive) {
			right := n.ended
			n.ended = func(s checkout.Session, before time.Time) bool { return right(s, before) && !s.Account.Test }
		})},
	{"keeps the key of a session that it prunes", "prunes a key with its session",
		func(n *naive) checkout.Store { return &keepsKeys{naive: n} }},
	{"keeps the events of a session that it prunes", "prunes events with their session, and the feed continues",
		part(func(n *naive) { n.forgotten = func(entry, string) bool { return false } })},
	{"starts its numbers again when all events are pruned", "prunes events with their session, and the feed continues",
		func(n *naive) checkout.Store { return countsAnew{n} }},
}

// keepsKeys has its keys in a separate table, which Prune leaves as it is.
type keepsKeys struct {
	*naive
	keys map[idempotency.Key]string
}

func (k *keepsKeys) Create(ctx context.Context, s checkout.Session) (checkout.Session, bool, error) {
	if id, ok := k.keys[s.IdempotencyKey]; ok && id != s.ID {
		return checkout.Session{}, false, checkout.ErrUnavailable
	}
	if k.keys == nil {
		k.keys = make(map[idempotency.Key]string)
	}
	k.keys[s.IdempotencyKey] = s.ID
	return k.naive.Create(ctx, s)
}

// countsAnew takes the next number from the last event that is left, or starts again if there is none.
type countsAnew struct{ *naive }

func (c countsAnew) Prune(ctx context.Context, before time.Time, limit int) (int, error) {
	n, err := c.naive.Prune(ctx, before, limit)
	if c.events = 0; len(c.log) > 0 {
		c.events = c.log[len(c.log)-1].num
	}
	return n, err
}
