package checkout

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Checkouts creates checkout sessions, finds them, and moves them through their life. It has all of the rules; a [Store] only keeps
// sessions. Make one with [New]. It is safe for concurrent use, starts no goroutine and needs no closing.
type Checkouts struct {
	store Store
	settings
	waits *waits // shared with every Checkouts that WithStore returns
}

// New makes a Checkouts over a store. The error joins a [*ConfigError] for each fault of cfg, and one if store is nil.
func New(store Store, cfg Config) (*Checkouts, error) {
	s, err := cfg.settings()
	if store == nil {
		err = errors.Join(&ConfigError{Field: "Store", Reason: "must not be nil"}, err)
	}
	if err != nil {
		return nil, err
	}
	return &Checkouts{store: store, settings: s, waits: newWaits(store)}, nil
}

// WithStore returns a Checkouts with the same configuration over another store: one that writes within the host's own
// transaction, so that the session commits or rolls back with the host's rows.
//
//	session, _, err := checkouts.WithStore(store.WithTx(tx)).Create(ctx, params)
//
// The store must not be nil. Until the transaction commits, a session that was returned may still be rolled back. Do not send its ID
// to anybody before the commit.
func (c *Checkouts) WithStore(store Store) *Checkouts {
	return &Checkouts{store: store, settings: c.settings, waits: c.waits}
}

// Create makes a session. If the same request was made before under the same idempotency key, it finds that session instead: replayed
// is then true, nothing is written, and the session is as it is now.
//
// The error is
//   - a [*ValidationError] that lists every fault of the request,
//   - a [*KeyReusedError] if the key was used for another request,
//   - the context's own error, and nothing was written,
//   - or it wraps [ErrUnavailable] (nothing was written) or [ErrOutcomeUnknown] (the session may be there).
//
// With an idempotency key the same call may be repeated after any error, and makes at most one session. Without a key, a repetition
// after ErrOutcomeUnknown may make a second session.
func (c *Checkouts) Create(ctx context.Context, p CreateParams) (session Session, replayed bool, err error) {
	var f faults
	r := p.normalize(&f)
	if err := f.err(); err != nil {
		return Session{}, false, err
	}
	return c.create(ctx, r)
}

// create makes the session of a valid request with a single call of the store, which looks up the key and writes in one atomic step. So
// there is no moment between the two at which another call with the same key could come, and no lock is needed.
func (c *Checkouts) create(ctx context.Context, r request) (Session, bool, error) {
	if refused := c.accepts(r); refused != nil {
		return c.replayOr(ctx, r, refused)
	}
	s, err := c.newSession(r)
	if err != nil {
		return Session{}, false, fmt.Errorf("create session: %w", err)
	}
	held, created, err := c.store.Create(ctx, s)
	if err != nil {
		return Session{}, false, fmt.Errorf("create session: %w", err)
	}
	if !created {
		return c.replay(r, held)
	}
	if c.log.Enabled(ctx, slog.LevelInfo) {
		c.log.LogAttrs(ctx, slog.LevelInfo, "checkout session created", slog.Any("session", held))
	}
	return held, false, nil
}

// accepts checks a request against the host's settings, such as Config.MaxAmount, and returns all faults. A request that it
// refuses may still be a retry of one that was accepted before the host tightened its settings; see replayOr.
func (c *Checkouts) accepts(r request) error {
	var f faults
	if r.Amount > c.maxAmount {
		f.add("amount", CodeOutOfRange, fmt.Sprintf("must be at most %d", c.maxAmount))
	}
	if r.PaymentMethod == Card && !slices.Contains(c.cardCurrencies, r.Currency) {
		f.add("currency", CodeUnsupported, "is not accepted here for cards")
	}
	if r.UserPhone != "" && !slices.Contains(c.phoneRegions, r.phone.Region) {
		f.add("user_phone", CodeUnsupported, "is a number of a country that is not accepted here")
	}
	return f.err()
}

// replayOr returns the session of a request that was accepted before and would be refused today. Otherwise it refuses the request.
func (c *Checkouts) replayOr(ctx context.Context, r request, refused error) (Session, bool, error) {
	if r.IdempotencyKey == "" {
		return Session{}, false, refused
	}
	held, err := c.store.GetByKey(ctx, r.Account, r.IdempotencyKey)
	if errors.Is(err, ErrNotFound) {
		return Session{}, false, refused
	}
	if err != nil {
		return Session{}, false, fmt.Errorf("look up idempotency key: %w", err)
	}
	return c.replay(r, held)
}

