package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/store/internal/groupcommit"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Up to 256 rows are written in one batch, and up to two batches of creates and two of updates at once. These are measured
// values: with more batches at once, each would be smaller.
var groups = groupcommit.Limits{Batch: 256, InFlight: 2}

// The defaults of [Open], where the URL does not say otherwise.
const (
	openConns          = 16              // connections at most: four for batches, four for retries, the rest for reads
	openConnectTimeout = 3 * time.Second // for each host
	openPingTimeout    = time.Second     // for a connection that was idle
)

// Store is a [checkout.Store] in PostgreSQL. It is safe for concurrent use, and any number of stores, in any number of
// processes, may share one database. Make one with [Open] or [New].
type Store struct {
	table
	retries *retryQueue // for the rows of failed batches
	creates *groupcommit.Group[*checkout.Session, creation]
	updates *groupcommit.Group[*checkout.Session, struct{}]
	owned   *pgxpool.Pool // nil if the pool is the host's
}

var _ checkout.Store = (*Store)(nil)

// Open connects to a database, brings its schema up to date as [Migrate] does, and returns a store that is ready. The
// URL is one of [pgxpool.ParseConfig], such as
//
//	postgres://checkout@db1,db2/shop?target_session_attrs=read-write&sslmode=verify-full&pool_max_conns=16
//
// Where it does not say otherwise, pool_max_conns is 16, connect_timeout 3 (seconds, for each host) and pool_ping_timeout 1s.
// If Open finds that a pooler such as PgBouncer is in between, it uses default_query_exec_mode=exec, unless the URL names a
// mode. Close the store to close the connections.
//
// The error is [checkout.ErrUnavailable] if the database cannot be reached. Open refuses a database whose encoding is not UTF8,
// since it could not store every description.
func Open(ctx context.Context, url string) (*Store, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	// The parsed config does not show whether a value is a default or from the URL.
	if plain, err := pgx.ParseConfig(url); err == nil && plain.RuntimeParams["pool_max_conns"] == "" {
		config.MaxConns = openConns
	}
	// A server that vanished without closing its connections must not make callers wait until their own deadlines.
	config.PingTimeout = cmp.Or(config.PingTimeout, openPingTimeout)
	config.ConnConfig.ConnectTimeout = cmp.Or(config.ConnConfig.ConnectTimeout, openConnectTimeout)
	if config.ConnConfig.DefaultQueryExecMode == pgx.QueryExecModeCacheStatement && !strings.Contains(url, "default_query_exec_mode") {
		pooled, err := behindPooler(ctx, config.ConnConfig)
		if err != nil {
			return nil, failed(ctx, "connect", connecting, false, err)
		}
		if pooled {
			config.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeExec
		}
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	if err := Migrate(ctx, pool); err != nil {
		pool.Close()
		return nil, err
	}
	s, err := New(pool)
	if err != nil {
		pool.Close()
		return nil, err
	}
	s.owned = pool
	return s, nil
}

// behindPooler reports whether a pooler such as PgBouncer is between this program and the server. A pooler may run each transaction
// on another of its connections to the server, where our prepared statements do not exist. It invents the process ID that it sends
// to a client, so this ID differs from the one that the server reports.
func behindPooler(ctx context.Context, config *pgx.ConnConfig) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	config = config.Copy()
	config.DefaultQueryExecMode = pgx.QueryExecModeExec
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return false, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var id uint32
	if err := conn.QueryRow(ctx, "SELECT pg_backend_pid()").Scan(&id); err != nil {
		return false, err
	}
	return id != conn.PgConn().PID(), nil
}

// New returns a store on a pool of the host's, which the host closes. It does not change the schema: call [Migrate] before, or apply
// [Migrations] in another way. The only possible error is that the pool is nil.
func New(pool *pgxpool.Pool) (*Store, error) {
	if pool == nil {
		return nil, errors.New("postgres: the pool is nil")
	}
	s := &Store{table: table{pooled{pool, batchLockTimeout}}}
	s.retries = newRetryQueue(s.table, table{pooled{pool, retryLockTimeout}})
	s.creates = groupcommit.New(groups, s.createBatch)
	s.updates = groupcommit.New(groups, s.updateBatch)
	return s, nil
}

