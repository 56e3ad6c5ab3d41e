package sqlite_test

import (
	"bufio"
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/idempotency"
	"github.com/caisse/checkout/store/sqlite"
)

// The test binary runs itself as a child process that a test can kill. These environment variables tell the child what to do.
const (
	childRole = "CHECKOUT_SQLITE_CHILD"
	childPath = "CHECKOUT_SQLITE_PATH"
	childFrom = "CHECKOUT_SQLITE_FROM"
)

func TestMain(m *testing.M) {
	role := os.Getenv(childRole)
	if role == "" {
		os.Exit(m.Run())
	}
	var from int64
	if _, err := fmt.Sscan(os.Getenv(childFrom), &from); err != nil {
		panic(err)
	}
	if err := runChild(role, os.Getenv(childPath), from); err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
}

// roles are the points at which a child kills itself: in its first create, in a migration, or in its first sweep. There are also the
// roles "create" and "sweep", in which a child does not kill itself.
var roles = map[string]func(f *faultyConnector){
	"die before the insert":           func(f *faultyConnector) { f.begun = die },
	"die between insert and commit":   func(f *faultyConnector) { f.commit = func(driver.Tx) error { die(); return nil } },
	"die after commit, before answer": func(f *faultyConnector) { f.commit = func(tx driver.Tx) error { _ = tx.Commit(); die(); return nil } },
	"die within a migration":          func(f *faultyConnector) { f.query = dieAt("INSERT INTO checkout_migrations") },
	"die before a migration's commit": func(f *faultyConnector) { f.query = dieAt("COMMIT") },
	"die before a sweep's commit":     func(f *faultyConnector) { f.commit = func(driver.Tx) error { die(); return nil } },
	"die after a sweep's commit":      func(f *faultyConnector) { f.commit = func(tx driver.Tx) error { _ = tx.Commit(); die(); return nil } },
}

// die ends the process as kill -9 does: it flushes and closes nothing and runs no deferred function.
func die() {
	if p, err := os.FindProcess(os.Getpid()); err == nil {
		_ = p.Kill()
	}
	select {}
}

// dieAt returns a hook that ends the process at the first query that begins with statement.
func dieAt(statement string) func(string) {
	return func(query string) {
		if strings.HasPrefix(query, statement) {
			die()
		}
	}
}

// runChild does what the role says. It prints a line for each outcome that the store has acknowledged: "session", the number and the
// ID, or "expired", 0 and the ID.
func runChild(role, path string, from int64) error {
	ctx := context.Background()
	if hook := roles[role]; hook != nil {
		db, faults, err := newFaultyPool(path)
		if err != nil {
			return err
		}
		migrating := strings.Contains(role, "migration")
		if migrating {
			hook(faults)
		}
		if err := sqlite.Migrate(ctx, db); err != nil {
			return err
		}
		s, err := sqlite.New(db)
		if err != nil {
			return err
		}
		if !migrating {
			hook(faults)
		}
		if strings.Contains(role, "sweep") {
			return sweep(ctx, s)
		}
		return createNumbered(ctx, s, from)
	}
	s, err := sqlite.Open(ctx, path)
	if err != nil {
		return err
	}
	if role == "sweep" {
		return errors.Join(sweep(ctx, s), s.Close())
	}
	const callers = 16
	var next atomic.Int64
	next.Store(from)
	errs := make(chan error, callers)
	for range callers {
		go func() {
			for {
				if err := createNumbered(ctx, s, next.Add(1)-1); err != nil {
					errs <- err
					return
				}
			}
		}()
	}
	return <-errs
}

// createNumbered creates session n and prints its line.
func createNumbered(ctx context.Context, s checkout.Store, n int64) error {
	held, _, err := s.Create(ctx, numberedSession(n))
	if err != nil {
		return err
	}
	_, err = fmt.Printf("session %d %s\n", n, held.ID) // in one write, so that the lines of several goroutines do not mix
	return err
}

// sweep expires all sessions, three at a time, and prints a line for each.
func sweep(ctx context.Context, s checkout.Store) error {
	for {
		expired, err := s.Expire(ctx, time.Now().Add(time.Hour), 3)
		if err != nil || len(expired) == 0 {
			return err
		}
		for _, session := range expired {
			fmt.Println("expired", 0, session.ID)
		}
	}
}

// numberedSession returns a session for the number n. All sessions for one number have the same key, and each has its own ID.
func numberedSession(n int64) checkout.Session {
	session, err := makeSession()
	if err != nil {
		panic(err)
	}
	session.IdempotencyKey = numberedKey(n)
	return session
}

func numberedKey(n int64) idempotency.Key {
	return idempotency.Key(uuid.NewSHA1(uuid.NameSpaceOID, fmt.Append(nil, n)).String())
}

// child is a process that executes runChild.
type child struct {
	tb   testing.TB
	cmd  *exec.Cmd
	done chan struct{} // closed when its output has ended

	mu    sync.Mutex
	lines []string
	news  *sync.Cond // signals a new line or the end of the output
}

func startChild(tb testing.TB, role, path string, from int64) *child {
	tb.Helper()
	c := &child{tb: tb, cmd: exec.Command(os.Args[0]), done: make(chan struct{})}
	c.news = sync.NewCond(&c.mu)
	c.cmd.Env = append(os.Environ(), childRole+"="+role, childPath+"="+path, fmt.Sprint(childFrom, "=", from))
	c.cmd.Stderr = os.Stderr
	out, err := c.cmd.StdoutPipe()
	if err == nil {
		err = c.cmd.Start()
	}
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { c.kill() })
	go c.listen(out)
	return c
}

func (c *child) listen(out io.Reader) {
	defer func() {
		close(c.done)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.news.Broadcast()
	}()
	for r := bufio.NewReader(out); ; {
		line, err := r.ReadString('\n')
		c.mu.Lock()
		if err == nil { // an incomplete line is no acknowledgement
			c.lines = append(c.lines, strings.TrimSpace(line))
			c.news.Broadcast()
		}
		c.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// awaitLines waits until the child has written n lines or has ended. It returns the number of its lines.
func (c *child) awaitLines(n int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.lines) < n {
		select {
		case <-c.done:
			return len(c.lines)
		default:
			c.news.Wait()
		}
	}
	return len(c.lines)
}

// wait waits until the child has ended, and returns its lines.
func (c *child) wait() []string {
	<-c.done
	_ = c.cmd.Wait() // returns an error for a killed process, which is expected
	return c.lines
}

// kill kills the child and returns its lines.
func (c *child) kill() []string {
	_ = c.cmd.Process.Kill()
	return c.wait()
}
