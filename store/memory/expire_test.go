package memory_test

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/matryer/is"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/store/memory"
)

// TestExpireAfterManyUpdates compares Expire with a scan of all sessions, after random updates. The updates add, move and remove
// entries in the heap of sessions that can expire. After a mistake there, a session would expire at the wrong time or never.
func TestExpireAfterManyUpdates(t *testing.T) {
	is := is.New(t)
	const seed = 20261122
	random := rand.New(rand.NewPCG(seed, 0))
	statuses := []checkout.Status{checkout.StatusCreated, checkout.StatusPending, checkout.StatusProcessing}
	m := memory.New()
	model := make([]checkout.Session, 200)
	for n := range model {
		model[n] = session(n)
		create(t, m, model[n])
	}
	start := model[0].ExpiresAt
	for step := range 50 {
		for range 100 {
			s := &model[random.IntN(len(model))]
			s.Status = statuses[random.IntN(len(statuses))]
			s.ExpiresAt = start.Add(time.Duration(step+random.IntN(20)) * time.Second)
			s.Version++
			is.NoErr(m.Update(t.Context(), *s))
		}
		now, limit := start.Add(time.Duration(step)*time.Second), random.IntN(30)
		moved, err := m.Expire(t.Context(), now, limit)
		is.NoErr(err)
		is.Equal(moved, expireByScan(model, now, limit)) // exactly the sessions that a scan finds
	}
}

// expireByScan does to sessions what Expire should do in the store. It looks at every session, and returns those that it has expired.
func expireByScan(sessions []checkout.Session, now time.Time, limit int) []checkout.Session {
	var due []*checkout.Session
	for i := range sessions {
		if s := &sessions[i]; s.Status != s.StatusAt(now) {
			due = append(due, s)
		}
	}
	slices.SortFunc(due, func(a, b *checkout.Session) int {
		return cmp.Or(a.ExpiresAt.Compare(b.ExpiresAt), strings.Compare(a.ID, b.ID))
	})
	var moved []checkout.Session
	for _, s := range due[:min(len(due), limit)] {
		s.Status, s.UpdatedAt = checkout.StatusExpired, s.ExpiresAt
		s.Version++
		moved = append(moved, *s)
	}
	return moved
}
