//go:build unix

package sqlite_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/matryer/is"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/store/sqlite"
)

// runInChild runs the test again in a child process, because the test sets a limit for its whole process. In the child, runInChild
// returns the path of a new database. In the parent, it waits for the child, checks the database, and returns "".
func runInChild(t *testing.T) (path string) {
	t.Helper()
	const inside = "CHECKOUT_SQLITE_ALONE"
	if path = os.Getenv(inside); path != "" {
		return path
	}
	path = newPath(t)
	again := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	again.Env = append(os.Environ(), inside+"="+path)
	out, err := again.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "PASS") {
		t.Fatalf("%v\n%s", err, out)
	}
	wantIntact(t, path)
	return ""
}

// limitFileSize limits the size of every file that this process writes. A write beyond the limit fails.
func limitFileSize(tb testing.TB, bytes uint64) {
	tb.Helper()
	signal.Ignore(syscall.SIGXFSZ) // then such a write fails with EFBIG
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		tb.Fatal(err)
	}
	limit.Cur = min(bytes, limit.Max)
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		tb.Fatal(err)
	}
}

const unlimited = 1 << 62

// TestFailedLog makes the operating system refuse writes to the log in the middle of commits. It proves that the outcome of such a
// commit is reported as unknown, and that the store stops.
func TestFailedLog(t *testing.T) {
	path := runInChild(t)
	if path == "" {
		return
	}
	is := is.New(t)
	s := open(t, path)
	acknowledged := []checkout.Session{create(t, s, newSession(t))}
	limitFileSize(t, 1<<20)
	const callers = 8
	var mu sync.Mutex
	var unknown, refused []checkout.Session
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for tries, refusals := 0, 0; refusals < 3; tries++ {
				if tries == 10_000 {
					t.Error("the operating system does not limit the size of the log")
					return
				}
				session := newSession(t)
				_, created, err := s.Create(context.Background(), session)
				list := &acknowledged
				switch {
				case errors.Is(err, checkout.ErrOutcomeUnknown):
					wantError(t, err, sqlite3.SQLITE_IOERR, checkout.ErrOutcomeUnknown)
					list = &unknown
				case !created:
					wantError(t, err, sqlite3.SQLITE_IOERR, checkout.ErrUnavailable)
					list = &refused
					refusals++
				}
				mu.Lock()
				*list = append(*list, session)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	is.True(len(acknowledged) > 10)
	is.True(len(unknown) > 0 && len(unknown) <= callers) // the outcome of one batch is unknown, and every later call is refused
	limitFileSize(t, unlimited)                          // the disk works again, but the store stays stopped
	reopened := reopenStopped(t, s, path, acknowledged)
	for _, session := range refused {
		wantAbsent(t, reopened, session)
	}
	for _, session := range unknown { // written or not: a retry finds or creates the session
		held, _, err := reopened.Create(context.Background(), session)
		is.NoErr(err)
		is.Equal(held, session)
	}
	is.NoErr(reopened.Close())
}

// TestFailedCheckpoint makes writes to the database file fail while writes to the log succeed. So every commit is durable, and only the
// checkpoint after it fails. The store must stop then, because the next checkpoint could overwrite a log that is still needed.
func TestFailedCheckpoint(t *testing.T) {
	path := runInChild(t)
	if path == "" {
		return
	}
	is := is.New(t)
	large := func() checkout.Session {
		session := newSession(t)
		session.Description = strings.Repeat("d", 100_000)
		return session
	}
	filling := open(t, path)
	var acknowledged []checkout.Session
	for range 240 {
		acknowledged = append(acknowledged, create(t, filling, large()))
	}
	is.NoErr(filling.Close()) // now the log is empty

	s := open(t, path)
	limitFileSize(t, 16<<20)
	var refused checkout.Session
	var err error
	for err == nil {
		is.True(len(acknowledged) < 2_000) // otherwise the operating system does not limit the size of the database
		var held checkout.Session
		refused = large()
		if held, _, err = s.Create(t.Context(), refused); err == nil {
			acknowledged = append(acknowledged, held)
		}
	}
	wantError(t, err, sqlite3.SQLITE_IOERR, checkout.ErrUnavailable) // not ErrOutcomeUnknown, because no commit has failed
	is.True(strings.Contains(err.Error(), "checkpoint"))
	is.True(len(acknowledged) > 250)
	limitFileSize(t, unlimited)
	reopened := reopenStopped(t, s, path, acknowledged)
	wantAbsent(t, reopened, refused)
	is.NoErr(reopened.Close())
}

// reopenStopped checks that s has stopped, and that its Close does not shorten the log. Then it opens the file again. The new store must
// have every acknowledged session.
func reopenStopped(t *testing.T, s *sqlite.Store, path string, acknowledged []checkout.Session) *sqlite.Store {
	t.Helper()
	is := is.New(t)
	is.Helper()
	wantUnavailable(t, s, acknowledged[0])
	before, err := os.Stat(path + "-wal")
	is.NoErr(err)
	is.NoErr(s.Close())
	after, err := os.Stat(path + "-wal")
	is.NoErr(err)
	is.True(after.Size() >= before.Size()) // Close has removed nothing from the log
	reopened := open(t, path)
	for _, session := range acknowledged {
		wantStored(t, reopened, session)
	}
	return reopened
}
