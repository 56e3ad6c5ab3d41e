package storetest_test

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/idempotency"
)

// naive is a simple store that keeps the contract. It has slices and a lock, and every call reads all sessions. Its decisions are
// functions in fields, so that a test makes a faulty store by replacing one of them.
type naive struct {
	mu       sync.Mutex
	sessions []checkout.Session
	created  map[string]checkout.Session // sessions as they were created, by ID
	log      []entry                     // in the order of the feed
	events   int                         // how many events there were so far, also those that were pruned
	calls    atomic.Int64                // how many calls have begun

	over       func(ctx context.Context) error                // called before anything else
	written    func(s checkout.Session) checkout.Session      // what Create keeps of s
	replaced   func(was, s checkout.Session) checkout.Session // what Update makes of was
	copied     func(s checkout.Session) checkout.Session      // what a method returns of s
	owns       func(asked, owner checkout.Account) bool
	sameKey    func(held, s *checkout.Session) bool // whether s has the key of held
	sameID     func(held, s *checkout.Session) bool
	follows    func(was, s checkout.Session) bool // whether s is the next version
	newer      func(a, b checkout.Session) int    // the order of a list
	passes     func(s checkout.Session, q checkout.Query) bool
	beyond     func(s checkout.Session, q checkout.Query) bool // whether s comes after the place of q
	page       func(passed []checkout.Session, q checkout.Query) (page []checkout.Session, total int)
	scanned    func(passed []checkout.Session, q checkout.Query) []checkout.Session // those with the phone of q, and the last one read
	waits      func(s checkout.Session) bool
	due        func(s checkout.Session, now time.Time) bool
	sooner     func(a, b checkout.Session) int // the order of a sweep
	most       func(due, limit int) int        // how many of the sessions that are due a sweep expires
	expired    func(s checkout.Session) checkout.Session
	logged     func(s checkout.Session) []checkout.Session          // the events that a change appends
	first      func(created, now checkout.Session) checkout.Session // the first state of a history
	from       func(num int) int                                    // the first number after a cursor
	last       func(log []entry) []entry                            // for LastEvent
	ended      func(s checkout.Session, before time.Time) bool      // whether Prune removes s
	forgotten  func(e entry, id string) bool                        // whether Prune removes e together with the session
	taken      error
	notFound   error
	conflict   error
	afterwards func(ctx context.Context) error // called after a write
}

// entry is an event in the log.
type entry struct {
	num     int
	session checkout.Session
}

