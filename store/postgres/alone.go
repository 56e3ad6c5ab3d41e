package postgres

import (
	"context"
	"errors"
	"sync"

	"github.com/caisse/checkout"
)

// A row goes alone because something is wrong with it or with a row that it came with, and which of them is not known.
// Most are fine and take a moment; those that another transaction holds must not be in their way, nor take the
// connections of reads.
const (
	briefAtOnce   = 2 // to find out which rows are held
	patientAtOnce = 2 // to wait for those
)

// lone writes rows one by one that could not go with a batch: one try at a time for each lock, and so many at once for
// all of them. However long a key is held and however many come with it, they take one connection.
type lone struct {
	brief, patient lane

	mu    sync.Mutex
	tries map[lock]*try // under way
}

// lock is what a row may have to wait for: its key, or, for an update or where there is no key, its id.
type lock struct {
	scopedKey
	id string
}

func lockOfCreate(s *checkout.Session) lock {
	if s.IdempotencyKey == "" {
		return lockOfUpdate(s)
	}
	return lock{scopedKey: keyOf(s)}
}

func lockOfUpdate(s *checkout.Session) lock { return lock{id: s.ID} }

// try is a row on its way alone.
type try struct {
	done chan struct{}
	err  error // once it is done
}

// lane is a table that only so many write at once.
type lane struct {
	table
	slots chan struct{}
}

func newLone(brief, patient table) *lone {
	return &lone{
		brief:   lane{brief, make(chan struct{}, briefAtOnce)},
		patient: lane{patient, make(chan struct{}, patientAtOnce)},
		tries:   make(map[lock]*try),
	}
}

// write writes a row with a batch, or alone where that settles nothing. While another row is on its way alone that needs
// the same lock, it waits for that one, outside of batches that it would hold up: if the lock stays held it is for both,
// and as soon as it is free a batch does for all who waited. What the other one read is not for this one, who may have
// come after it was read.
func write[R any](ctx context.Context, l *lone, on lock, batched func() (R, error), alone func(table) (R, error)) (result R, err error) {
	for failed := false; ; {
		t := l.underWay(on)
		if t == nil {
			if !failed {
				if result, err = batched(); !errors.Is(err, errAlone) {
					return result, err
				}
			}
			var first bool
			if t, first = l.begin(on); first {
				err = l.run(ctx, on, t, func(in table) (err error) {
					result, err = alone(in)
					return err
				})
				return result, err
			}
		}
		var none R
		select {
		case <-ctx.Done():
			return none, ctx.Err()
		case <-t.done:
			if isHeld(t.err) {
				return none, t.err
			}
			failed = rowFault(t.err) // so may this one, and had better not go with a batch
		}
	}
}

// underWay returns nil if no row is on its way alone that needs the lock.
func (l *lone) underWay(on lock) *try {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tries[on]
}

// begin returns the try that is under way, or a new one, which is then the caller's to run.
func (l *lone) begin(on lock) (t *try, first bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if t, ok := l.tries[on]; ok {
		return t, false
	}
	t = &try{done: make(chan struct{})}
	l.tries[on] = t
	return t, true
}

func (l *lone) run(ctx context.Context, on lock, t *try, write func(table) error) error {
	defer func() { // after a panic too
		l.mu.Lock()
		delete(l.tries, on)
		l.mu.Unlock()
		close(t.done)
	}()
	t.err = l.briefThenPatient(ctx, write)
	return t.err
}

func (l *lone) briefThenPatient(ctx context.Context, write func(table) error) error {
	ran, err := l.brief.run(ctx, write)
	if !ran {
		return ctx.Err()
	}
	if !isHeld(err) {
		return err
	}
	// Where others wait for locks already, waiting for them is waiting too.
	patience, cancel := context.WithTimeout(ctx, loneLockTimeout)
	defer cancel()
	ran, atLast := l.patient.run(patience, write)
	switch {
	case ran:
		return atLast
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return err
}

// run reports false if ctx ended before it was this one's turn. It does not bound the write.
func (l lane) run(ctx context.Context, write func(table) error) (ran bool, err error) {
	select {
	case <-ctx.Done():
		return false, nil
	case l.slots <- struct{}{}:
		defer func() { <-l.slots }()
		return true, write(l.table)
	}
}
