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

// TestListEqualsAScan compares List with a scan of all sessions, for random queries of a large account. The accounts of storetest are too
// small for this: the indexes split, shrink and lose entries only in a large account.
func TestListEqualsAScan(t *testing.T) {
	const seed, rounds, each = 20261127, 12, 400
	random := rand.New(rand.NewPCG(seed, 0))
	m := memory.New()
	var model []checkout.Session
	start := session(0).CreatedAt
	for round := range rounds {
		for n := range each {
			s := session(round*each + n)
			s.CreatedAt = start.Add(time.Duration(random.IntN(600)) * time.Second) // in random order, and many at the same instant
			s.UpdatedAt, s.ExpiresAt = s.CreatedAt, s.CreatedAt.Add(time.Duration(5+random.IntN(50))*time.Minute)
			s.ClientReference = randomText(random, "order", 6)
			s.PaymentID = randomText(random, "ORDER", 40)
			create(t, m, s)
			model = append(model, s)
		}
		for range each {
			changeStatus(t, m, random, &model[random.IntN(len(model))])
		}
		now := start.Add(time.Duration(random.IntN(1800)) * time.Second)
		moved, err := m.Expire(t.Context(), now, 50)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range moved {
			model[slices.IndexFunc(model, func(h checkout.Session) bool { return h.ID == s.ID })] = s
		}
		model = prune(t, m, model, start.Add(time.Duration(random.IntN(120))*time.Second))
		for range 60 {
			compareList(t, m, model, randomQuery(random, model, start))
		}
	}
}

// TestListCountsDueSessionsAsExpired lists sessions that are due and were not swept. If at most 4,096 are due, List sorts them among the
// expired ones. If more are due, it reads the indexes of created and pending sessions. The result must be right in both cases.
func TestListCountsDueSessionsAsExpired(t *testing.T) {
	is := is.New(t)
	const most = 6_000
	m := memory.New()
	for n := range most {
		create(t, m, session(n))
	}
	for _, due := range []int{0, 1, 4_095, 4_096, 4_097, most} {
		q := checkout.Query{Limit: 1, At: session(due).ExpiresAt.Add(-time.Microsecond)} // at this instant exactly the sessions 0 to due-1 are due
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

// randomText returns name and a random number, or "" in half of the calls.
func randomText(random *rand.Rand, name string, of int) string {
	if n := random.IntN(2 * of); n < of {
		return fmt.Sprint(name, n)
	}
	return ""
}

// changeStatus gives s a random status and payment, in the store and in *s.
func changeStatus(t *testing.T, m *memory.Store, random *rand.Rand, s *checkout.Session) {
	t.Helper()
	s.Version++
	s.Status = checkout.Statuses()[random.IntN(7)]
	s.PaymentID = randomText(random, "ORDER", 40)
	if err := m.Update(t.Context(), *s); err != nil {
		t.Fatal(err)
	}
}

// prune removes all sessions that Prune may remove from the store, and returns the others.
func prune(t *testing.T, m *memory.Store, model []checkout.Session, before time.Time) []checkout.Session {
	t.Helper()
	open := []checkout.Status{checkout.StatusCreated, checkout.StatusPending, checkout.StatusProcessing}
	rest := slices.DeleteFunc(slices.Clone(model), func(s checkout.Session) bool {
		return s.CreatedAt.Before(before) && !slices.Contains(open, s.Status)
	})
	n, err := m.Prune(t.Context(), before, len(model))
	if err != nil || n != len(model)-len(rest) {
		t.Fatalf("Prune removed %d sessions, %v, want %d", n, err, len(model)-len(rest))
	}
	return rest
}

// randomQuery returns a query. Chance decides which of its filters are set.
func randomQuery(random *rand.Rand, model []checkout.Session, start time.Time) checkout.Query {
	maybe := func() bool { return random.IntN(3) == 0 }
	q := checkout.Query{Limit: 1 + random.IntN(100), At: start.Add(time.Duration(random.IntN(3600)) * time.Second)}
	if random.IntN(4) == 0 {
		q.At = q.At.Add(23*time.Hour + 30*time.Minute) // near MaxExpiresIn, where a list by created or pending stops looking
	}
	if maybe() {
		q.Status = checkout.Statuses()[random.IntN(7)]
	}
	if maybe() {
		q.ClientReference = randomText(random, "order", 7)
	}
	if maybe() {
		q.PaymentID = randomText(random, "ORDER", 41)
	}
	if maybe() {
		q.CreatedAfter = start.Add(time.Duration(random.IntN(600)) * time.Second)
	}
	if maybe() {
		q.CreatedBefore = start.Add(time.Duration(random.IntN(600)) * time.Second)
	}
	if maybe() {
		q.Offset = random.IntN(len(model))
	} else if s := model[random.IntN(len(model))]; maybe() {
		q.AfterCreatedAt, q.AfterID = s.CreatedAt, s.ID
	}
	return q
}

// compareList checks that List returns what the comments of [checkout.Store] say, for a store that has the sessions of model.
func compareList(t *testing.T, m *memory.Store, model []checkout.Session, q checkout.Query) {
	t.Helper()
	is := is.New(t)
	newer := func(a, b checkout.Session) int {
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), strings.Compare(b.ID, a.ID))
	}
	place := checkout.Session{CreatedAt: q.AfterCreatedAt, ID: q.AfterID}
	var want []string
	for _, s := range slices.SortedFunc(slices.Values(model), newer) {
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
