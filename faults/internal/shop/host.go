//go:build unix

package shop

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/faults/internal/seam"
	"github.com/caisse/checkout/faults/stores"
	"github.com/caisse/checkout/store/postgres"
	"github.com/caisse/checkout/store/sqlite"
)

// open opens the store that the config asks for.
func (c Config) open(ctx context.Context, place stores.Place, trap *seam.Seam) (stores.Store, error) {
	if c.Planted != "" {
		return openPlanted(ctx, c.Planted, place)
	}
	if !c.Host {
		return place.Open(ctx)
	}
	switch place.Kind {
	case stores.SQLite:
		return hostSQLite(ctx, trap, place.Address)
	case stores.Postgres:
		return hostPostgres(ctx, trap, place.Address)
	}
	return nil, fmt.Errorf("shop: no host has a store of kind %q", place.Kind)
}

// hosted is a store on a host's pool.
type hosted struct {
	checkout.Store
	begin func(context.Context) (transaction, error)
	tidy  func(context.Context) error // maintenance that a host does now and then
	close func() error
}

func (h *hosted) Close() error { return h.close() }

// transaction is a transaction of the host.
type transaction struct {
	store            checkout.Store // within it
	order            func(ctx context.Context, session string) error
	commit, rollback func(context.Context) error
}

// The host's own table has its orders. The key of an order is the session that pays for it.
const makeOrders = `CREATE TABLE IF NOT EXISTS host_orders (session TEXT PRIMARY KEY)`

// HostDSN returns a DSN as the documentation of sqlite.New asks for.
func HostDSN(path string) string {
	u := url.URL{Scheme: "file", Path: path, RawQuery: "_journal_mode=WAL&_synchronous=FULL&_busy_timeout=5000&_txlock=immediate"}
	return u.String()
}

func hostSQLite(ctx context.Context, s *seam.Seam, path string) (stores.Store, error) {
	db := s.OpenSQLite(HostDSN(path))
	if err := sqlite.Migrate(ctx, db); err != nil {
		return nil, err
	}
	if _, err := db.ExecContext(ctx, makeOrders); err != nil {
		return nil, err
	}
	store, err := sqlite.New(db)
	if err != nil {
		return nil, err
	}
	begin := func(ctx context.Context) (transaction, error) {
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return transaction{}, err
		}
		return transaction{
			store: store.WithTx(tx),
			order: func(ctx context.Context, session string) error {
				_, err := tx.ExecContext(ctx, "INSERT INTO host_orders VALUES (?)", session)
				return err
			},
			commit:   func(context.Context) error { return tx.Commit() },
			rollback: func(context.Context) error { return tx.Rollback() },
		}, nil
	}
	tidy := func(ctx context.Context) error {
		var busy, pages, moved int
		return db.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &pages, &moved)
	}
	return &hosted{store, begin, tidy, func() error { return errors.Join(store.Close(), db.Close()) }}, nil
}

func hostPostgres(ctx context.Context, s *seam.Seam, url string) (stores.Store, error) {
	pool, err := s.OpenPostgres(ctx, url)
	if err != nil {
		return nil, err
	}
	if err := postgres.Migrate(ctx, pool); err != nil {
		return nil, err
	}
	if _, err := pool.Exec(ctx, makeOrders); err != nil {
		return nil, err
	}
	store, err := postgres.New(pool)
	if err != nil {
		return nil, err
	}
	return &hosted{store, beginOn(pool, store), func(context.Context) error { return nil }, func() error {
		err := store.Close()
		pool.Close()
		return err
	}}, nil
}

func beginOn(pool *pgxpool.Pool, store *postgres.Store) func(ctx context.Context) (transaction, error) {
	return func(ctx context.Context) (transaction, error) {
		tx, err := pool.BeginTx(ctx, pgx.TxOptions{})
		if err != nil {
			return transaction{}, err
		}
		return transaction{
			store: store.WithTx(tx),
			order: func(ctx context.Context, session string) error {
				_, err := tx.Exec(ctx, "INSERT INTO host_orders VALUES ($1)", session)
				return err
			},
			commit:   tx.Commit,
			rollback: tx.Rollback,
		}, nil
	}
}

// orders is the service of a host that creates some sessions in one transaction with an order of its own, and sometimes rolls
// this transaction back.
type orders struct {
	*checkout.Checkouts
	host  *hosted
	calls atomic.Int64
}

var errChangedMind = fmt.Errorf("shop: rolled back: %w", checkout.ErrUnavailable)

// Create implements [history.Service].
func (o *orders) Create(ctx context.Context, p checkout.CreateParams) (session checkout.Session, replayed bool, err error) {
	switch n := o.calls.Add(1); {
	case n%40 == 20:
		if err := o.host.tidy(ctx); err != nil {
			return checkout.Session{}, false, fmt.Errorf("shop: tidy: %w: %w", checkout.ErrUnavailable, err)
		}
	case n%5 == 0:
		err = o.within(ctx, n%10 == 0, func(c *checkout.Checkouts) (string, error) {
			session, replayed, err = c.Create(ctx, p)
			if replayed || err != nil {
				return "", err
			}
			return session.ID, nil
		})
		if err != nil {
			return checkout.Session{}, false, err
		}
		return session, replayed, nil
	}
	return o.Checkouts.Create(ctx, p)
}

// within runs create in a transaction, and writes an order for the session that it returns.
func (o *orders) within(ctx context.Context, changeMind bool, create func(*checkout.Checkouts) (string, error)) error {
	tx, err := o.host.begin(ctx)
	if err != nil {
		return fmt.Errorf("shop: begin: %w: %w", checkout.ErrUnavailable, err)
	}
	session, err := create(o.WithStore(tx.store))
	if err == nil && session != "" {
		err = tx.order(ctx, session)
	}
	if err == nil && changeMind {
		err = errChangedMind
	}
	if err != nil {
		return errors.Join(err, tx.rollback(ctx))
	}
	if err := tx.commit(ctx); err != nil {
		return fmt.Errorf("shop: commit: %w: %w", checkout.ErrOutcomeUnknown, err)
	}
	return nil
}
