package memory_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/matryer/is"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/store/memory"
)

// The indexes split, shrink and lose what lies in them only in accounts far larger than those of storetest.
func TestListIsWhatAWalkThroughAllWouldBe(t *testing.T) {
	const seed, rounds, each = 20261127, 12, 400
	random := rand.New(rand.NewPCG(seed, 0))
	m := memory.New()
	var held []checkout.Session
	start := session(0).CreatedAt
	for round := range rounds {
		for n := range each {
			s := session(round*each + n)
			s.CreatedAt = start.Add(time.Duration(random.IntN(600)) * time.Second) // many at one instant, in no order
			s.UpdatedAt, s.ExpiresAt = s.CreatedAt, s.CreatedAt.Add(time.Duration(5+random.IntN(50))*time.Minute)
			s.ClientReference = text(random, "order", 6)
			s.PaymentID = text(random, "ORDER", 40)
			create(t, m, s)
			held = append(held, s)
		}
		for range each {
			change(t, m, random, &held[random.IntN(len(held))])
		}
		now := start.Add(time.Duration(random.IntN(1800)) * time.Second)
		moved, err := m.Expire(t.Context(), now, 50)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range moved {
			held[slices.IndexFunc(held, func(h checkout.Session) bool { return h.ID == s.ID })] = s
		}
		held = pruned(t, m, held, start.Add(time.Duration(random.IntN(120))*time.Second))
		for range 60 {
			compare(t, m, held, query(random, held, start))
		}
	}
}

func TestListTellsWhatIsDueHoweverMuchWasNotSwept(t *testing.T) {
	is := is.New(t)
	const most = 6_000
	m := memory.New()
	for n := range most {
		create(t, m, session(n))
	}
	for _, due := range []int{0, 1, 4_095, 4_096, 4_097, most} {
		q := checkout.Query{Limit: 1, At: session(due).ExpiresAt.Add(-time.Microsecond)} // of the last one before
		q.Status = checkout.StatusExpired
		expired, total, err := m.List(t.Context(), session(0).Account, q)
		is.NoErr(err)
		is.Equal(total, due)
		if due > 0 {
			is.Equal(expired[0].ID, session(due-1).ID)
		}
		q.Status = checkout.StatusCreated
		_, total, err = m.List(t.Context(), session(0).Account, q)
		is.NoErr(err)
		is.Equal(total, most-due)
	}
}

func text(random *rand.Rand, name string, of int) string {
	if n := random.IntN(2 * of); n < of {
		return fmt.Sprint(name, n)
	}
	return ""
}

// change moves s to any status.
func change(t *testing.T, m *memory.Store, random *rand.Rand, s *checkout.Session) {
	t.Helper()
	s.Version++
	s.Status = checkout.Statuses()[random.IntN(7)]
	s.PaymentID = text(random, "ORDER", 40)
	if err := m.Update(t.Context(), *s); err != nil {
		t.Fatal(err)
	}
}

// pruned removes all that may go, and returns the rest.
func pruned(t *testing.T, m *memory.Store, held []checkout.Session, before time.Time) []checkout.Session {
	t.Helper()
	open := []checkout.Status{checkout.StatusCreated, checkout.StatusPending, checkout.StatusProcessing}
	rest := slices.DeleteFunc(slices.Clone(held), func(s checkout.Session) bool {
		return s.CreatedAt.Before(before) && !slices.Contains(open, s.Status)
	})
	n, err := m.Prune(t.Context(), before, len(held))
	if err != nil || n != len(held)-len(rest) {
		t.Fatalf("Prune removed %d sessions, %v, want %d", n, err, len(held)-len(rest))
	}
	return rest
}

// query is any query: each of its filters is there or not.
func query(random *rand.Rand, held []checkout.Session, start time.Time) checkout.Query {
	maybe := func() bool { return random.IntN(3) == 0 }
	q := checkout.Query{Limit: 1 + random.IntN(100), At: start.Add(time.Duration(random.IntN(3600)) * time.Second)}
	if random.IntN(4) == 0 {
		q.At = q.At.Add(23*time.Hour + 30*time.Minute) // about when the last can have come due
	}
	if maybe() {
		q.Status = checkout.Statuses()[random.IntN(7)]
	}
	if maybe() {
		q.ClientReference = text(random, "order", 7)
	}
	if maybe() {
		q.PaymentID = text(random, "ORDER", 41)
	}
	if maybe() {
		q.CreatedAfter = start.Add(time.Duration(random.IntN(600)) * time.Second)
	}
	if maybe() {
		q.CreatedBefore = start.Add(time.Duration(random.IntN(600)) * time.Second)
	}
	if maybe() {
		q.Offset = random.IntN(len(held))
	} else if s := held[random.IntN(len(held))]; maybe() {
		q.AfterCreatedAt, q.AfterID = s.CreatedAt, s.ID
	}
	return q
}

// compare wants a list to be what the comments of [checkout.Store] make of held.
func compare(t *testing.T, m *memory.Store, held []checkout.Session, q checkout.Query) {
	t.Helper()
	is := is.New(t)
	newer := func(a, b checkout.Session) int {
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), strings.Compare(b.ID, a.ID))
	}
	place := checkout.Session{CreatedAt: q.AfterCreatedAt, ID: q.AfterID}
	var want []string
	for _, s := range slices.SortedFunc(slices.Values(held), newer) {
		if (q.Status == "" || q.Status == s.StatusAt(q.At)) &&
			(q.ClientReference == "" || q.ClientReference == s.ClientReference) &&
			(q.PaymentID == "" || q.PaymentID == s.PaymentID) &&
			(q.CreatedAfter.IsZero() || !s.CreatedAt.Before(q.CreatedAfter)) &&
			(q.CreatedBefore.IsZero() || s.CreatedAt.Before(q.CreatedBefore)) &&
			(q.AfterID == "" || newer(place, s) < 0) {
			want = append(want, s.ID)
		}
	}
	wantTotal := len(want)
	if q.AfterID != "" {
		wantTotal = 0
	}
	want = want[min(q.Offset, len(want)):]
	want = want[:min(q.Limit, len(want))]
	sessions, total, err := m.List(t.Context(), session(0).Account, q)
	is.NoErr(err)
	is.Equal(total, wantTotal)
	is.Equal(len(sessions), len(want))
	for i := range want {
		is.Equal(sessions[i].ID, want[i])
	}
}
