package sqlite_test

import (
	"context"
	"database/sql/driver"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/matryer/is"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/store/sqlite"
)

// withSlowDisk runs test in a synctest bubble, with a store whose commits wait until the test lets them go on. So the test controls which
// calls share a commit.
func withSlowDisk(t *testing.T, test func(t *testing.T, d *disk)) {
	path := newPath(t)
	synctest.Test(t, func(t *testing.T) {
		db, faults := faultyPool(t, path)
		d := &disk{t: t, store: migrated(t, db), flushes: make(chan func(driver.Tx) error)}
		faults.commit = func(tx driver.Tx) error {
			d.commits++
			return (<-d.flushes)(tx)
		}
		test(t, d)
	})
	wantIntact(t, path)
}

// disk simulates a slow disk: a commit waits until the test lets it go on.
type disk struct {
	t       *testing.T
	store   *sqlite.Store
	flushes chan func(tx driver.Tx) error // a commit waits for a function from here, and calls it
	commits int                           // how many commits have begun

	calls sync.WaitGroup
}

// start calls f in a goroutine. It returns when f is done or waits for a commit.
func (d *disk) start(f func()) {
	d.calls.Go(f)
	synctest.Wait()
}

// create starts a Create. The test can read its outcome after finish.
func (d *disk) create(ctx context.Context, session checkout.Session) *result {
	r := new(result)
	d.start(func() { r.session, r.created, r.err = d.store.Create(ctx, session) })
	return r
}

// occupy starts a Create whose commit waits. All later calls wait too, and share the next commit.
func (d *disk) occupy() { d.create(d.t.Context(), newSession(d.t)) }

// flush lets one commit go on. That commit calls f.
func (d *disk) flush(f func(tx driver.Tx) error) {
	d.flushes <- f
	synctest.Wait()
}

// finish lets all commits go on and waits for all calls.
func (d *disk) finish() {
	done := make(chan struct{})
	go func() {
		d.calls.Wait()
		close(done)
	}()
	for {
		select {
		case d.flushes <- commitNormally:
		case <-done:
			return
		}
	}
}

func commitNormally(tx driver.Tx) error { return tx.Commit() }

