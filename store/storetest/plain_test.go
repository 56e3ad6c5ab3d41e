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

// The comments of checkout.Store are enough to write a store from: this one knows nothing else.
func TestRunPassesAMapBehindAMutex(t *testing.T) {
	storetest.Run(t, func(*testing.T) checkout.Store { return &plain{sessions: map[string][]checkout.Session{}} })
}

// plain keeps every state of every session by its ID, the creation first. Its feed has zero sessions where some were pruned.
type plain struct {
	mu       sync.Mutex
	sessions map[string][]checkout.Session
	feed     []checkout.Session
}

// those returns the sessions, as they now are, that pass. The lock is the caller's until it unlocks.
func (p *plain) those(ctx context.Context, pass func(checkout.Session) bool) (found []checkout.Session, err error) {
	p.mu.Lock()
	err = ctx.Err()
	for _, states := range p.sessions {
		if s := states[len(states)-1]; err == nil && pass(s) {
			found = append(found, own(s))
		}
	}
	return found, err
}
func (p *plain) one(ctx context.Context, pass func(checkout.Session) bool) (checkout.Session, error) {
	defer p.mu.Unlock()
	found, err := p.those(ctx, pass)
	if len(found) == 0 {
		return checkout.Session{}, cmp.Or(err, checkout.ErrNotFound)
	}
	return found[0], nil
}
func (p *plain) put(s checkout.Session) {
	p.feed = append(p.feed, own(s))
	p.sessions[s.ID] = append(p.sessions[s.ID], own(s))
}

func (p *plain) Create(ctx context.Context, s checkout.Session) (checkout.Session, bool, error) {
	defer p.mu.Unlock()
	held, err := p.those(ctx, func(held checkout.Session) bool {
		return s.IdempotencyKey != "" && held.Account == s.Account && held.IdempotencyKey == s.IdempotencyKey
	})
	if err != nil || len(held) > 0 {
		return append(held, s)[0], false, err
	}
	if p.sessions[s.ID] != nil {
		return s, false, errors.New("the id is taken")
	}
	p.sessions[s.ID] = []checkout.Session{own(s)}
	return s, true, nil
}

func (p *plain) Get(ctx context.Context, a checkout.Account, id string) (checkout.Session, error) {
	return p.one(ctx, func(s checkout.Session) bool { return s.Account == a && s.ID == id })
}
func (p *plain) GetByKey(ctx context.Context, a checkout.Account, key idempotency.Key) (checkout.Session, error) {
	return p.one(ctx, func(s checkout.Session) bool { return key != "" && s.Account == a && s.IdempotencyKey == key })
}

func (p *plain) Update(ctx context.Context, s checkout.Session) error {
	defer p.mu.Unlock()
	was, err := p.those(ctx, func(was checkout.Session) bool { return was.ID == s.ID && was.Account == s.Account })
	if len(was) == 0 {
		return cmp.Or(err, checkout.ErrNotFound)
	} else if was[0].Version != s.Version-1 {
		return checkout.ErrConflict
	}
	p.put(s)
	return nil
}

func (p *plain) List(ctx context.Context, a checkout.Account, q checkout.Query) (page []checkout.Session, total int, err error) {
	defer p.mu.Unlock()
	order := func(a, b checkout.Session) int {
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), strings.Compare(b.ID, a.ID))
	}
	page, err = p.those(ctx, func(s checkout.Session) bool {
		return s.Account == a && (q.Status == "" || q.Status == s.StatusAt(q.At)) && (q.PaymentID == "" || q.PaymentID == s.PaymentID) &&
			(q.ClientReference == "" || q.ClientReference == s.ClientReference) && (q.AfterID == "" || order(checkout.Session{CreatedAt: q.AfterCreatedAt, ID: q.AfterID}, s) < 0) &&
			!s.CreatedAt.Before(q.CreatedAfter) && (q.CreatedBefore.IsZero() || s.CreatedAt.Before(q.CreatedBefore))
	})
	slices.SortFunc(page, order)
	if q.AfterID == "" && q.UserPhone == "" {
		total = min(len(page), checkout.MaxListTotal+1)
	}
	page = page[min(q.Offset, len(page)):]
	if q.UserPhone != "" {
		looked := 0
		page = slices.DeleteFunc(page, func(s checkout.Session) bool {
			looked++
			return looked > checkout.MaxPhoneScan || s.UserPhone != q.UserPhone && looked != checkout.MaxPhoneScan
		})
	}
	return page[:min(q.Limit, len(page))], total, err
}

func (p *plain) Expire(ctx context.Context, now time.Time, limit int) (due []checkout.Session, err error) {
	defer p.mu.Unlock()
	due, err = p.those(ctx, func(s checkout.Session) bool {
		return s.StatusAt(now) == checkout.StatusExpired && s.StatusAt(now) != s.Status
	})
	slices.SortFunc(due, func(a, b checkout.Session) int {
		return cmp.Or(a.ExpiresAt.Compare(b.ExpiresAt), strings.Compare(a.ID, b.ID))
	})
	due = due[:min(limit, len(due))]
	for i := range due {
		due[i].Status, due[i].UpdatedAt, due[i].Version = checkout.StatusExpired, due[i].ExpiresAt, due[i].Version+1
		p.put(due[i])
	}
	return due, err
}

func (p *plain) Events(ctx context.Context, after checkout.Cursor, limit int) (events []checkout.Event, err error) {
	defer p.mu.Unlock()
	if _, err := p.those(ctx, func(checkout.Session) bool { return false }); err != nil {
		return nil, err
	}
	num, err := strconv.Atoi(cmp.Or(string(after), "0"))
	if after == checkout.LastEvent {
		for num, err = len(p.feed), nil; num > 0 && p.feed[num-1].ID == ""; num-- {
		}
		num = max(num-1, 0)
	} else if err != nil || num < 0 || num > len(p.feed) {
		return nil, &checkout.ValidationError{Fields: []checkout.FieldError{{Field: "cursor", Code: checkout.CodeMalformed}}}
	}
	for i, s := range p.feed {
		if i >= num && s.ID != "" && len(events) < limit {
			events = append(events, checkout.NewEvent(own(s), checkout.Cursor(strconv.Itoa(i+1))))
		}
	}
	return events, err
}

func (p *plain) History(ctx context.Context, a checkout.Account, id string) (events []checkout.Event, err error) {
	if _, err := p.Get(ctx, a, id); err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.sessions[id] {
		events = append(events, checkout.NewEvent(own(s), ""))
	}
	return events, nil
}

func (p *plain) Prune(ctx context.Context, before time.Time, limit int) (int, error) {
	defer p.mu.Unlock()
	open := []checkout.Status{checkout.StatusCreated, checkout.StatusPending, checkout.StatusProcessing}
	found, err := p.those(ctx, func(s checkout.Session) bool { return s.CreatedAt.Before(before) && !slices.Contains(open, s.Status) })
	found = found[:min(limit, len(found))]
	for _, s := range found {
		delete(p.sessions, s.ID)
		for i := range p.feed {
			if p.feed[i].ID == s.ID {
				p.feed[i] = checkout.Session{}
			}
		}
	}
	return len(found), err
}
