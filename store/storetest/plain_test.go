package storetest_test

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/idempotency"
	"github.com/caisse/checkout/store/storetest"
)

// TestRunPassesAMapBehindAMutex shows that the comments of checkout.Store are enough to write a store. This one was written from them alone.
// Its type and methods have 150 lines at most.
func TestRunPassesAMapBehindAMutex(t *testing.T) {
	storetest.Run(t, func(*testing.T) checkout.Store { return &plain{sessions: map[string][]checkout.Session{}} })
}

// plain keeps all states of every session, by ID. The first state is the creation. A pruned event stays in the feed as a zero session.
type plain struct {
	mu       sync.Mutex
	sessions map[string][]checkout.Session
	feed     []checkout.Session
}

func (p *plain) lock() (unlock func()) { p.mu.Lock(); return p.mu.Unlock }

func (p *plain) find(ctx context.Context, pass func(checkout.Session) bool) (found []checkout.Session, err error) {
	err = ctx.Err()
	for _, states := range p.sessions {
		if s := states[len(states)-1]; err == nil && pass(s) {
			found = append(found, own(s))
		}
	}
	return found, err
}
func (p *plain) one(ctx context.Context, pass func(checkout.Session) bool) (checkout.Session, error) {
	found, err := p.find(ctx, pass)
	if len(found) == 0 {
		return checkout.Session{}, cmp.Or(err, checkout.ErrNotFound)
	}
	return found[0], nil
}
func (p *plain) byID(ctx context.Context, a checkout.Account, id string) (checkout.Session, error) {
	return p.one(ctx, func(s checkout.Session) bool { return s.Account == a && s.ID == id })
}
func (p *plain) byKey(ctx context.Context, a checkout.Account, key idempotency.Key) (checkout.Session, error) {
	return p.one(ctx, func(s checkout.Session) bool { return key != "" && s.Account == a && s.IdempotencyKey == key })
}
func (p *plain) put(s checkout.Session) {
	p.feed, p.sessions[s.ID] = append(p.feed, own(s)), append(p.sessions[s.ID], own(s))
}

func (p *plain) Create(ctx context.Context, s checkout.Session) (checkout.Session, bool, error) {
	defer p.lock()()
	if held, err := p.byKey(ctx, s.Account, s.IdempotencyKey); !errors.Is(err, checkout.ErrNotFound) {
		return held, false, err
	} else if p.sessions[s.ID] != nil {
		return held, false, errors.New("the id is taken")
	}
	p.sessions[s.ID] = []checkout.Session{own(s)}
	return s, true, nil
}
func (p *plain) Get(ctx context.Context, a checkout.Account, id string) (checkout.Session, error) {
	defer p.lock()()
	return p.byID(ctx, a, id)
}
func (p *plain) GetByKey(ctx context.Context, a checkout.Account, key idempotency.Key) (checkout.Session, error) {
	defer p.lock()()
	return p.byKey(ctx, a, key)
}
func (p *plain) Update(ctx context.Context, s checkout.Session) error {
	defer p.lock()()
	if was, err := p.byID(ctx, s.Account, s.ID); err != nil {
		return err
	} else if was.Version != s.Version-1 {
		return checkout.ErrConflict
	}
	p.put(s)
	return nil
}
func (p *plain) List(ctx context.Context, a checkout.Account, q checkout.Query) (page []checkout.Session, total int, err error) {
	defer p.lock()()
	order := func(a, b checkout.Session) int {
		return -cmp.Or(a.CreatedAt.Compare(b.CreatedAt), strings.Compare(a.ID, b.ID))
	}
	place := checkout.Session{CreatedAt: q.AfterCreatedAt, ID: q.AfterID}
	passed, err := p.find(ctx, func(s checkout.Session) bool {
		return s.Account == a && (q.Status == "" || q.Status == s.StatusAt(q.At)) &&
			(q.ClientReference == "" || q.ClientReference == s.ClientReference) && !s.CreatedAt.Before(q.CreatedAfter) &&
			(q.PaymentID == "" || q.PaymentID == s.PaymentID) && (q.AfterID == "" || order(place, s) < 0) &&
			(q.CreatedBefore.IsZero() || s.CreatedAt.Before(q.CreatedBefore))
	})
	slices.SortFunc(passed, order)
	if q.AfterID == "" && q.UserPhone == "" {
		total = min(len(passed), checkout.MaxListTotal+1)
	}
	for i, s := range passed[min(q.Offset, len(passed)):] {
		last := q.UserPhone != "" && i == checkout.MaxPhoneScan-1
		if last || q.UserPhone == "" || q.UserPhone == s.UserPhone {
			page = append(page, s)
		}
		if last || len(page) == q.Limit {
			break
		}
	}
	return page, total, err
}
func (p *plain) Expire(ctx context.Context, now time.Time, limit int) ([]checkout.Session, error) {
	defer p.lock()()
	due, err := p.find(ctx, func(s checkout.Session) bool { return s.StatusAt(now) != s.Status })
	slices.SortFunc(due, func(a, b checkout.Session) int {
		return cmp.Or(a.ExpiresAt.Compare(b.ExpiresAt), strings.Compare(a.ID, b.ID))
	})
	due = due[:min(limit, len(due))]
	for i, s := range due {
		due[i].Status, due[i].UpdatedAt, due[i].Version = checkout.StatusExpired, s.ExpiresAt, s.Version+1
		p.put(due[i])
	}
	return due, err
}
func (p *plain) Events(ctx context.Context, after checkout.Cursor, limit int) (events []checkout.Event, err error) {
	defer p.lock()()
	num, malformed := strconv.Atoi(cmp.Or(string(after), "0"))
	if after != checkout.LastEvent && (malformed != nil || num < 0 || num > len(p.feed)) {
		return nil, &checkout.ValidationError{Fields: []checkout.FieldError{{Field: "cursor", Code: checkout.CodeMalformed}}}
	}
	for i, s := range p.feed[num:] {
		if e := checkout.NewEvent(own(s), checkout.Cursor(strconv.Itoa(num+i+1))); s.ID == "" {
			continue
		} else if after == checkout.LastEvent {
			events = []checkout.Event{e}
		} else if len(events) < limit {
			events = append(events, e)
		}
	}
	return events, ctx.Err()
}
func (p *plain) History(ctx context.Context, a checkout.Account, id string) (events []checkout.Event, err error) {
	defer p.lock()()
	if _, err = p.byID(ctx, a, id); err == nil {
		for _, s := range p.sessions[id] {
			events = append(events, checkout.NewEvent(own(s), ""))
		}
	}
	return events, err
}
func (p *plain) Prune(ctx context.Context, before time.Time, limit int) (int, error) {
	defer p.lock()()
	ended := []checkout.Status{checkout.StatusCompleted, checkout.StatusFailed, checkout.StatusExpired, checkout.StatusCancelled}
	old, err := p.find(ctx, func(s checkout.Session) bool { return s.CreatedAt.Before(before) && slices.Contains(ended, s.Status) })
	old = old[:min(limit, len(old))]
	for _, gone := range old {
		delete(p.sessions, gone.ID)
		for i, s := range p.feed {
			if s.ID == gone.ID {
				p.feed[i] = checkout.Session{}
			}
		}
	}
	return len(old), err
}
