package memory_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/matryer/is"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/store/memory"
)

func TestSessionTakesLittleMemory(t *testing.T) {
	for _, test := range []struct {
		name    string
		account func(n int) string
		updates int
		most    int64 // bytes
	}{
		{"in one account", func(int) string { return "acct_1" }, 0, 560},
		{"in accounts of a hundred sessions", func(n int) string { return fmt.Sprintf("acct_%d", n/100) }, 0, 560},
		{"in an account of its own", func(n int) string { return fmt.Sprintf("acct_%d", n) }, 0, 720},
		{"after three updates", func(n int) string { return fmt.Sprintf("acct_%d", n/100) }, 3, 1100}, // each change is kept
	} {
		t.Run(test.name, func(t *testing.T) {
			const sessions = 20_000
			before := heapInUse()
			m := memory.New()
			for n := range sessions {
				s := session(n)
				s.Account.ID = test.account(n)
				create(t, m, s)
				for range test.updates {
					s.Version++
					s.Status, s.PaymentID = checkout.StatusPending, "ORDER_123"
					if err := m.Update(t.Context(), s); err != nil {
						t.Fatal(err)
					}
				}
				if (n+1)%5_000 == 0 { // maps double when they grow, so the cost per session goes up and down
					size := (heapInUse() - before) / int64(n+1)
					t.Logf("%d bytes per session with %d sessions", size, n+1)
					if size >= test.most {
						t.Errorf("%d bytes per session with %d sessions, want less than %d", size, n+1, test.most)
					}
				}
			}
			runtime.KeepAlive(m)
		})
	}
}

// TestSessionKeepsNoRequestInMemory stores descriptions that are parts of large requests. If the store did not copy them, each session
// would keep a whole request in memory.
func TestSessionKeepsNoRequestInMemory(t *testing.T) {
	const sessions, request = 200, 64 << 10
	before := heapInUse()
	m := memory.New()
	for n := range sessions {
		s := session(n)
		body := strings.Repeat("x", request) + s.Description
		s.Description = body[request:]
		create(t, m, s)
	}
	if size := (heapInUse() - before) / sessions; size > request/8 {
		t.Errorf("%d bytes per session: the store keeps the request of %d bytes from which the description was cut", size, request)
	}
	runtime.KeepAlive(m)
}

func TestCreateAllocatesLittle(t *testing.T) {
	is := is.New(t)
	const runs = 2000
	sessions := make([]checkout.Session, runs+1) // AllocsPerRun makes one call more, before it counts
	for n := range sessions {
		sessions[n] = session(n)
	}
	m, ctx, next := memory.New(), context.Background(), 0
	allocations := testing.AllocsPerRun(runs, func() {
		create(t, m, sessions[next])
		next++
	})
	t.Logf("%v allocations", allocations)
	is.True(allocations <= 6)

	allocations = testing.AllocsPerRun(runs, func() {
		if _, err := m.Get(ctx, sessions[0].Account, sessions[0].ID); err != nil {
			t.Fatal(err)
		}
	})
	is.Equal(allocations, 0.0)
}

func BenchmarkCreate(b *testing.B) {
	sessions := make([]checkout.Session, b.N)
	for n := range sessions {
		sessions[n] = session(n)
	}
	before := heapInUse()
	m := memory.NewLimit(b.N)
	b.ReportAllocs()
	b.ResetTimer()
	for n := range sessions {
		create(b, m, sessions[n])
	}
	b.StopTimer()
	b.ReportMetric(float64(heapInUse()-before)/float64(b.N), "B/session")
	runtime.KeepAlive(m)
	runtime.KeepAlive(sessions)
}

func BenchmarkList(b *testing.B) {
	const sessions = 100_000
	m := memory.New()
	for n := range sessions {
		create(b, m, session(n))
	}
	account := session(0).Account
	for name, q := range map[string]checkout.Query{
		"all":     {},
		"status":  {Status: checkout.StatusExpired, At: session(sessions / 2).ExpiresAt},
		"payment": {PaymentID: "ORDER_123"},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, _, err := m.List(b.Context(), account, q); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// heapInUse returns the bytes of the heap that are in use after a garbage collection.
func heapInUse() int64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}
