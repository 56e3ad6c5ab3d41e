package postgres

import (
	"context"
	"errors"
	"sync"

	"github.com/caisse/checkout"
)

// If one row makes a batch fail, the error does not say which row. So each row is retried in a transaction of its own. Most rows
// succeed at once. Rows that another transaction has locked must not delay other rows, and must not take the connections that
// reads need. So they move to a second lane.
const (
	shortAtOnce = 2 // transactions that find out which rows are locked
	longAtOnce  = 2 // transactions that wait for locked rows
)

// retryQueue retries the rows of failed batches, each in a transaction of its own. There is one try at a time for each key or id,
// and a lane limits how many tries run at once. So one locked key takes one connection, however long it is locked and however
// many callers use it.
type retryQueue struct {
	short, long lane

	mu    sync.Mutex
	tries map[lock]*try // under way
}

// lock names what a row may have to wait for: its idempotency key or, for an update and for a create without a key, its id.
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

// try is one retry.
type try struct {
	done chan struct{} // closed at its end
	err  error         // valid once done is closed
}

// lane is a table, with a limit on how many transactions write to it at once.
type lane struct {
	table
	slots chan struct{}
}

func newRetryQueue(short, long table) *retryQueue {
	return &retryQueue{
		short: lane{short, make(chan struct{}, shortAtOnce)},
		long:  lane{long, make(chan struct{}, longAtOnce)},
		tries: make(map[lock]*try),
	}
}

// write writes a row in a batch. If that fails with errRetryRow, it retries the row in a transaction of its own, with single.
//
// While a retry with the same lock is under way, write waits for its end, because this row would delay any batch that it joins. If
// that retry did not get the lock, this row fails with the same error. If that retry failed because of its row, this row is retried
// too, without a batch. In all other cases this row joins a batch. write never returns a session that the other retry has read,
// because this caller may have come after that read.
func write[R any](ctx context.Context, l *retryQueue, on lock, batched func() (R, error), single func(table) (R, error)) (result R, err error) {
	for failed := false; ; {
		t := l.underWay(on)
		if t == nil {
			if !failed {
				if result, err = batched(); !errors.Is(err, errRetryRow) {
					return result, err
				}
			}
			var first bool
			if t, first = l.begin(on); first {
				err = l.run(ctx, on, t, func(in table) (err error) {
					result, err = single(in)
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
			if isLocked(t.err) {
				return none, t.err
			}
			failed = rowFault(t.err) // this row may be at fault too, and would fail its batch
		}
	}
}

// underWay returns the retry with this lock that is under way, or nil.
func (l *retryQueue) underWay(on lock) *try {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tries[on]
}

// begin returns the retry that is under way, or a new one that the caller must run.
func (l *retryQueue) begin(on lock) (t *try, first bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if t, ok := l.tries[on]; ok {
		return t, false
	}
	t = &try{done: make(chan struct{})}
	l.tries[on] = t
	return t, true
}

func (l *retryQueue) run(ctx context.Context, on lock, t *try, write func(table) error) error {
	defer func() { // after a panic too
		l.mu.Lock()
		delete(l.tries, on)
		l.mu.Unlock()
		close(t.done)
	}()
	t.err = l.shortThenLong(ctx, write)
	return t.err
}

func (l *retryQueue) shortThenLong(ctx context.Context, write func(table) error) error {
	ran, err := l.short.run(ctx, write)
	if !ran {
		return ctx.Err()
	}
	if !isLocked(err) {
		return err
	}
	// This limits the wait for a slot. After it, the write has its own limit for the wait for the lock.
	patience, cancel := context.WithTimeout(ctx, retryLockTimeout)
	defer cancel()
	ran, atLast := l.long.run(patience, write)
	switch {
	case ran:
		return atLast
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return err
}

// run calls write when the lane has a free slot. It reports false if ctx ends before that. ctx does not limit the write itself.
func (l lane) run(ctx context.Context, write func(table) error) (ran bool, err error) {
	select {
	case <-ctx.Done():
		return false, nil
	case l.slots <- struct{}{}:
		defer func() { <-l.slots }()
		return true, write(l.table)
	}
}
