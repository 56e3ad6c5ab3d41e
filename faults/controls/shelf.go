package controls

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/idempotency"
)

// shelf is the simplest store that keeps the contract: a slice and a lock. Its decisions are fields with functions. To plant a bug,
// one field is replaced.
type shelf struct {
	mu       sync.Mutex
	sessions []checkout.Session
	log      []checkout.Session          // sessions as each change left them, in the order of the feed
	created  map[string]checkout.Session // by ID, as they were created

	written  func(s checkout.Session) checkout.Session      // what Create keeps
	replaced func(was, s checkout.Session) checkout.Session // what Update keeps
	replayed func(held, s checkout.Session) checkout.Session
	named    func(held *checkout.Session, account checkout.Account, key idempotency.Key, now time.Time) bool
	owns     func(asked, owner checkout.Account) bool // whether Get shows a session of owner to asked
	lists    func(asked, owner checkout.Account) bool // the same for List
	follows  func(was, s checkout.Session) bool
	newer    func(a, b checkout.Session) int
	passes   func(s checkout.Session, q checkout.Query) bool
	total    func(passed, page int) int
	due      func(s checkout.Session, now time.Time) bool
	most     func(due, limit int) int
	expired  func(s checkout.Session) checkout.Session
	logs     func(s checkout.Session) bool // whether a change to s has its event
}

func newShelf() *shelf {
	same := func(a, b checkout.Account) bool { return a == b }
	return &shelf{
		created:  make(map[string]checkout.Session),
		written:  func(s checkout.Session) checkout.Session { return s },
		replaced: func(_, s checkout.Session) checkout.Session { return s },
		replayed: func(held, _ checkout.Session) checkout.Session { return held },
		named: func(held *checkout.Session, account checkout.Account, key idempotency.Key, _ time.Time) bool {
			return held.Account == account && held.IdempotencyKey == key
		},
		owns:    same,
		lists:   same,
		follows: func(was, s checkout.Session) bool { return s.Version == was.Version+1 },
		newer: func(a, b checkout.Session) int {
			return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), strings.Compare(b.ID, a.ID))
		},
		passes: func(s checkout.Session, q checkout.Query) bool { return q.Status == "" || q.Status == s.StatusAt(q.At) },
		total:  func(passed, _ int) int { return passed },
		due:    func(s checkout.Session, now time.Time) bool { return waits(s) && !s.ExpiresAt.After(now) },
		most:   func(due, limit int) int { return min(due, limit) },
		expired: func(s checkout.Session) checkout.Session {
			s.Status, s.UpdatedAt = checkout.StatusExpired, s.ExpiresAt
			s.Version++
			return s
		},
		logs: func(checkout.Session) bool { return true },
	}
}

func waits(s checkout.Session) bool {
	return s.Status == checkout.StatusCreated || s.Status == checkout.StatusPending
}

// enter begins every call: it checks the context and takes the lock.
func (h *shelf) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	h.mu.Lock()
	return nil
}

func (h *shelf) Create(ctx context.Context, s checkout.Session) (checkout.Session, bool, error) {
	if err := h.enter(ctx); err != nil {
		return checkout.Session{}, false, err
	}
	defer h.mu.Unlock()
	s = inUTC(s)
	// find passes pointers, because the conformance suite fills a store with ten thousand sessions, and copies would take too long.
	if held := h.find(func(held *checkout.Session) bool {
		return s.IdempotencyKey != "" && h.named(held, s.Account, s.IdempotencyKey, s.CreatedAt)
	}); held != nil {
		*held = h.replayed(*held, s)
		return own(*held), false, nil
	}
	if h.find(func(held *checkout.Session) bool { return held.ID == s.ID }) != nil {
		return checkout.Session{}, false, errors.New("the id is taken")
	}
	s = h.written(s)
	h.sessions = append(h.sessions, s)
	h.created[s.ID] = own(s)
	return own(s), true, nil
}

func (h *shelf) Get(ctx context.Context, account checkout.Account, id string) (checkout.Session, error) {
	defer others() // others may change the session before the caller acts on it
	return h.first(ctx, func(s *checkout.Session) bool { return s.ID == id && h.owns(account, s.Account) })
}

func (h *shelf) GetByKey(ctx context.Context, account checkout.Account, key idempotency.Key) (checkout.Session, error) {
	return h.first(ctx, func(s *checkout.Session) bool { return key != "" && h.named(s, account, key, s.CreatedAt) })
}

func (h *shelf) first(ctx context.Context, is func(*checkout.Session) bool) (checkout.Session, error) {
	if err := h.enter(ctx); err != nil {
		return checkout.Session{}, err
	}
	defer h.mu.Unlock()
	if s := h.find(is); s != nil {
		return own(*s), nil
	}
	return checkout.Session{}, checkout.ErrNotFound
}

func (h *shelf) find(is func(*checkout.Session) bool) *checkout.Session {
	for i := range h.sessions {
		if is(&h.sessions[i]) {
			return &h.sessions[i]
		}
	}
	return nil
}

func (h *shelf) Update(ctx context.Context, s checkout.Session) error {
	if err := h.enter(ctx); err != nil {
		return err
	}
	defer h.mu.Unlock()
	was := h.find(func(held *checkout.Session) bool { return held.ID == s.ID && held.Account == s.Account })
	switch {
	case was == nil:
		return checkout.ErrNotFound
	case !h.follows(*was, s):
		return checkout.ErrConflict
	}
	s.CreatedAt, s.IdempotencyKey, s.Fingerprint = was.CreatedAt, was.IdempotencyKey, was.Fingerprint
	*was = h.replaced(*was, inUTC(s))
	h.tell(*was)
	return nil
}

