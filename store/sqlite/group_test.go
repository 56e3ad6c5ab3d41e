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

// batches runs test in a bubble with a store whose commits wait to be let through, so that a test knows which calls
// share one.
func batches(t *testing.T, test func(t *testing.T, d *disk)) {
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
	sound(t, path)
}

// disk is where commits wait.
type disk struct {
	t       *testing.T
	store   *sqlite.Store
	flushes chan func(tx driver.Tx) error
	commits int

	calls sync.WaitGroup
}

// start calls f in a goroutine, and returns when that waits for a commit, its own or that of others, or is done.
func (d *disk) start(f func()) {
	d.calls.Go(f)
	synctest.Wait()
}

// create starts a Create, whose outcome is there after finish.
func (d *disk) create(ctx context.Context, session checkout.Session) *result {
	r := new(result)
	d.start(func() { r.session, r.created, r.err = d.store.Create(ctx, session) })
	return r
}

// hold makes a first call whose commit waits, so that those after it share the next.
func (d *disk) hold() { d.create(d.t.Context(), fresh(d.t)) }

// flush lets one commit through, by way of f.
func (d *disk) flush(f func(tx driver.Tx) error) {
	d.flushes <- f
	synctest.Wait()
}

// finish lets all commits through and waits for all calls.
func (d *disk) finish() {
	done := make(chan struct{})
	go func() {
		d.calls.Wait()
		close(done)
	}()
	for {
		select {
		case d.flushes <- through:
		case <-done:
			return
		}
	}
}

func through(tx driver.Tx) error { return tx.Commit() }

func TestGroupCommit(t *testing.T) {
	t.Run("writes what waits in one transaction", func(t *testing.T) {
		batches(t, func(t *testing.T, d *disk) {
			is := is.New(t)
			d.hold()
			var all []*result
			for range 50 {
				all = append(all, d.create(t.Context(), fresh(t)))
			}
			d.finish()
			is.Equal(d.commits, 2)
			for _, r := range all {
				is.NoErr(r.err)
				is.True(r.created)
				kept(t, d.store, r.session)
			}
		})
	})
	t.Run("writes who comes while it is being written in the same transaction", func(t *testing.T) {
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
			twin, second := fresh(t), fresh(t)
			second.IdempotencyKey = twin.IdempotencyKey
			leader := d.create(t.Context(), fresh(t))
			first, again := d.create(t.Context(), twin), d.create(t.Context(), second)
			close(proceed)
			d.finish()
			is.Equal(d.commits, 1)
			for _, r := range []*result{leader, first} {
				is.NoErr(r.err)
				is.True(r.created)
				kept(t, d.store, r.session)
			}
			is.NoErr(again.err)
			is.True(!again.created)
			is.Equal(again.session, twin)
		})
		sound(t, path)
	})
	t.Run("writes a lone call at once", func(t *testing.T) {
		batches(t, func(t *testing.T, d *disk) {
			is := is.New(t)
			start := time.Now()
			r := d.create(t.Context(), fresh(t))
			is.Equal(d.commits, 1) // it waits for the disk only
			d.finish()
			is.NoErr(r.err)
			is.Equal(time.Since(start), time.Duration(0))
		})
	})
	t.Run("resolves duplicates within a batch to the first", func(t *testing.T) {
		batches(t, func(t *testing.T, d *disk) {
			is := is.New(t)
			d.hold()
			key := fresh(t).IdempotencyKey
			var all []*result
			for range 20 {
				session := fresh(t)
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
			is.Equal(total, 2) // the first and that of hold
		})
	})
	t.Run("gives each call the outcome of its own row", func(t *testing.T) {
		batches(t, func(t *testing.T, d *disk) {
			is := is.New(t)
			setup := d.create(t.Context(), fresh(t))
			d.flush(through)
			is.NoErr(setup.err)
			old := setup.session

			d.hold()
			var good []*result
			mate := func() { good = append(good, d.create(t.Context(), fresh(t))) }
			mate()
			thief := fresh(t)
			thief.ID = old.ID
			stolen := d.create(t.Context(), thief)
			mate()
			replayed := d.create(t.Context(), old)
			var lost, won, missing error
			d.start(func() { won = d.store.Update(t.Context(), next(old)) })
			d.start(func() { lost = d.store.Update(t.Context(), next(old)) })
			mate()
			d.start(func() { missing = d.store.Update(t.Context(), next(fresh(t))) })
			var expired []checkout.Session
			var sweep error
			d.start(func() { expired, sweep = d.store.Expire(t.Context(), old.ExpiresAt, 1) })
			mate()
			d.finish()

			is.Equal(d.commits, 3) // all of them in one
			for _, r := range good {
				is.NoErr(r.err)
				is.True(r.created)
			}
			is.True(stolen.err != nil && !stolen.created)
			is.Equal(stolen.session, checkout.Session{}) // nothing of another's session is shown
			is.NoErr(replayed.err)
			is.Equal(replayed.session, old)
			is.NoErr(won)
			is.True(errors.Is(lost, checkout.ErrConflict))
			is.True(errors.Is(missing, checkout.ErrNotFound))
			is.NoErr(sweep)
			is.Equal(len(expired), 1)
			is.Equal(expired[0].ID, old.ID)
			is.Equal(expired[0].Version, int64(3)) // after the update that was before it in the batch
		})
	})
	t.Run("does not write for who gave up before the batch was taken", func(t *testing.T) {
		batches(t, func(t *testing.T, d *disk) {
			is := is.New(t)
			d.hold()
			ctx, cancel := context.WithCancel(t.Context())
			quitter, mate := fresh(t), fresh(t)
			quit, stayed := d.create(ctx, quitter), d.create(t.Context(), mate)
			cancel()
			synctest.Wait()
			is.Equal(quit.err, context.Canceled) // at once, while the disk is busy
			d.finish()
			is.NoErr(stayed.err)
			kept(t, d.store, mate)
			absent(t, d.store, quitter)
		})
	})
	t.Run("tells who gives up later what became of it", func(t *testing.T) {
		batches(t, func(t *testing.T, d *disk) {
			is := is.New(t)
			ctx, cancel := context.WithCancel(t.Context())
			r := d.create(ctx, fresh(t)) // its commit has begun
			cancel()
			synctest.Wait()
			is.Equal(*r, result{}) // it waits
			d.finish()
			is.NoErr(r.err)
			kept(t, d.store, r.session)
		})
	})
}