// Close closes the connections of a store of [Open], once the calls under way have ended. Later calls fail with
// [checkout.ErrUnavailable]. For a store of [New], and when called again, it does nothing. The error is always nil.
func (s *Store) Close() error {
	if s.owned != nil {
		s.owned.Close()
	}
	return nil
}

// Create implements [checkout.Store]. Concurrent calls share a transaction.
func (s *Store) Create(ctx context.Context, session checkout.Session) (held checkout.Session, created bool, err error) {
	if err := storable(&session); err != nil {
		return checkout.Session{}, false, err
	}
	session = kept(session)
	c, err := write(ctx, s.retries, lockOfCreate(&session),
		func() (creation, error) { return s.creates.Do(ctx, &session) },
		func(t table) (creation, error) { return t.createOne(ctx, &session) })
	if err != nil {
		return checkout.Session{}, false, unpanicked(err)
	}
	return kept(*c.held), c.created, nil // a copy, because callers share c.held
}

// Update implements [checkout.Store]. Concurrent calls share a transaction.
func (s *Store) Update(ctx context.Context, session checkout.Session) error {
	if err := storable(&session); err != nil {
		return err
	}
	session = kept(session)
	_, err := write(ctx, s.retries, lockOfUpdate(&session),
		func() (struct{}, error) { return s.updates.Do(ctx, &session) },
		func(t table) (struct{}, error) { return struct{}{}, t.updateOne(ctx, &session) })
	if err != nil {
		return unpanicked(err)
	}
	return nil
}

// A batch belongs to several callers, so no caller's context can end it. It has a deadline of its own. If it fails with an error that
// one of its rows may have caused, each row is retried in a transaction of its own.

func (s *Store) createBatch(sessions []*checkout.Session) []groupcommit.Result[creation] {
	results := s.create(context.Background(), sessions)
	for i := range results {
		if err := results[i].Err; err != nil && rowFault(err) {
			results[i].Err = errRetryRow
		}
	}
	return results
}

func (s *Store) updateBatch(sessions []*checkout.Session) []groupcommit.Result[struct{}] {
	results := s.update(context.Background(), sessions)
	for i := range results {
		if err := results[i].Err; err != nil && rowFault(err) {
			results[i].Err = errRetryRow
		}
	}
	return results
}

// unpanicked turns a panic of a batch into an unknown outcome.
func unpanicked(err error) error {
	if panicked := new(groupcommit.PanicError); errors.As(err, &panicked) {
		return fmt.Errorf("postgres: %w: %w", checkout.ErrOutcomeUnknown, err)
	}
	return err
}

// WithTx returns a store that works in a transaction of the host's: the writes of this store commit or roll back with everything else
// that the host does in the transaction. Use it from one goroutine at a time, and only as long as the transaction lasts.
//
// After [checkout.ErrNotFound] and [checkout.ErrConflict] the transaction can go on. After an error of the database it can only be
// rolled back, as always in PostgreSQL. Use [errors.As] to get the database's own error, a *pgconn.PgError. After 40P01, and under
// REPEATABLE READ or SERIALIZABLE after 40001, the host must begin again. A key stays locked until the transaction ends. Meanwhile
// other callers with the same key wait, and after some seconds they fail, so keep such transactions short.
func (s *Store) WithTx(tx pgx.Tx) checkout.Store { return inTx{table{hostTx{tx}}} }

type inTx struct{ table }

func (s inTx) Create(ctx context.Context, session checkout.Session) (held checkout.Session, created bool, err error) {
	if err := storable(&session); err != nil {
		return checkout.Session{}, false, err
	}
	session = kept(session)
	c, err := s.createOne(ctx, &session)
	if err != nil {
		return checkout.Session{}, false, err
	}
	return *c.held, c.created, nil
}

func (s inTx) Update(ctx context.Context, session checkout.Session) error {
	if err := storable(&session); err != nil {
		return err
	}
	session = kept(session)
	return s.updateOne(ctx, &session)
}
