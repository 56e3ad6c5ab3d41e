package sqlite_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/matryer/is"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/store/sqlite"
)

var crashRounds = flag.Int("crash.rounds", 6, "how often a child is killed at random in TestCrash")

// ledger is what children have acknowledged of one file.
type ledger struct {
	path     string
	sessions map[int64]string // ids by number
	highest  int64
}

// enter takes lines of a child in, and wants them to agree with what is known.
func (l *ledger) enter(tb testing.TB, lines []string) {
	tb.Helper()
	is := is.New(tb)
	is.Helper()
	for _, line := range lines {
		var n int64
		var what, id string
		if _, err := fmt.Sscan(line, &what, &n, &id); err != nil || what != "session" {
			tb.Fatalf("a child says: %s", line)
		}
		if known, ok := l.sessions[n]; ok {
			is.Equal(id, known) // a key names one session, ever
		}
		l.sessions[n] = id
		l.highest = max(l.highest, n)
	}
}

// check opens the file again as a crash has left it.
func (l *ledger) check(tb testing.TB) {
	tb.Helper()
	is := is.New(tb)
	is.Helper()
	s, err := sqlite.Open(context.Background(), l.path)
	is.NoErr(err)
	for n, id := range l.sessions {
		session, err := s.GetByKey(context.Background(), merchant, numberedKey(n))
		is.NoErr(err)            // what was acknowledged is there
		is.Equal(session.ID, id) // under the key that it was acknowledged for
		want := numbered(n)      // and whole
		want.ID, want.Fingerprint = id, session.Fingerprint
		want.CreatedAt, want.UpdatedAt, want.ExpiresAt = session.CreatedAt, session.CreatedAt, session.ExpiresAt
		is.Equal(session, want)
	}
	is.NoErr(s.Close())
	sound(tb, l.path)
}

func TestCrash(t *testing.T) {
	t.Run("kill -9 at random loses nothing that was acknowledged", func(t *testing.T) {
		seed := rand.Uint64()
		random := rand.New(rand.NewPCG(seed, 0))
		t.Logf("seed %d", seed)
		l := &ledger{path: newPath(t), sessions: make(map[int64]string)}
		for range *crashRounds {
			// From somewhat before where the last one died, so that what it had begun is tried again.
			c := startChild(t, "create", l.path, max(0, l.highest-30))
			c.await(1 + random.IntN(400))
			l.enter(t, c.kill())
			if random.IntN(2) == 0 {
				l.check(t) // else the next child finds what this one has left
			}
		}
		l.check(t)
		is.New(t).True(len(l.sessions) > *crashRounds)
	})
	t.Run("two processes share a file without an error, and one outlives the other", func(t *testing.T) {
		is := is.New(t)
		l := &ledger{path: newPath(t), sessions: make(map[int64]string)}
		first, second := startChild(t, "create", l.path, 0), startChild(t, "create", l.path, 0)
		first.await(200)
		second.await(200)
		l.enter(t, first.kill())
		second.await(600)
		l.enter(t, second.kill())
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
					held, _, err := s.Create(t.Context(), numbered(n))
					is.NoErr(err)
					l.sessions[n] = held.ID
				}
				is.NoErr(s.Close())
			}
			lines := startChild(t, role, l.path, 5).wait()
			is.Equal(len(lines), 0) // it died before it could say anything
			sound(t, l.path)

			if strings.Contains(role, "sweep") {
				s := open(t, l.path)
				_, expired, err := s.List(t.Context(), merchant, checkout.Query{Limit: 100, Status: checkout.StatusExpired})
				is.NoErr(err)
				is.Equal(expired, map[bool]int{true: 3, false: 0}[strings.Contains(role, "after")]) // all of the sweep, or nothing
				is.NoErr(s.Close())
				lines = startChild(t, "sweep", l.path, 0).wait()
				is.Equal(len(lines), 5-expired) // the next one does the rest, once
				return
			}
			l.check(t)
			s := open(t, l.path)
			session := numbered(5)
			held, created, err := s.Create(t.Context(), session) // the client tries again
			is.NoErr(err)
			is.Equal(created, !strings.Contains(role, "after commit"))
			is.Equal(created, held.ID == session.ID)
		})
	}
}
