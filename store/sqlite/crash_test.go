package sqlite_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/matryer/is"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/store/sqlite"
)

var crashRounds = flag.Int("crash.rounds", 6, "how many times TestCrash kills a child process at a random moment")

// ledger records the sessions of one database that child processes have acknowledged.
type ledger struct {
	path     string
	sessions map[int64]string // IDs by number
	highest  int64            // the highest number so far
}

// record adds the lines of a child. They must not contradict the lines that were recorded before.
func (l *ledger) record(tb testing.TB, lines []string) {
	tb.Helper()
	is := is.New(tb)
	is.Helper()
	for _, line := range lines {
		var n int64
		var what, id string
		if _, err := fmt.Sscan(line, &what, &n, &id); err != nil || what != "session" {
			tb.Fatalf("unexpected line of a child: %s", line)
		}
		if known, ok := l.sessions[n]; ok {
			is.Equal(id, known) // a key always names the same session
		}
		l.sessions[n] = id
		l.highest = max(l.highest, n)
	}
}

// check opens the file after a crash, and checks that it has every acknowledged session.
func (l *ledger) check(tb testing.TB) {
	tb.Helper()
	is := is.New(tb)
	is.Helper()
	s, err := sqlite.Open(context.Background(), l.path)
	is.NoErr(err)
	for n, id := range l.sessions {
		session, err := s.GetByKey(context.Background(), merchant, numberedKey(n))
		is.NoErr(err)              // the acknowledged session is stored
		is.Equal(session.ID, id)   // its key names it
		want := numberedSession(n) // it has the same values, except in the fields that are set below
		want.ID, want.Fingerprint = id, session.Fingerprint
		want.CreatedAt, want.UpdatedAt, want.ExpiresAt = session.CreatedAt, session.CreatedAt, session.ExpiresAt
		is.Equal(session, want)
	}
	is.NoErr(s.Close())
	wantIntact(tb, l.path)
}

// TestCrash kills child processes, at random moments and at chosen points of a write. It proves that an acknowledged session survives
// kill -9, and that a retry with the same key does not create a second session.
func TestCrash(t *testing.T) {
	t.Run("a kill -9 at a random moment loses no acknowledged session", func(t *testing.T) {
		seed := rand.Uint64()
		random := rand.New(rand.NewPCG(seed, 0))
		t.Logf("seed %d", seed)
		l := &ledger{path: newPath(t), sessions: make(map[int64]string)}
		for range *crashRounds {
			// The child starts 30 numbers back, so that it retries the calls that were under way when the last child was killed.
			c := startChild(t, "create", l.path, max(0, l.highest-30))
			c.awaitLines(1 + random.IntN(400))
			l.record(t, c.kill())
			if random.IntN(2) == 0 {
				l.check(t) // otherwise the next child is the first to open the database after the crash
			}
		}
		l.check(t)
		is.New(t).True(len(l.sessions) > *crashRounds)
	})
	t.Run("two processes share a file without an error, and one continues after the other was killed", func(t *testing.T) {
		is := is.New(t)
		l := &ledger{path: newPath(t), sessions: make(map[int64]string)}
		first, second := startChild(t, "create", l.path, 0), startChild(t, "create", l.path, 0)
		first.awaitLines(200)
		second.awaitLines(200)
		l.record(t, first.kill())
		before := second.awaitLines(0)
		is.True(second.awaitLines(before+400) >= before+400) // the second process goes on
		l.record(t, second.kill())
		is.True(len(l.sessions) >= 200)
		l.check(t)
	})
	for role := range roles {
		t.Run(role, func(t *testing.T) {
			is := is.New(t)
			l := &ledger{path: newPath(t), sessions: make(map[int64]string)}
			if !strings.Contains(role, "migration") {
				s := open(t, l.path)
				for n := range int64(5) {
					held, _, err := s.Create(t.Context(), numberedSession(n))
					is.NoErr(err)
					l.sessions[n] = held.ID
				}
				is.NoErr(s.Close())
			}
			lines := startChild(t, role, l.path, 5).wait()
			is.Equal(len(lines), 0) // the child died before it acknowledged anything
			wantIntact(t, l.path)

			if strings.Contains(role, "sweep") {
				s := open(t, l.path)
				_, expired, err := s.List(t.Context(), merchant, checkout.Query{Limit: 100, Status: checkout.StatusExpired})
				is.NoErr(err)
				is.Equal(expired, map[bool]int{true: 3, false: 0}[strings.Contains(role, "after")]) // the sweep is stored completely or not at all
				is.NoErr(s.Close())
				lines = startChild(t, "sweep", l.path, 0).wait()
				slices.Sort(lines)
				is.Equal(len(lines), 5-expired) // the next sweep expires the other sessions
				is.Equal(len(slices.Compact(lines)), 5-expired)
				return
			}
			l.check(t)
			s := open(t, l.path)
			session := numberedSession(5)
			held, created, err := s.Create(t.Context(), session) // the client retries with the same key
			is.NoErr(err)
			is.Equal(created, !strings.Contains(role, "after commit"))
			is.Equal(created, held.ID == session.ID)
		})
	}
}
