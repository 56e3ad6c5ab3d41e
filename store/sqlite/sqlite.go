package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/idempotency"
	"github.com/caisse/checkout/store/internal/groupcommit"
)

// Store keeps sessions in a SQLite database. It is made by [Open] or [New] and is safe for concurrent use.
type Store struct {
	write, read *pool
	group       *groupcommit.Group[operation, nothing]
	log         *writeAheadLog // nil on the host's own pool
	direct      *directExec    // nil on the host's own pool

	gate   sync.RWMutex // every call locks it for reading, Close for writing
	closed bool
	broken atomic.Pointer[error] // the reason why every call fails; nil while the store works
}

var _ checkout.Store = (*Store)(nil)

// New returns a store on the host's own pool. The database must have the store's tables: call [Migrate] before, or apply [Migrations]
// with a migration system of your own. New does not change the schema, and Close leaves the pool open.
//
// The settings must be in the pool's DSN, because a PRAGMA that is executed changes one connection only:
//
//	db, err := sql.Open("sqlite", "file:app.db?_journal_mode=WAL&_synchronous=FULL&_busy_timeout=5000&_txlock=immediate")
//
// If a pool has neither _busy_timeout nor _txlock=immediate, a write fails at once with [checkout.ErrUnavailable] while another write is
// under way. With more than some 100,000 sessions, set a page cache that is larger than SQLite's 2 MB, such as
// _pragma=cache_size(-65536).
//
// SQLite makes the checkpoints of such a pool by itself, and does not report a flush that fails in a checkpoint. Sessions that were
// acknowledged long before may then be lost. A store that Open made makes its own checkpoints and stops at such an error. To get the same
// on your pool, add _pragma=wal_autocheckpoint(0) to the DSN, execute PRAGMA wal_checkpoint(TRUNCATE) once a minute, and stop writing if
// it fails.
//
// New reads the settings of one connection. It refuses settings that can lose acknowledged sessions: synchronous below FULL, and a
// journal that is off or in memory. It accepts a database in memory, for tests. Call db.SetMaxOpenConns(1) for that, because each
// connection to :memory: has a database of its own.
func New(db *sql.DB) (*Store, error) {
	ctx := context.Background()
	if err := checkDurable(ctx, db); err != nil {
		return nil, err
	}
	p, err := newPool(ctx, db, slices.Concat(writes, reads))
	if err != nil {
		return nil, err
	}
	return newStore(p, p, nil), nil
}

func newStore(write, read *pool, log *writeAheadLog) *Store {
	s := &Store{write: write, read: read, log: log}
	if log != nil {
		s.direct = new(directExec)
	}
	s.group = groupcommit.NewGrowing(groupcommit.Limits{Batch: maxBatch, InFlight: 1}, s.commit)
	return s
}

// checkDurable refuses a pool whose settings could lose acknowledged sessions.
func checkDurable(ctx context.Context, db *sql.DB) error {
	var file, journal string
	var synchronous int
	if err := db.QueryRowContext(ctx, "SELECT file FROM pragma_database_list WHERE name = 'main'").Scan(&file); err != nil {
		return failed(ctx, "look at the pool's settings", err)
	}
	if file == "" {
		return nil // in memory
	}
	const settings = "SELECT synchronous, journal_mode FROM pragma_synchronous, pragma_journal_mode"
	if err := db.QueryRowContext(ctx, settings).Scan(&synchronous, &journal); err != nil {
		return failed(ctx, "look at the pool's settings", err)
	}
	if synchronous < 2 {
		return errors.New("sqlite: the pool's connections do not flush what they commit: add _synchronous=FULL to its DSN")
	}
	if journal == "off" || journal == "memory" {
		return fmt.Errorf("sqlite: with journal_mode=%s a crash corrupts the file: add _journal_mode=WAL to the pool's DSN", journal)
	}
	return nil
}

// Create implements [checkout.Store].
func (s *Store) Create(ctx context.Context, session checkout.Session) (checkout.Session, bool, error) {
	r, err := newRow(session)
	if err != nil {
		return checkout.Session{}, false, err
	}
	ins := r.insertion() // made here, so that the one goroutine that writes the batch has less to do
	var created bool
	err = s.do(ctx, func(ctx context.Context, q querier, o *owners) (err error) {
		created, err = create(ctx, q, o, r, ins)
		return err
	})
	if err != nil {
		return checkout.Session{}, false, err
	}
	return r.session, created, nil
}

// Update implements [checkout.Store].
func (s *Store) Update(ctx context.Context, session checkout.Session) error {
	r, err := newRow(session)
	if err != nil {
		return err
	}
	c := r.change()
	return s.do(ctx, func(ctx context.Context, q querier, o *owners) error { return update(ctx, q, o, &c) })
}

