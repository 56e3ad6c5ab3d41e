package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/idempotency"
	"github.com/jackc/pgx/v5/pgxpool"
)

// history is what the stores said while something went on with their server.
type history struct {
	mu       sync.Mutex
	created  map[idempotency.Key]string // the session that was acknowledged for each key
	replaced map[string]int64           // the version of each session that was acknowledged by Update
	refused  map[string]int64           // and those versions, of Create and Update, that were surely not written
	unknown  int                        // answers that left it open
	faults   []string                   // answers that no store may give
}

// driver has callers create and update sessions until it is stopped.
type driver struct {
	history
	callers sync.WaitGroup
	stop    context.CancelFunc
}

// drive starts eight pairs of callers. Each pair comes with one new key after another, one caller to each of two
// instances, and goes on with a key until both know the session that it names. Then one of them updates it once.
func drive(ctx context.Context, instances [2]checkout.Store) *driver {
	d := &driver{history: history{
		created:  make(map[idempotency.Key]string),
		replaced: make(map[string]int64),
		refused:  make(map[string]int64),
	}}
	running, stop := context.WithCancel(ctx)
	d.stop = stop
	for range 8 {
		d.callers.Go(func() {
			for running.Err() == nil {
				key := newSession().IdempotencyKey
				var pair sync.WaitGroup
				for i, store := range instances {
					pair.Go(func() {
						if held, ok := d.create(ctx, store, key); ok && i == 0 {
							d.update(ctx, store, held)
						}
					})
				}
				pair.Wait()
			}
		})
	}
	return d
}

// create goes on until the store acknowledges the key.
func (d *driver) create(ctx context.Context, store checkout.Store, key idempotency.Key) (checkout.Session, bool) {
	for ctx.Err() == nil {
		s := newSession()
		s.IdempotencyKey = key
		held, _, err := store.Create(ctx, s)
		d.mu.Lock()
		switch first := d.created[key]; {
		case err == nil && (first == "" || first == held.ID):
			d.created[key] = held.ID
		case err == nil:
			d.faults = append(d.faults, fmt.Sprintf("one key names both %s and %s", first, held.ID))
		case errors.Is(err, checkout.ErrUnavailable):
			d.refused[s.ID] = 1
		case errors.Is(err, checkout.ErrOutcomeUnknown):
			d.unknown++
		default:
			d.faults = append(d.faults, err.Error())
		}
		d.mu.Unlock()
		if err == nil {
			return held, true
		}
		time.Sleep(time.Millisecond) // as a client would, only longer
	}
	return checkout.Session{}, false
}

// update makes a session pending, and does not try again.
func (d *driver) update(ctx context.Context, store checkout.Store, s checkout.Session) {
	s.Version, s.Status = 2, checkout.StatusPending
	err := store.Update(ctx, s)
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case err == nil:
		d.replaced[s.ID] = 2
	case errors.Is(err, checkout.ErrUnavailable):
		d.refused[s.ID] = 2
	case errors.Is(err, checkout.ErrOutcomeUnknown):
		d.unknown++
	default:
		d.faults = append(d.faults, err.Error())
	}
}

// acknowledged waits for so many more sessions to be acknowledged.
func (d *driver) acknowledged(t *testing.T, more int) {
	t.Helper()
	count := func() int {
		d.mu.Lock()
		defer d.mu.Unlock()
		return len(d.created)
	}
	want := count() + more
	await(t, fmt.Sprintf("%d sessions to be acknowledged", want), func() bool { return count() >= want })
}

// finish stops the callers, once each has finished with its key.
func (d *driver) finish() {
	d.stop()
	d.callers.Wait()
}

// check compares what the stores said with what is there, and returns what does not fit.
func (d *driver) check(t *testing.T, pool *pgxpool.Pool) (faults []string) {
	t.Helper()
	rows, err := pool.Query(t.Context(), "select idempotency_key, id, version from checkout_sessions")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	faults = append(faults, d.faults...)
	ids, versions := make(map[idempotency.Key]string), make(map[string]int64)
	for rows.Next() {
		var (
			key, id string
			version int64
		)
		if err := rows.Scan(&key, &id, &version); err != nil {
			t.Fatal(err)
		}
		ids[idempotency.Key(key)], versions[id] = id, version
	}
	if rows.Err() != nil {
		t.Fatal(rows.Err())
	}
	for key, id := range d.created {
		if ids[key] != id {
			faults = append(faults, fmt.Sprintf("session %s was acknowledged, and its key names %q", id, ids[key]))
		}
	}
	for id, version := range d.replaced {
		if versions[id] < version {
			faults = append(faults, fmt.Sprintf("version %d of %s was acknowledged, and %d is kept", version, id, versions[id]))
		}
	}
	for id, version := range d.refused {
		if versions[id] >= version {
			faults = append(faults, fmt.Sprintf("version %d of %s was surely not written, and %d is kept", version, id, versions[id]))
		}
	}
	return faults
}

// await waits for what a server does in its own time.
func await(t testing.TB, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !done(); {
		if time.Now().After(deadline) {
			t.Fatalf("waited a minute for %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}
