package controls

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/faults/stores"
	"github.com/caisse/checkout/idempotency"
	"github.com/caisse/checkout/store/postgres"
	"github.com/caisse/checkout/store/sqlite"
)

// checkThenInsert checks that a key is free, and inserts later, when another caller may have inserted it too.
type checkThenInsert struct{ *shelf }

func (c checkThenInsert) Create(ctx context.Context, s checkout.Session) (checkout.Session, bool, error) {
	if held, err := c.GetByKey(ctx, s.Account, s.IdempotencyKey); err == nil {
		return held, false, nil
	}
	others()
	c.put(inUTC(s))
	return inUTC(s), true, nil
}

// compareThenSwap compares the version, and writes later, when another caller may have written too.
type compareThenSwap struct{ *shelf }

func (c compareThenSwap) Update(ctx context.Context, s checkout.Session) error {
	was, err := c.Get(ctx, s.Account, s.ID)
	if err != nil {
		return err
	}
	if !c.follows(was, s) {
		return checkout.ErrConflict
	}
	others()
	c.put(inUTC(s))
	return nil
}

// selectThenExpire selects sessions that are due, and expires them later, when another caller may have changed them.
type selectThenExpire struct{ *shelf }

func (e selectThenExpire) Expire(_ context.Context, now time.Time, limit int) ([]checkout.Session, error) {
	e.mu.Lock()
	due := e.longestDue(now, limit)
	e.mu.Unlock()
	others()
	for i := range due {
		due[i] = e.expired(due[i])
		e.put(due[i])
	}
	return due, nil
}

// replica answers every second read of a session with its state before the last change.
type replica struct {
	*shelf
	old   map[string]checkout.Session
	reads int
}

func (r *replica) Update(ctx context.Context, s checkout.Session) error {
	was, getErr := r.shelf.Get(ctx, s.Account, s.ID)
	err := r.shelf.Update(ctx, s)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil && getErr == nil {
		r.old[s.ID] = was
	}
	return err
}

func (r *replica) Get(ctx context.Context, account checkout.Account, id string) (checkout.Session, error) {
	s, err := r.shelf.Get(ctx, account, id)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reads++
	if old, ok := r.old[id]; ok && err == nil && r.reads%2 == 0 {
		return old, nil
	}
	return s, err
}

// unindexedSQLite is this module's store on a database whose unique index somebody has dropped.
func unindexedSQLite(tb testing.TB) checkout.Store {
	tb.Helper()
	dsn := "file:" + filepath.Join(tb.TempDir(), "checkouts.db") + "?_journal_mode=WAL&_synchronous=FULL&_busy_timeout=5000&_txlock=immediate"
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { db.Close() })
	if err := sqlite.Migrate(tb.Context(), db); err != nil {
		tb.Fatal(err)
	}
	if _, err := db.ExecContext(tb.Context(), "DROP INDEX checkout_sessions_key"); err != nil {
		tb.Fatal(err)
	}
	store, err := sqlite.New(db)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { store.Close() })
	return store
}

// unindexedPostgres is this module's store on a table whose unique index somebody has dropped.
func unindexedPostgres(tb testing.TB) checkout.Store {
	tb.Helper()
	pool, err := pgxpool.New(tb.Context(), stores.New(tb, stores.Postgres, "synchronous_commit=off").Address)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(pool.Close)
	if err := postgres.Migrate(tb.Context(), pool); err != nil {
		tb.Fatal(err)
	}
	if _, err := pool.Exec(tb.Context(), "ALTER TABLE checkout_sessions DROP CONSTRAINT checkout_sessions_key"); err != nil {
		tb.Fatal(err)
	}
	store, err := postgres.New(pool)
	if err != nil {
		tb.Fatal(err)
	}
	return store
}

// early acknowledges a session before it is on disk. The third write after it brings it to the disk. Reads see it at once.
type early struct {
	*shelf
	disk    *shelf
	waiting []checkout.Session
}

func (e *early) Create(ctx context.Context, s checkout.Session) (checkout.Session, bool, error) {
	held, created, err := e.shelf.Create(ctx, s)
	e.flush(held, created && err == nil)
	return held, created, err
}

func (e *early) Update(ctx context.Context, s checkout.Session) error {
	err := e.shelf.Update(ctx, s)
	e.flush(s, err == nil)
	return err
}

func (e *early) Expire(ctx context.Context, now time.Time, limit int) ([]checkout.Session, error) {
	moved, err := e.shelf.Expire(ctx, now, limit)
	for _, s := range moved {
		e.flush(s, true)
	}
	return moved, err
}

func (e *early) flush(s checkout.Session, changed bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if changed {
		e.waiting = append(e.waiting, s)
	}
	for len(e.waiting) > 3 {
		e.disk.put(e.waiting[0])
		e.waiting = e.waiting[1:]
	}
}

// inTwo writes a session's row and its key in two steps. A crash may come between them.
type inTwo struct {
	*shelf
	last string // the session whose key is not on disk yet
}

func (i *inTwo) Create(ctx context.Context, s checkout.Session) (checkout.Session, bool, error) {
	held, created, err := i.shelf.Create(ctx, s)
	i.mu.Lock()
	defer i.mu.Unlock()
	if created {
		i.last = held.ID
	}
	return held, created, err
}

// crash returns the store after a crash, with the last row lacking its key.
func (i *inTwo) crash() checkout.Store {
	i.mu.Lock()
	defer i.mu.Unlock()
	if s := i.find(func(s *checkout.Session) bool { return s.ID == i.last }); s != nil {
		s.IdempotencyKey, s.Fingerprint = "", idempotency.Fingerprint{}
	}
	return i.shelf
}

// wrong calls fail for every nth create or update. fail decides whether the write is made, and what its caller gets.
type wrong struct {
	*shelf
	writes int
	nth    int
	fail   func(write func() error) error
}

func (w *wrong) write(f func() error) error {
	w.mu.Lock()
	w.writes++
	fails := w.writes%w.nth == 0
	w.mu.Unlock()
	if fails {
		return w.fail(f)
	}
	return f()
}

func (w *wrong) Create(ctx context.Context, s checkout.Session) (held checkout.Session, created bool, err error) {
	held, created = inUTC(s), true // the answer if a mistake skips the write
	err = w.write(func() (err error) {
		held, created, err = w.shelf.Create(ctx, s)
		return err
	})
	if err != nil {
		return checkout.Session{}, false, err
	}
	return held, created, nil
}

func (w *wrong) Update(ctx context.Context, s checkout.Session) error {
	return w.write(func() error { return w.shelf.Update(ctx, s) })
}

// says returns a fail that makes the write, and then returns err although the write succeeded.
func says(err error) func(func() error) error {
	return func(write func() error) error {
		if failed := write(); failed != nil {
			return failed
		}
		return fmt.Errorf("the answer did not come: %w", err)
	}
}
