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

func TestExpireAfterManyUpdates(t *testing.T) {
	is := is.New(t)
	const seed = 20261122
	random := rand.New(rand.NewPCG(seed, 0))
	statuses := []checkout.Status{checkout.StatusCreated, checkout.StatusPending, checkout.StatusProcessing}
	m := memory.New()
	held := make([]checkout.Session, 200)
	for n := range held {
		held[n] = session(n)
		create(t, m, held[n])
	}
	start := held[0].ExpiresAt
	for step := range 50 {
		for range 100 {
			s := &held[random.IntN(len(held))]
			s.Status = statuses[random.IntN(len(statuses))]
			s.ExpiresAt = start.Add(time.Duration(step+random.IntN(20)) * time.Second)
			s.Version++
			is.NoErr(m.Update(t.Context(), *s))
		}
		now, limit := start.Add(time.Duration(step)*time.Second), random.IntN(30)
		moved, err := m.Expire(t.Context(), now, limit)
		is.NoErr(err)
		is.Equal(moved, expireAll(held, now, limit)) // what a walk through all of them would move
	}
}

// expireAll does to sessions what a sweep should, and returns what it moved.
func expireAll(sessions []checkout.Session, now time.Time, limit int) []checkout.Session {
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
