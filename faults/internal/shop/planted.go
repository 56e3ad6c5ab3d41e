//go:build unix

package shop

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/faults/stores"
	"github.com/caisse/checkout/idempotency"
	"github.com/caisse/checkout/store/memory"
	"github.com/caisse/checkout/store/sqlite"
)

// Bugs of stores. All but WriteBehind are planted on SQLite places.
const (
	Unflushed     = "synchronous=NORMAL"
	OwnCheckpoint = "SQLite's own checkpoint, which tells nobody that its flush has failed"
	TwoSteps      = "the key in a transaction of its own"
	CheckThenAct  = "look for the key, then insert, without an index"
	Healing       = "opens itself again after a failed flush"
	WriteBehind   = "acknowledged before the commit"
)

func openPlanted(ctx context.Context, bug string, place stores.Place) (stores.Store, error) {
	switch bug {
	case Unflushed:
		return openPool(ctx, place.Address, "PRAGMA synchronous = NORMAL") // after New has checked the setting
	case OwnCheckpoint:
		return openPool(ctx, place.Address, "PRAGMA wal_autocheckpoint = 100")
	}
	store, err := place.Open(ctx)
	if err != nil {
		return nil, err
	}
	switch bug {
	case WriteBehind:
		return newWriteBehind(store), nil
	case Healing:
		return &healing{place: place, Store: store}, nil
	}
	db, err := sql.Open("sqlite", HostDSN(place.Address))
	if err != nil {
		return nil, err
	}
	switch bug {
	case TwoSteps:
		return &twoSteps{Store: store, db: db}, nil
	case CheckThenAct:
		_, err := db.ExecContext(ctx, "DROP INDEX IF EXISTS checkout_sessions_key")
		return &checkThenAct{Store: store, db: db}, err
	}
	return nil, fmt.Errorf("shop: no bug %q", bug)
}

// onPool is a store on a pool of one connection.
type onPool struct {
	*sqlite.Store
	db *sql.DB
}

func openPool(ctx context.Context, path, pragma string) (stores.Store, error) {
	db, err := sql.Open("sqlite", HostDSN(path))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	if err := sqlite.Migrate(ctx, db); err != nil {
		return nil, err
	}
	store, err := sqlite.New(db)
	if err != nil {
		return nil, err
	}
	if _, err := db.ExecContext(ctx, pragma); err != nil {
		return nil, err
	}
	return &onPool{store, db}, nil
}

func (o *onPool) Close() error { return errors.Join(o.Store.Close(), o.db.Close()) }

// writeBehind answers from memory and writes later, in the same order.
type writeBehind struct {
	*memory.Store
	behind stores.Store
	mu     sync.Mutex
	queue  chan func(context.Context) error
	done   chan error
}

func newWriteBehind(store stores.Store) *writeBehind {
	w := &writeBehind{Store: memory.New(), behind: store, queue: make(chan func(context.Context) error, 1<<20), done: make(chan error, 1)}
	go func() {
		var all error
		for write := range w.queue {
			all = errors.Join(all, write(context.Background()))
		}
		w.done <- all
	}()
	return w
}

func (w *writeBehind) Close() error {
	close(w.queue)
	return errors.Join(<-w.done, w.behind.Close())
}

func (w *writeBehind) Create(ctx context.Context, s checkout.Session) (checkout.Session, bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	held, created, err := w.Store.Create(ctx, s)
	if created {
		w.queue <- func(ctx context.Context) error {
			_, _, err := w.behind.Create(ctx, s)
			return err
		}
	}
	return held, created, err
}

func (w *writeBehind) Update(ctx context.Context, s checkout.Session) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	err := w.Store.Update(ctx, s)
	if err == nil {
		w.queue <- func(ctx context.Context) error { return w.behind.Update(ctx, s) }
	}
	return err
}