func TestGroupCommit(t *testing.T) {
	t.Run("writes all waiting calls in one transaction", func(t *testing.T) {
		withSlowDisk(t, func(t *testing.T, d *disk) {
			is := is.New(t)
			d.occupy()
			var all []*result
			for range 50 {
				all = append(all, d.create(t.Context(), newSession(t)))
			}
			d.finish()
			is.Equal(d.commits, 2)
			for _, r := range all {
				is.NoErr(r.err)
				is.True(r.created)
				wantStored(t, d.store, r.session)
			}
		})
	})
	t.Run("lets calls that arrive while a batch is being written join its transaction", func(t *testing.T) {
		path := newPath(t)
		synctest.Test(t, func(t *testing.T) {
			is := is.New(t)
			db, faults := faultyPool(t, path)
			d := &disk{t: t, store: migrated(t, db), flushes: make(chan func(driver.Tx) error)}
			proceed := make(chan struct{})
			faults.begun = func() { <-proceed }
			faults.commit = func(tx driver.Tx) error {
				d.commits++
				return (<-d.flushes)(tx)
			}
			twin, second := newSession(t), newSession(t)
			second.IdempotencyKey = twin.IdempotencyKey
			leader := d.create(t.Context(), newSession(t))
			first, again := d.create(t.Context(), twin), d.create(t.Context(), second)
			close(proceed)
			d.finish()
			is.Equal(d.commits, 1)
			for _, r := range []*result{leader, first} {
				is.NoErr(r.err)
				is.True(r.created)
				wantStored(t, d.store, r.session)
			}
			is.NoErr(again.err)
			is.True(!again.created)
			is.Equal(again.session, twin)
		})
		wantIntact(t, path)
	})
	t.Run("writes a single call at once", func(t *testing.T) {
		withSlowDisk(t, func(t *testing.T, d *disk) {
			is := is.New(t)
			start := time.Now()
			r := d.create(t.Context(), newSession(t))
			is.Equal(d.commits, 1) // the call waits only for the disk
			d.finish()
			is.NoErr(r.err)
			is.Equal(time.Since(start), time.Duration(0))
		})
	})
	t.Run("returns the session of the first call to all calls of a batch that have the same key", func(t *testing.T) {
		withSlowDisk(t, func(t *testing.T, d *disk) {
			is := is.New(t)
			d.occupy()
			key := newSession(t).IdempotencyKey
			var all []*result
			for range 20 {
				session := newSession(t)
				session.IdempotencyKey = key
				all = append(all, d.create(t.Context(), session))
			}
			d.finish()
			is.Equal(d.commits, 2)
			for i, r := range all {
				is.NoErr(r.err)
				is.Equal(r.created, i == 0)
				is.Equal(r.session, all[0].session)
			}
			_, total, err := d.store.List(t.Context(), merchant, checkout.Query{Limit: 100})
			is.NoErr(err)
			is.Equal(total, 2) // the first one and the one of occupy
		})
	})
	t.Run("gives each call the outcome of its own row", func(t *testing.T) {
		withSlowDisk(t, func(t *testing.T, d *disk) {
			is := is.New(t)
			setup := d.create(t.Context(), newSession(t))
			d.flush(commitNormally)
			is.NoErr(setup.err)
			old := setup.session

			d.occupy()
			var good []*result
			another := func() { good = append(good, d.create(t.Context(), newSession(t))) }
			another()
			sameID := newSession(t)
			sameID.ID = old.ID
			stolen := d.create(t.Context(), sameID)
			another()
			replayed := d.create(t.Context(), old)
			var lost, won, missing error
			d.start(func() { won = d.store.Update(t.Context(), nextVersion(old)) })
			d.start(func() { lost = d.store.Update(t.Context(), nextVersion(old)) })
			another()
			d.start(func() { missing = d.store.Update(t.Context(), nextVersion(newSession(t))) })
			var expired []checkout.Session
			var sweep error
			d.start(func() { expired, sweep = d.store.Expire(t.Context(), old.ExpiresAt, 1) })
			another()
			d.finish()

			is.Equal(d.commits, 3) // one for setup, one for occupy, one for all other calls
			for _, r := range good {
				is.NoErr(r.err)
				is.True(r.created)
			}
			is.True(stolen.err != nil && !stolen.created)
			is.Equal(stolen.session, checkout.Session{}) // Create shows nothing of the session that has this ID
			is.NoErr(replayed.err)
			is.Equal(replayed.session, old)
			is.NoErr(won)
			is.True(errors.Is(lost, checkout.ErrConflict))
			is.True(errors.Is(missing, checkout.ErrNotFound))
			is.NoErr(sweep)
			is.Equal(len(expired), 1)
			is.Equal(expired[0].ID, old.ID)
			is.Equal(expired[0].Version, int64(3)) // the sweep comes after the update in the batch
		})
	})
	t.Run("does not write the session of a caller that gave up before its batch was taken", func(t *testing.T) {
		withSlowDisk(t, func(t *testing.T, d *disk) {
			is := is.New(t)
			d.occupy()
			ctx, cancel := context.WithCancel(t.Context())
			quitter, other := newSession(t), newSession(t)
			quit, stayed := d.create(ctx, quitter), d.create(t.Context(), other)
			cancel()
			synctest.Wait()
			is.Equal(quit.err, context.Canceled) // it returns at once, while the disk is busy
			d.finish()
			is.NoErr(stayed.err)
			wantStored(t, d.store, other)
			wantAbsent(t, d.store, quitter)
		})
	})
	t.Run("returns the outcome to a caller that gave up after its batch was taken", func(t *testing.T) {
		withSlowDisk(t, func(t *testing.T, d *disk) {
			is := is.New(t)
			ctx, cancel := context.WithCancel(t.Context())
			r := d.create(ctx, newSession(t)) // its commit has begun
			cancel()
			synctest.Wait()
			is.Equal(*r, result{}) // the call still waits
			d.finish()
			is.NoErr(r.err)
			wantStored(t, d.store, r.session)
		})
	})
}
