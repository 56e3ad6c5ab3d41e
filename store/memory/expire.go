package memory

import (
	"cmp"
	"container/heap"
	"context"
	"strings"
	"time"

	"github.com/caisse/checkout"
)

// Expire implements [checkout.Store]. Sessions due at the same instant are taken by ID. Its time depends on how many it expires, not
// on the size of the store.
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

// dueHeap has the records that can still expire, and no others. The next one that is due is on top. Each record knows its place in the
// heap, so an update can move or remove its entry.
type dueHeap []*record

// unplaced is the place of a record outside of the heap.
const unplaced = -1

// track adds r to the heap, moves it or removes it, as its status and expiry require.
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

// until returns all records that are due at now, in no order. If there are more than most, it returns none and false. A record is
// due no later than those below it in the heap, so until looks at no more than about twice as many records as it returns.
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
