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

// alone runs the test again in a process of its own, with the path of a new database, for a test that spoils more than its
// own affairs. It returns "" to the test that waits for that.
func alone(t *testing.T) (path string) {
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
	sound(t, path)
	return ""
}

// growNoFurther makes writes beyond so many bytes of a file fail, in all of the process.
func growNoFurther(tb testing.TB, bytes uint64) {
	tb.Helper()
	signal.Ignore(syscall.SIGXFSZ) // then they fail with EFBIG
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

// TestFailedLog makes writes of the log fail in earnest, in the middle of commits.
func TestFailedLog(t *testing.T) {
	path := alone(t)
	if path == "" {
		return
	}
	is := is.New(t)
	s := open(t, path)
	acknowledged := []checkout.Session{create(t, s, fresh(t))}
	growNoFurther(t, 1<<20)
	const callers = 8
	var mu sync.Mutex
	var unknown, refused []checkout.Session
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for refusals := 0; refusals < 3; {
				session := fresh(t)
				_, created, err := s.Create(context.Background(), session)
				list := &acknowledged
				switch {
				case errors.Is(err, checkout.ErrOutcomeUnknown):
					fails(t, err, sqlite3.SQLITE_IOERR, checkout.ErrOutcomeUnknown)
					list = &unknown
				case !created:
					fails(t, err, sqlite3.SQLITE_IOERR, checkout.ErrUnavailable)
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
	is.True(len(unknown) > 0 && len(unknown) <= callers) // one batch, and everything after it is refused
	growNoFurther(t, unlimited)                          // the disk is well again, and the store does not trust it
	reopened := mistrusted(t, s, path, acknowledged)
	for _, session := range refused {
		absent(t, reopened, session)
	}
	for _, session := range unknown { // there or not, a retry finds out
		held, _, err := reopened.Create(context.Background(), session)
		is.NoErr(err)
		is.Equal(held, session)
	}
	is.NoErr(reopened.Close())
}

// TestFailedCheckpoint makes writes of the database file fail while those of the log succeed, so that commits are good and
// only the checkpoint after them is not.
func TestFailedCheckpoint(t *testing.T) {
	path := alone(t)
	if path == "" {
		return
	}
	is := is.New(t)
	large := func() checkout.Session {
		session := fresh(t)
		session.Description = strings.Repeat("d", 100_000)
		return session
	}
	filling := open(t, path)
	var acknowledged []checkout.Session
	for range 240 {
		acknowledged = append(acknowledged, create(t, filling, large()))
	}
	is.NoErr(filling.Close()) // the log is empty

	s := open(t, path)
	growNoFurther(t, 16<<20)
	var refused checkout.Session
	var err error
	for err == nil {
		var held checkout.Session
		refused = large()
		if held, _, err = s.Create(t.Context(), refused); err == nil {
			acknowledged = append(acknowledged, held)
		}
	}
	fails(t, err, sqlite3.SQLITE_IOERR, checkout.ErrUnavailable) // and not unknown: no commit has failed
	is.True(strings.Contains(err.Error(), "checkpoint"))
	is.True(len(acknowledged) > 250)
	growNoFurther(t, unlimited)
	reopened := mistrusted(t, s, path, acknowledged)
	absent(t, reopened, refused)
	is.NoErr(reopened.Close())
}

// mistrusted wants s to answer nothing, and to leave the log behind as it is when it is closed, so that the store that is opened
// next moves all of it into the database file anew. That one must have what was acknowledged.
func mistrusted(t *testing.T, s *sqlite.Store, path string, acknowledged []checkout.Session) *sqlite.Store {
	t.Helper()
	is := is.New(t)
	is.Helper()
	unavailable(t, s, acknowledged[0])
	before, err := os.Stat(path + "-wal")
	is.NoErr(err)
	is.NoErr(s.Close())
	after, err := os.Stat(path + "-wal")
	is.NoErr(err)
	is.True(after.Size() >= before.Size()) // nothing of the log was thrown away
	reopened := open(t, path)
	for _, session := range acknowledged {
		kept(t, reopened, session)
	}
	return reopened
}
