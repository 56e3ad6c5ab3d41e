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

// maxBatch bounds a transaction to some 10 ms. A larger batch would gain nothing, because with 512 rows a flush of 0.1 to 1 ms
// takes less than a tenth of the transaction's time.
const maxBatch = 512

// lockWait is how long a write waits for other processes, or for a connection of the host's pool, before it gives up.
const lockWait = 5 * time.Second

// operation is one caller's write in the transaction of its batch. It stores its result in variables of the caller, which reads them
// after the commit.
type operation func(ctx context.Context, q querier, o *owners) error

// nothing is the empty value of a result: an operation returns only an error.
type nothing struct{}

// do runs op in the transaction of a batch, and returns once the batch has been committed or has failed.
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
	more    func() []operation            // takes the operations that have arrived meanwhile
	results []groupcommit.Result[nothing] // of all operations so far; the results of next come last
}

// commit writes one batch in one transaction. It has no context, because no single caller may end the batch of the others.
func (s *Store) commit(first []operation, more func() []operation) []groupcommit.Result[nothing] {
	b := &batch{next: first, more: more, results: make([]groupcommit.Result[nothing], len(first))}
	if err := s.transact(b); err != nil {
		for i := range b.results {
			b.results[i].Err = err
		}
	}
	return b.results
}

// transact writes a batch and sets its results. If it returns an error, that error is the result of every operation of the batch.
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
			// A panic in the driver leaves database/sql locked. A rollback here would wait for ever.
			s.fail(errors.New("sqlite: a panic within a transaction"))
			return
		}
		s.rollback(tx) // does nothing after a Commit
		if err != nil && s.direct != nil {
			// The pool may close this connection. If it still had open statements then, it would keep its lock on the file.
			if err := s.direct.close(conn); err != nil {
				s.fail(err)
			}
		}
		conn.Close()
	}()
	err = s.run(conn, tx, b)
	if err == nil && s.log != nil && s.broken.Load() == nil { // another caller's checkpoint may just have failed
		// The batch is committed and durable, even if this fails.
		if err := s.log.committed(context.Background(), conn); err != nil {
			s.fail(err)
		}
	}
	returned = true
	return err
}

// run runs the operations of a batch, adds those that arrive meanwhile, and commits.
func (s *Store) run(conn *sql.Conn, tx *sql.Tx, b *batch) error {
	ctx := context.Background()
	q, o := s.write.within(tx), &owners{locked: s.log != nil}
	if s.direct != nil {
		q = batchQuerier{q, conn, s.direct}
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

// begin takes a connection and begins a transaction. The transaction has the write lock of the database, unless the DSN of the host's
// pool lacks _txlock=immediate. The cancel function rolls the transaction back if it has not ended.
func (s *Store) begin() (*sql.Conn, *sql.Tx, context.CancelFunc, error) {
	ctx, cancel := context.WithCancel(context.Background())
	waiting, stop := context.WithTimeout(ctx, lockWait) // for the locks only; the transaction may take longer
	defer stop()
	conn, err := s.write.db.Conn(waiting)
	if err != nil {
		cancel()
		// Not %w: this deadline is the store's, and a caller must not take it for its own.
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

// patiently repeats f every millisecond while the file is locked, until ctx ends. SQLite's own wait polls more and more rarely, in
// the end ten times a second. A process that polls so rarely finds no gap between the transactions of another process that
// writes all the time.
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

// rollback ends a transaction that was not committed. After some errors SQLite has rolled it back already.
func (s *Store) rollback(tx *sql.Tx) {
	err := tx.Rollback()
	if err == nil || errors.Is(err, sql.ErrTxDone) || code(err) == sqlite3.SQLITE_ERROR { // no transaction is active
		return
	}
	s.fail(fmt.Errorf("sqlite: roll back: %w", err))
}

// fail stops the store: from now on every call fails with [checkout.ErrUnavailable].
func (s *Store) fail(cause error) { s.broken.CompareAndSwap(nil, &cause) }