func (w *writeBehind) Expire(ctx context.Context, now time.Time, limit int) ([]checkout.Session, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	expired, err := w.Store.Expire(ctx, now, limit)
	for _, s := range expired {
		w.queue <- func(ctx context.Context) error { return w.behind.Update(ctx, s) }
	}
	return expired, err
}

// twoSteps writes a session, and then its key.
type twoSteps struct {
	stores.Store
	db *sql.DB
	mu sync.Mutex
}

func (t *twoSteps) Close() error { return errors.Join(t.db.Close(), t.Store.Close()) }

func (t *twoSteps) Create(ctx context.Context, s checkout.Session) (checkout.Session, bool, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	held, err := t.GetByKey(ctx, s.Account, s.IdempotencyKey)
	if !errors.Is(err, checkout.ErrNotFound) {
		return held, false, err
	}
	keyless := s
	keyless.IdempotencyKey = ""
	if _, _, err := t.Store.Create(ctx, keyless); err != nil {
		return checkout.Session{}, false, err
	}
	id, key := kept(s.ID, s.IdempotencyKey)
	result, err := t.db.ExecContext(ctx, "UPDATE checkout_sessions SET idempotency_key = ? WHERE id = ?", key, id)
	if err != nil {
		return checkout.Session{}, false, err
	}
	if n, err := result.RowsAffected(); n != 1 || err != nil {
		return checkout.Session{}, false, fmt.Errorf("shop: %d rows of session %s got their key: %v", n, s.ID, err)
	}
	return s, true, nil
}

// kept returns an ID and a key as the SQLite store keeps them: as bytes where they are UUIDs.
func kept(id string, key idempotency.Key) (any, any) {
	var keptID any = id
	if parts := strings.Split(id, "_"); len(parts) == 3 && len(parts[1]) == 2 {
		if raw, err := hex.DecodeString(parts[2]); err == nil {
			keptID = append(raw, parts[1]...)
		}
	}
	raw, err := hex.DecodeString(strings.ReplaceAll(string(key), "-", ""))
	if err != nil {
		return keptID, string(key)
	}
	return keptID, raw
}

// checkThenAct looks for the key before it inserts. That is correct only as long as no other process writes.
type checkThenAct struct {
	stores.Store
	db *sql.DB
	mu sync.Mutex
}

func (c *checkThenAct) Close() error { return errors.Join(c.db.Close(), c.Store.Close()) }

func (c *checkThenAct) Create(ctx context.Context, s checkout.Session) (checkout.Session, bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	held, err := c.GetByKey(ctx, s.Account, s.IdempotencyKey)
	if !errors.Is(err, checkout.ErrNotFound) {
		return held, false, err
	}
	return c.Store.Create(ctx, s)
}

// healing opens a new store after a failed flush, and so trusts a page cache that may be wrong.
type healing struct {
	place stores.Place
	mu    sync.RWMutex
	stores.Store
}

func (h *healing) Create(ctx context.Context, s checkout.Session) (held checkout.Session, created bool, err error) {
	err = h.call(ctx, func(store checkout.Store) (err error) {
		held, created, err = store.Create(ctx, s)
		return err
	})
	return held, created, err
}

func (h *healing) Update(ctx context.Context, s checkout.Session) error {
	return h.call(ctx, func(store checkout.Store) error { return store.Update(ctx, s) })
}

func (h *healing) Get(ctx context.Context, account checkout.Account, id string) (found checkout.Session, err error) {
	err = h.call(ctx, func(store checkout.Store) (err error) {
		found, err = store.Get(ctx, account, id)
		return err
	})
	return found, err
}

func (h *healing) call(ctx context.Context, call func(checkout.Store) error) error {
	h.mu.RLock()
	store := h.Store
	err := call(store)
	h.mu.RUnlock()
	if !errors.Is(err, checkout.ErrUnavailable) && !errors.Is(err, checkout.ErrOutcomeUnknown) {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.Store != store {
		return err // somebody else was quicker
	}
	fresh, opening := h.place.Open(ctx)
	if opening != nil {
		return err
	}
	h.Store = fresh
	store.Close()
	return err
}