func newNaive() *naive {
	return &naive{
		created: make(map[string]checkout.Session),
		over:    context.Context.Err,
		written: own,
		replaced: func(was, s checkout.Session) checkout.Session {
			s.CreatedAt, s.IdempotencyKey, s.Fingerprint = was.CreatedAt, was.IdempotencyKey, was.Fingerprint
			return own(s)
		},
		copied: own,
		owns:   func(asked, owner checkout.Account) bool { return asked == owner },
		sameKey: func(held, s *checkout.Session) bool {
			return held.Account == s.Account && held.IdempotencyKey == s.IdempotencyKey && s.IdempotencyKey != ""
		},
		sameID:  func(held, s *checkout.Session) bool { return held.ID == s.ID },
		follows: func(was, s checkout.Session) bool { return s.Version == was.Version+1 },
		newer: func(a, b checkout.Session) int {
			return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), strings.Compare(b.ID, a.ID))
		},
		passes: func(s checkout.Session, q checkout.Query) bool {
			return (q.Status == "" || q.Status == s.StatusAt(q.At)) &&
				(q.PaymentID == "" || q.PaymentID == s.PaymentID) &&
				(q.ClientReference == "" || q.ClientReference == s.ClientReference) &&
				(q.CreatedAfter.IsZero() || !s.CreatedAt.Before(q.CreatedAfter)) &&
				(q.CreatedBefore.IsZero() || s.CreatedAt.Before(q.CreatedBefore))
		},
		beyond: func(s checkout.Session, q checkout.Query) bool {
			return cmp.Or(q.AfterCreatedAt.Compare(s.CreatedAt), strings.Compare(q.AfterID, s.ID)) > 0
		},
		page: func(passed []checkout.Session, q checkout.Query) ([]checkout.Session, int) {
			from := min(q.Offset, len(passed))
			to := min(from+q.Limit, len(passed))
			return passed[from:to], min(len(passed), checkout.MaxListTotal+1)
		},
		scanned: func(passed []checkout.Session, q checkout.Query) []checkout.Session {
			var found []checkout.Session
			for i, s := range passed[:min(len(passed), checkout.MaxPhoneScan)] {
				if s.UserPhone == q.UserPhone || i == checkout.MaxPhoneScan-1 {
					found = append(found, s)
				}
			}
			return found
		},
		waits: func(s checkout.Session) bool {
			return s.Status == checkout.StatusCreated || s.Status == checkout.StatusPending
		},
		due: func(s checkout.Session, now time.Time) bool { return !s.ExpiresAt.After(now) },
		sooner: func(a, b checkout.Session) int {
			return cmp.Or(a.ExpiresAt.Compare(b.ExpiresAt), strings.Compare(a.ID, b.ID))
		},
		most: func(due, limit int) int { return min(due, limit) },
		expired: func(s checkout.Session) checkout.Session {
			s.Status, s.UpdatedAt = checkout.StatusExpired, s.ExpiresAt
			s.Version++
			return s
		},
		logged: func(s checkout.Session) []checkout.Session { return []checkout.Session{s} },
		first:  func(created, _ checkout.Session) checkout.Session { return created },
		from:   func(num int) int { return num + 1 },
		last:   func(log []entry) []entry { return log[max(len(log)-1, 0):] },
		ended: func(s checkout.Session, before time.Time) bool {
			return s.CreatedAt.Before(before) && (s.Status == checkout.StatusCompleted || s.Status == checkout.StatusFailed ||
				s.Status == checkout.StatusExpired || s.Status == checkout.StatusCancelled)
		},
		forgotten:  func(e entry, id string) bool { return e.session.ID == id },
		taken:      errors.New("the id is taken"),
		notFound:   checkout.ErrNotFound,
		conflict:   checkout.ErrConflict,
		afterwards: func(context.Context) error { return nil },
	}
}

// own returns s with its own copy of the metadata.
func own(s checkout.Session) checkout.Session {
	s.Metadata = maps.Clone(s.Metadata)
	return s
}

func (n *naive) begin(ctx context.Context) error {
	n.calls.Add(1)
	return n.over(ctx)
}