// Expire implements [checkout.Store]. Sessions due at the same instant are returned by ID.
func (s *Store) Expire(ctx context.Context, now time.Time, limit int) ([]checkout.Session, error) {
	var expired []checkout.Session
	err := s.do(ctx, func(ctx context.Context, q querier, _ *owners) (err error) {
		expired, err = expire(ctx, q, now, limit)
		return err
	})
	if err != nil {
		return nil, err
	}
	return expired, nil
}

// Get implements [checkout.Store].
func (s *Store) Get(ctx context.Context, account checkout.Account, id string) (checkout.Session, error) {
	if err := s.enter(); err != nil {
		return checkout.Session{}, err
	}
	defer s.gate.RUnlock()
	found, err := get(ctx, s.read, account, id)
	return found, failed(ctx, "get a session", err)
}

// GetByKey implements [checkout.Store].
func (s *Store) GetByKey(ctx context.Context, account checkout.Account, key idempotency.Key) (checkout.Session, error) {
	if err := s.enter(); err != nil {
		return checkout.Session{}, err
	}
	defer s.gate.RUnlock()
	found, err := getByKey(ctx, s.read, account, key)
	return found, failed(ctx, "get a session by its key", err)
}

// List implements [checkout.Store]. A page takes up to some 4 ms however many sessions the account has, most of it for counting
// to 10,000. It takes 10 ms at the greatest offset, and up to 30 ms by phone. One case is slower: if more than a thousand
// sessions are due and were not swept, and more than a thousand are not due yet, a list by created, pending or expired looks at
// each session that it skips, which takes 1 µs each.
func (s *Store) List(ctx context.Context, account checkout.Account, query checkout.Query) ([]checkout.Session, int, error) {
	if err := s.enter(); err != nil {
		return nil, 0, err
	}
	defer s.gate.RUnlock()
	tx, err := s.read.db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return nil, 0, failed(ctx, "list sessions", err)
	}
	defer tx.Rollback()
	sessions, total, err := list(ctx, tx, account, query)
	return sessions, total, failed(ctx, "list sessions", err)
}

// Events implements [checkout.Store].
func (s *Store) Events(ctx context.Context, after checkout.Cursor, limit int) ([]checkout.Event, error) {
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.gate.RUnlock()
	found, err := events(ctx, s.read, after, limit)
	return found, failed(ctx, "read events", err)
}

// History implements [checkout.Store].
func (s *Store) History(ctx context.Context, account checkout.Account, id string) ([]checkout.Event, error) {
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.gate.RUnlock()
	found, err := history(ctx, s.read, account, id)
	return found, failed(ctx, "read a session's history", err)
}

// Prune implements [checkout.Store]. It takes sessions account by account and status by status, the oldest of each status first. One
// call is one transaction, and other writers wait for it, so keep the limit at some hundreds. The file does not shrink, but its
// free pages are used again.
func (s *Store) Prune(ctx context.Context, before time.Time, limit int) (int, error) {
	var n int
	err := s.do(ctx, func(ctx context.Context, q querier, _ *owners) (err error) {
		n, err = prune(ctx, q, before, limit)
		return err
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

// Close waits for the calls under way, and closes the files if [Open] opened them. Later calls return [checkout.ErrUnavailable].
// A second call does nothing.
func (s *Store) Close() error {
	s.gate.Lock()
	defer s.gate.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	err := s.read.close()
	if s.log == nil {
		return err
	}
	err = errors.Join(err, s.leaveWriter())
	// The writer is closed last. When the last connection to the file is closed, SQLite moves the log into the database file, unless
	// leaveWriter has called keepLog.
	return errors.Join(err, s.read.db.Close(), s.write.close(), s.write.db.Close())
}

// leaveWriter prepares the writer's connection for Close.
func (s *Store) leaveWriter() error {
	ctx, cancel := context.WithTimeout(context.Background(), shortWait) // after a panic the connection is never free
	defer cancel()
	conn, err := s.write.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	if s.broken.Load() != nil {
		err = keepLog(ctx, conn)
	}
	return errors.Join(err, s.direct.close(conn))
}

// enter begins a call. If it returns no error, the caller must unlock gate with RUnlock at the end of the call.
func (s *Store) enter() error {
	s.gate.RLock()
	err := s.usable()
	if err != nil {
		s.gate.RUnlock()
	}
	return err
}

func (s *Store) usable() error {
	if s.closed {
		return fmt.Errorf("sqlite: the store is closed: %w", checkout.ErrUnavailable)
	}
	if cause := s.broken.Load(); cause != nil {
		return fmt.Errorf("sqlite: close the store, check the disk, and open it again: %w: %w", checkout.ErrUnavailable, *cause)
	}
	return nil
}
