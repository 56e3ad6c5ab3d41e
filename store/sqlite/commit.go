package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	sqlite3 "modernc.org/sqlite/lib"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/store/internal/groupcommit"
)

// maxBatch bounds a transaction to some 10 ms. It is twice what 256 callers fill: beyond 512 rows a flush of 0.1 to 1 ms
// is less than a tenth of the transaction's time, and there is nothing left to gain.
const maxBatch = 512

// lockWait is how long a write waits for other processes, or for a connection of the host's pool, before it gives up.
const lockWait = 5 * time.Second

// operation is one caller's write in the transaction of its batch. It keeps what it has to say, for its caller to read
// once the batch has been committed: so much less is copied about.
type operation func(ctx context.Context, q querier, o *owners) error

// nothing is what a batch says of an operation, beside its error.
type nothing struct{}

// do has a batch carry op.
func (s *Store) do(ctx context.Context, op operation) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.gate.RUnlock()
	_, err := s.group.Do(ctx, op)
	if p := (*groupcommit.PanicError)(nil); errors.As(err, &p) {
		err = fmt.Errorf("sqlite: write: %w: %w", checkout.ErrOutcomeUnknown, err)
	}
	if s.log != nil {
		s.log.assist(ctx, s.fail)
	}
	return err
}

// batch is what one transaction writes.
type batch struct {
	next    []operation
	more    func() []operation            // those that have come meanwhile
	results []groupcommit.Result[nothing] // of all operations so far; those of next are the last
}

// commit writes one batch in one transaction. No context reaches it: who is in the batch waits for the outcome.
func (s *Store) commit(first []operation, more func() []operation) []groupcommit.Result[nothing] {
	b := &batch{next: first, more: more, results: make([]groupcommit.Result[nothing], len(first))}
	if err := s.transact(b); err != nil {
		for i := range b.results {
			b.results[i].Err = err
		}
	}
	return b.results
}

// transact fills in the results of a batch. Its error is that of the whole batch.
func (s *Store) transact(b *batch) (err error) {
	if err := s.usable(); err != nil {
		return err
	}
	conn, tx, cancel, err := s.begin()
	if err != nil {
		return err
	}
	defer cancel()
	returned := false
	defer func() {
		if !returned {
			// Panics in a driver leave database/sql locked, and to wait for it here would be for ever.
			s.fail(errors.New("sqlite: a panic within a transaction"))
			return
		}
		s.rollback(tx) // does nothing after a Commit
		if err != nil && s.straight != nil {
			// The pool may be about to close the connection, which would keep its lock for as long as it has statements.
			if err := s.straight.close(conn); err != nil {
				s.fail(err)
			}
		}
		conn.Close()
	}()
	err = s.run(conn, tx, b)
	if err == nil && s.log != nil && s.broken.Load() == nil { // an assist may just have failed
		// What was committed is durable, whatever becomes of the log.
		if err := s.log.committed(context.Background(), conn); err != nil {
			s.fail(err)
		}
	}
	returned = true
	return err
}

// run runs the operations of a batch, those included that come while it does, and commits.
func (s *Store) run(conn *sql.Conn, tx *sql.Tx, b *batch) error {
	ctx := context.Background()
	q, o := s.write.within(tx), &owners{locked: s.log != nil}
	if s.straight != nil {
		q = batchQuerier{q, conn, s.straight}
	}
	for len(b.next) > 0 {
		results := b.results[len(b.results)-len(b.next):]
		for i, op := range b.next {
			err := op(ctx, q, o)
			if err != nil && !ownFault(err) {
				return failed(ctx, "write", err)
			}
			results[i].Err = failed(ctx, "write", err)
		}
		b.next = b.more()
		b.results = append(b.results, make([]groupcommit.Result[nothing], len(b.next))...)
	}
	err := tx.Commit()
	if err == nil {
		return nil
	}
	if surelyUndone(err) {
		return failed(ctx, "commit", err)
	}
	s.fail(err)
	return fmt.Errorf("sqlite: commit: %w: %w", checkout.ErrOutcomeUnknown, err)
}

// begin takes a connection and the database's write lock. To cancel rolls the transaction back, unless it has ended.
func (s *Store) begin() (*sql.Conn, *sql.Tx, context.CancelFunc, error) {
	ctx, cancel := context.WithCancel(context.Background())
	waiting, stop := context.WithTimeout(ctx, lockWait) // not for the transaction, which must not end with it
	defer stop()
	conn, err := s.write.db.Conn(waiting)
	if err != nil {
		cancel()
		// Not %w: it is the deadline of waiting, which a caller must not take for one of its own.
		return nil, nil, nil, fmt.Errorf("sqlite: get a connection: %w: %v", checkout.ErrUnavailable, err)
	}
	var tx *sql.Tx
	err = patiently(waiting, func() (err error) {
		tx, err = conn.BeginTx(ctx, nil)
		return err
	})
	if err != nil {
		err = failed(ctx, "begin", err)
		conn.Close()
		cancel()
		return nil, nil, nil, err
	}
	return conn, tx, cancel, nil
}

// patiently calls f again while it finds the file locked, until ctx ends. SQLite's own wait polls ever more rarely, ten
// times a second in the end, and where two processes write all the time the one that waits so seldom finds the gap. So
// the connections of Open wait a short while only, and begin anew.
func patiently(ctx context.Context, f func() error) error {
	for {
		err := f()
		if !locked(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(time.Millisecond):
		}
	}
}

// rollback ends a transaction that did not come to its commit. Most errors have ended it already.
func (s *Store) rollback(tx *sql.Tx) {
	err := tx.Rollback()
	if err == nil || errors.Is(err, sql.ErrTxDone) || code(err) == sqlite3.SQLITE_ERROR { // no transaction is active
		return
	}
	s.fail(fmt.Errorf("sqlite: roll back: %w", err))
}

// fail makes the store answer nothing any more.
func (s *Store) fail(cause error) { s.broken.CompareAndSwap(nil, &cause) }
