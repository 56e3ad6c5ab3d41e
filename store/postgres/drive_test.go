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

// history records the answers of the stores while a test breaks their server or its connections.
type history struct {
	mu       sync.Mutex
	created  map[idempotency.Key]string // the acknowledged session of each key
	replaced map[string]int64           // the version of each session that Update acknowledged
	refused  map[string]int64           // the version of each session that a store refused to write, in Create or Update
	unknown  int                        // answers with an unknown outcome
	faults   []string                   // answers that break the contract
}

// driver runs callers that create and update sessions until it is stopped.
type driver struct {
	history
	callers sync.WaitGroup
	stop    context.CancelFunc
}

// drive starts eight pairs of callers, with one caller of each pair at each instance. Both callers of a pair try the same new key until
// each knows the session that the key names. The first of them then updates this session once, and the pair takes the next key.
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

// create tries until the store acknowledges the key.
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
		time.Sleep(time.Millisecond) // a client also waits, and for longer
	}
	return checkout.Session{}, false
}

// update makes a session pending. It does not retry.
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

// acknowledged waits until this number of further sessions has been acknowledged.
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

// finish stops the callers. Each of them finishes its key first.
func (d *driver) finish() {
	d.stop()
	d.callers.Wait()
}

// check compares the answers of the stores with the rows in the table. It returns every contradiction, and the faults that the
// callers have found.
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
			faults = append(faults, fmt.Sprintf("session %s was acknowledged, but its key names %q", id, ids[key]))
		}
	}
	for id, version := range d.replaced {
		if versions[id] < version {
			faults = append(faults, fmt.Sprintf("version %d of %s was acknowledged, but the table has version %d", version, id, versions[id]))
		}
	}
	for id, version := range d.refused {
		if versions[id] >= version {
			faults = append(faults, fmt.Sprintf("version %d of %s was refused as not written, but the table has version %d", version, id, versions[id]))
		}
	}
	return faults
}

// await polls until done returns true, for a minute at most. what says what the test waits for.
func await(t testing.TB, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !done(); {
		if time.Now().After(deadline) {
			t.Fatalf("waited a minute for %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// receive returns the next value of a channel. It waits for a minute at most.
func receive[T any](t testing.TB, what string, from <-chan T) (value T) {
	t.Helper()
	select {
	case value = <-from:
	case <-time.After(time.Minute):
		t.Fatalf("waited a minute for %s", what)
	}
	return value
}