func (n *naive) Create(ctx context.Context, s checkout.Session) (checkout.Session, bool, error) {
	if err := n.begin(ctx); err != nil {
		return checkout.Session{}, false, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for i := range n.sessions {
		if n.sameKey(&n.sessions[i], &s) {
			return n.copied(n.sessions[i]), false, nil
		}
	}
	for i := range n.sessions {
		if n.sameID(&n.sessions[i], &s) {
			return checkout.Session{}, false, n.taken
		}
	}
	s = n.written(s)
	n.sessions = append(n.sessions, s)
	n.created[s.ID] = s
	return n.copied(s), true, n.afterwards(ctx)
}

func (n *naive) Get(ctx context.Context, account checkout.Account, id string) (checkout.Session, error) {
	return n.find(ctx, func(s checkout.Session) bool { return s.ID == id && n.owns(account, s.Account) })
}

func (n *naive) GetByKey(ctx context.Context, account checkout.Account, key idempotency.Key) (checkout.Session, error) {
	asked := checkout.Session{Account: account, IdempotencyKey: key}
	return n.find(ctx, func(s checkout.Session) bool { return n.sameKey(&s, &asked) })
}

func (n *naive) find(ctx context.Context, is func(checkout.Session) bool) (checkout.Session, error) {
	if err := n.begin(ctx); err != nil {
		return checkout.Session{}, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if i := slices.IndexFunc(n.sessions, is); i >= 0 {
		return n.copied(n.sessions[i]), nil
	}
	return checkout.Session{}, n.notFound
}

func (n *naive) Update(ctx context.Context, s checkout.Session) error {
	if err := n.begin(ctx); err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	i := slices.IndexFunc(n.sessions, func(held checkout.Session) bool {
		return held.ID == s.ID && n.owns(s.Account, held.Account)
	})
	switch {
	case i < 0:
		return n.notFound
	case !n.follows(n.sessions[i], s):
		return n.conflict
	}
	n.sessions[i] = n.replaced(n.sessions[i], s)
	n.append(n.sessions[i])
	return n.afterwards(ctx)
}

func (n *naive) List(ctx context.Context, account checkout.Account, q checkout.Query) ([]checkout.Session, int, error) {
	if err := n.begin(ctx); err != nil {
		return nil, 0, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	var passed []checkout.Session
	for _, s := range n.sessions {
		if n.owns(account, s.Account) && n.passes(s, q) && (q.AfterID == "" || n.beyond(s, q)) {
			passed = append(passed, n.copied(s))
		}
	}
	slices.SortStableFunc(passed, n.newer)
	if q.UserPhone != "" {
		passed = n.scanned(passed, q)
	}
	page, total := n.page(passed, q)
	if q.UserPhone != "" || q.AfterID != "" {
		total = 0
	}
	return page, total, nil
}

func (n *naive) Expire(ctx context.Context, now time.Time, limit int) ([]checkout.Session, error) {
	if err := n.begin(ctx); err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	due := n.dueAt(now)
	moved := due[:n.most(len(due), limit)]
	for i := range moved {
		moved[i] = n.expired(moved[i])
		n.put(own(moved[i]))
		n.append(moved[i])
	}
	return moved, n.afterwards(ctx)
}

// dueAt returns copies of the sessions that a sweep would expire, in the order of the sweep.
func (n *naive) dueAt(now time.Time) []checkout.Session {
	var due []checkout.Session
	for _, s := range n.sessions {
		if n.waits(s) && n.due(s, now) {
			due = append(due, n.copied(s))
		}
	}
	slices.SortStableFunc(due, n.sooner)
	return due
}

// put replaces the session with the ID of s.
func (n *naive) put(s checkout.Session) {
	i := slices.IndexFunc(n.sessions, func(held checkout.Session) bool { return held.ID == s.ID })
	n.sessions[i] = s
}

// append adds the event of a change.
func (n *naive) append(s checkout.Session) {
	for _, s := range n.logged(own(s)) {
		n.events++
		n.log = append(n.log, entry{n.events, s})
	}
}

func (n *naive) Events(ctx context.Context, after checkout.Cursor, limit int) ([]checkout.Event, error) {
	if err := n.begin(ctx); err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if after == checkout.LastEvent {
		return n.eventsOf(n.last(n.log)), nil
	}
	num, err := strconv.Atoi(cmp.Or(string(after), "0"))
	if err != nil || num < 0 || num > n.events {
		return nil, &checkout.ValidationError{Fields: []checkout.FieldError{{Field: "cursor", Code: checkout.CodeMalformed}}}
	}
	rest := slices.DeleteFunc(slices.Clone(n.log), func(e entry) bool { return e.num < n.from(num) })
	return n.eventsOf(rest[:min(limit, len(rest))]), nil
}

func (n *naive) eventsOf(log []entry) []checkout.Event {
	var events []checkout.Event
	for _, e := range log {
		events = append(events, checkout.NewEvent(n.copied(e.session), checkout.Cursor(strconv.Itoa(e.num))))
	}
	return events
}

func (n *naive) History(ctx context.Context, account checkout.Account, id string) ([]checkout.Event, error) {
	now, err := n.Get(ctx, account, id)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	events := []checkout.Event{checkout.NewEvent(n.copied(n.first(n.created[id], now)), "")}
	for _, e := range n.log {
		if e.session.ID == id {
			events = append(events, checkout.NewEvent(n.copied(e.session), ""))
		}
	}
	return events, nil
}

func (n *naive) Prune(ctx context.Context, before time.Time, limit int) (int, error) {
	if err := n.begin(ctx); err != nil {
		return 0, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	var kept []checkout.Session
	gone := 0
	for _, s := range n.sessions {
		if gone == n.most(gone+1, limit) || !n.ended(s, before) {
			kept = append(kept, s)
			continue
		}
		gone++
		delete(n.created, s.ID)
		n.log = slices.DeleteFunc(n.log, func(e entry) bool { return n.forgotten(e, s.ID) })
	}
	n.sessions = kept
	return gone, n.afterwards(ctx)
}

// others waits until this number of other calls have begun, for 10 ms at most. A round trip to a database gives them as much time.
func (n *naive) others(calls int64) {
	enough, late := n.calls.Load()+calls, time.Now().Add(10*time.Millisecond)
	for n.calls.Load() < enough && time.Now().Before(late) {
		time.Sleep(10 * time.Microsecond)
	}
}
