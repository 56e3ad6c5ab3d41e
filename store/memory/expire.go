package memory

import (
	"cmp"
	"container/heap"
	"context"
	"strings"
	"time"

	"github.com/caisse/checkout"
)

// Expire implements [checkout.Store]. Equal instants are taken by ID. It costs what it moves, however much the store
// holds.
func (m *Store) Expire(ctx context.Context, now time.Time, limit int) ([]checkout.Session, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	at := now.UnixMicro()
	m.mu.Lock()
	defer m.mu.Unlock()
	var expired []checkout.Session
	for len(expired) < limit && len(m.due) > 0 {
		r := m.due[0]
		if r.expires > at {
			break
		}
		s := r.session()
		s.Status = checkout.StatusExpired
		s.Version++
		s.UpdatedAt = s.ExpiresAt
		m.change(r, s)
		expired = append(expired, s)
	}
	return expired, nil
}

// dueHeap holds the records that the clock can still move to expired, and no other: the next one due is on top. Each
// record knows its place, so that an update moves or removes its one entry and none goes stale.
type dueHeap []*record

// unplaced is the place of a record that is not in the heap.
const unplaced = -1

// track puts r where its status and its expiry belong, in the heap or out of it.
func (h *dueHeap) track(r *record) {
	waits := r.status() == checkout.StatusCreated || r.status() == checkout.StatusPending
	switch placed := r.place != unplaced; {
	case waits && placed:
		heap.Fix(h, r.place)
	case waits:
		heap.Push(h, r)
	case placed:
		heap.Remove(h, r.place)
	}
}

// until returns the records that are due at now, in no order, and whether those are all: it gives up beyond a number.
// A record is due no later than those below it in the heap, so it looks at twice as many at most.
func (h dueHeap) until(now time.Time, most int) (due []*record, all bool) {
	at := now.UnixMicro()
	for look := []int{0}; len(look) > 0; {
		i := look[len(look)-1]
		look = look[:len(look)-1]
		if i >= len(h) || h[i].expires > at {
			continue
		}
		if len(due) == most {
			return nil, false
		}
		due = append(due, h[i])
		look = append(look, 2*i+1, 2*i+2)
	}
	return due, true
}

// Len implements [heap.Interface].
func (h dueHeap) Len() int { return len(h) }

// Less implements [heap.Interface].
func (h dueHeap) Less(i, j int) bool {
	a, b := h[i], h[j]
	return cmp.Or(cmp.Compare(a.expires, b.expires), strings.Compare(a.id(), b.id())) < 0
}

// Swap implements [heap.Interface].
func (h dueHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].place, h[j].place = i, j
}

// Push implements [heap.Interface].
func (h *dueHeap) Push(x any) {
	r := x.(*record)
	r.place = len(*h)
	*h = append(*h, r)
}

// Pop implements [heap.Interface].
func (h *dueHeap) Pop() any {
	last := len(*h) - 1
	r := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	r.place = unplaced
	return r
}