// replay answers a request with the session that its key has. The session is shown as it is now, and not as the first answer showed
// it: a client that retries wants to know whether it has been paid meanwhile.
func (c *Checkouts) replay(r request, held Session) (Session, bool, error) {
	if same, differ := r.sameAs(held); !same {
		return Session{}, false, &KeyReusedError{SessionID: held.ID, Fields: differ}
	}
	return held.at(c.now()), true, nil
}

// newSession makes the session of a request. Everything that depends on the host's settings is fixed here, so that a later change
// of settings does not change the session: the fee, the time at which it expires, the country in its ID.
func (c *Checkouts) newSession(r request) (Session, error) {
	id, err := newID()
	if err != nil {
		return Session{}, err
	}
	now := c.now()
	s := Session{
		ID:             idPrefix(r) + id,
		Account:        r.Account,
		Status:         StatusCreated,
		Amount:         r.Amount,
		Currency:       r.Currency,
		PaymentMethod:  r.PaymentMethod,
		UserPhone:      r.UserPhone,
		PaymentID:      r.PaymentID,
		CustomerID:     r.CustomerID,
		Description:    r.Description,
		SuccessURL:     r.SuccessURL,
		CancelURL:      r.CancelURL,
		CreatedAt:      now,
		ExpiresAt:      now.Add(r.ExpiresIn),
		UpdatedAt:      now,
		TransactionFee: c.fees[r.Currency].charge(r.Amount),
		IdempotencyKey: r.IdempotencyKey,
		Fingerprint:    r.fingerprint(),
		Version:        1,

		ClientReference: r.ClientReference,
		Metadata:        maps.Clone(r.Metadata),
	}
	if r.PaymentMethod == Card {
		s.Status = StatusPending
		if s.CustomerID == "" {
			customer, err := newID()
			if err != nil {
				return Session{}, err
			}
			s.CustomerID = "cus_" + customer
		}
	}
	return s, nil
}

// idPrefix returns the part of a session's ID before the UUID, as on the page: "cs_ci_" for a payer of Côte d'Ivoire. The ID of a
// test session contains "test", so that nobody mistakes it for a real payment.
func idPrefix(r request) string {
	switch {
	case r.Account.Test:
		return "cs_test_"
	case r.phone.Region != "":
		return "cs_" + strings.ToLower(r.phone.Region) + "_"
	}
	return "cs_live_"
}

// newID returns a UUIDv7 (RFC 9562) without hyphens: a time and a counter, which keep new rows together in the index of a database,
// and 62 random bits.
func newID() (string, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return "", err
	}
	return hex.EncodeToString(id[:]), nil
}

// Ready reports whether the store answers. It is for a load balancer that asks whether to send requests here. It reads a session that
// does not exist, which costs as much as a Get. It says nothing about writes: with a full disk, a store may answer reads and refuse
// writes. The error is the store's, or the context's.
func (c *Checkouts) Ready(ctx context.Context) error {
	_, err := c.store.Get(ctx, Account{ID: "ready"}, "cs_ready")
	if err == nil || errors.Is(err, ErrNotFound) {
		return nil
	}
	return fmt.Errorf("ask the store: %w", err)
}

// Get returns the account's session as it is now. The error is or wraps [ErrNotFound], also for a session of another account or mode.
// It is a [*ValidationError] for an account whose ID is missing or not valid. Otherwise it wraps the store's error.
func (c *Checkouts) Get(ctx context.Context, account Account, id string) (Session, error) {
	s, err := c.get(ctx, account, id)
	if err != nil {
		return Session{}, err
	}
	return s.at(c.now()), nil
}

// get returns the session as it is stored.
func (c *Checkouts) get(ctx context.Context, account Account, id string) (Session, error) {
	if err := addressable(account, id); err != nil {
		return Session{}, err
	}
	s, err := c.store.Get(ctx, account, id)
	if err != nil {
		return Session{}, fmt.Errorf("get session: %w", err)
	}
	return s, nil
}

// addressable checks the account and the id. It returns ErrNotFound for an id that no session can have, such as one with U+0000,
// so that no store is asked for it.
func addressable(account Account, id string) error {
	var f, unusable faults
	f.account(account)
	if err := f.err(); err != nil {
		return err
	}
	if unusable.text("id", id, MaxIDLength); id == "" || unusable != nil {
		return ErrNotFound
	}
	return nil
}

// now returns the time in whole microseconds. PostgreSQL keeps no more, and a time must not change when it is stored and read back.
func (c *Checkouts) now() time.Time { return c.clock.Now().UTC().Truncate(time.Microsecond) }

// at returns the session as an answer at that instant must show it: expired if it is due, whether or not a sweep has stored the expiry.
func (s Session) at(now time.Time) Session {
	if status := s.StatusAt(now); status != s.Status {
		s.Status, s.UpdatedAt = status, s.ExpiresAt
	}
	return s
}