func (h *shelf) List(ctx context.Context, account checkout.Account, q checkout.Query) ([]checkout.Session, int, error) {
	if err := h.enter(ctx); err != nil {
		return nil, 0, err
	}
	defer h.mu.Unlock()
	place := checkout.Session{CreatedAt: q.AfterCreatedAt, ID: q.AfterID}
	var passed []checkout.Session
	for _, s := range h.sessions {
		if h.lists(account, s.Account) && h.passes(s, q) && (q.PaymentID == "" || q.PaymentID == s.PaymentID) &&
			(q.ClientReference == "" || q.ClientReference == s.ClientReference) && !s.CreatedAt.Before(q.CreatedAfter) &&
			(q.CreatedBefore.IsZero() || s.CreatedAt.Before(q.CreatedBefore)) && (q.AfterID == "" || h.newer(place, s) < 0) {
			passed = append(passed, own(s))
		}
	}
	slices.SortStableFunc(passed, h.newer)
	var page []checkout.Session
	for i, s := range passed[min(q.Offset, len(passed)):] {
		last := q.UserPhone != "" && i == checkout.MaxPhoneScan-1
		if last || q.UserPhone == "" || q.UserPhone == s.UserPhone {
			page = append(page, s)
		}
		if last || len(page) == q.Limit {
			break
		}
	}
	if q.AfterID != "" || q.UserPhone != "" {
		return page, 0, nil
	}
	return page, h.total(min(len(passed), checkout.MaxListTotal+1), len(page)), nil
}

func (h *shelf) Expire(ctx context.Context, now time.Time, limit int) ([]checkout.Session, error) {
	if err := h.enter(ctx); err != nil {
		return nil, err
	}
	defer h.mu.Unlock()
	var moved []checkout.Session
	for _, s := range h.longestDue(now, limit) {
		s = h.expired(s)
		*h.find(func(held *checkout.Session) bool { return held.ID == s.ID }) = s
		h.tell(s)
		moved = append(moved, own(s))
	}
	return moved, nil
}

func (h *shelf) Events(ctx context.Context, after checkout.Cursor, limit int) ([]checkout.Event, error) {
	if err := h.enter(ctx); err != nil {
		return nil, err
	}
	defer h.mu.Unlock()
	from, err := strconv.Atoi(cmp.Or(string(after), "0"))
	if after == checkout.LastEvent {
		from, err = max(len(h.log)-1, 0), nil
	}
	if err != nil || from < 0 || from > len(h.log) {
		return nil, &checkout.ValidationError{Fields: []checkout.FieldError{{Field: "cursor", Code: checkout.CodeMalformed}}}
	}
	var events []checkout.Event
	for i, s := range h.log[from:] {
		if s.ID != "" && len(events) < limit {
			events = append(events, checkout.NewEvent(own(s), checkout.Cursor(strconv.Itoa(from+i+1))))
		}
	}
	return events, nil
}

func (h *shelf) History(ctx context.Context, account checkout.Account, id string) ([]checkout.Event, error) {
	if _, err := h.Get(ctx, account, id); err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	events := []checkout.Event{checkout.NewEvent(own(h.created[id]), "")}
	for _, s := range h.log {
		if s.ID == id {
			events = append(events, checkout.NewEvent(own(s), ""))
		}
	}
	return events, nil
}

func (h *shelf) Prune(ctx context.Context, before time.Time, limit int) (n int, err error) {
	if err := h.enter(ctx); err != nil {
		return 0, err
	}
	defer h.mu.Unlock()
	h.sessions = slices.DeleteFunc(h.sessions, func(s checkout.Session) bool {
		if n >= limit || waits(s) || s.Status == checkout.StatusProcessing || !s.CreatedAt.Before(before) {
			return false
		}
		n++
		for i, e := range h.log {
			if e.ID == s.ID {
				h.log[i] = checkout.Session{} // the place stays, so that other events keep their numbers
			}
		}
		return true
	})
	return n, nil
}

// tell appends the event of a change to the log.
func (h *shelf) tell(s checkout.Session) {
	if h.logs(s) {
		h.log = append(h.log, own(s))
	}
}

func (h *shelf) longestDue(now time.Time, limit int) []checkout.Session {
	var due []checkout.Session
	for _, s := range h.sessions {
		if h.due(s, now) {
			due = append(due, s)
		}
	}
	slices.SortFunc(due, func(a, b checkout.Session) int {
		return cmp.Or(a.ExpiresAt.Compare(b.ExpiresAt), strings.Compare(a.ID, b.ID))
	})
	return due[:h.most(len(due), max(limit, 0))]
}

// put replaces the session that has the ID of s, or adds s if there is none.
func (h *shelf) put(s checkout.Session) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if held := h.find(func(held *checkout.Session) bool { return held.ID == s.ID }); held != nil {
		*held = s
		h.tell(s)
		return
	}
	h.sessions = append(h.sessions, s)
	h.created[s.ID] = own(s)
}

func inUTC(s checkout.Session) checkout.Session {
	for _, at := range []*time.Time{&s.CreatedAt, &s.ExpiresAt, &s.CompletedAt, &s.UpdatedAt} {
		*at = at.UTC().Truncate(time.Microsecond)
	}
	return own(s)
}

// own returns s with a copy of its metadata.
func own(s checkout.Session) checkout.Session {
	s.Metadata = maps.Clone(s.Metadata)
	return s
}

// others lets other goroutines run, as a wait for a disk would.
func others() {
	for range 4 {
		runtime.Gosched()
	}
}
