package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/idempotency"
	"github.com/caisse/checkout/paypage"
	"github.com/caisse/checkout/simulator"
	"github.com/caisse/checkout/store/sqlite"
	"github.com/caisse/checkout/webhook"
)

// shop is the shop's backend. Its orders and the checkout sessions are in the same database.
type shop struct {
	db        *sql.DB
	store     *sqlite.Store
	checkouts *checkout.Checkouts
	page      *paypage.Page
	operator  *simulator.Simulator
	url       string
	linkKey   []byte
	hooks     *webhook.Webhooks
	log       *slog.Logger

	hookSecret string // with which webhooks are signed
}

// product is one thing that the shop sells. The shop takes the price from here, and never from a browser.
type product struct {
	ID, Name string
	Francs   int64
}

var products = []product{
	{"attieke", "Deux paniers d’attiéké", 5_000},
	{"pagne", "Pagne wax, six yards", 12_500},
	{"karite", "Beurre de karité, 500 g", 3_000},
}

const schema = `
CREATE TABLE IF NOT EXISTS orders (
	number   TEXT PRIMARY KEY,
	product  TEXT NOT NULL,
	francs   INTEGER NOT NULL,
	session  TEXT NOT NULL UNIQUE,
	status   TEXT NOT NULL, -- open, paid, or what else became of the session
	sequence INTEGER NOT NULL -- of the last event that was applied
) STRICT;
CREATE TABLE IF NOT EXISTS shop (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;`

// openShop opens or creates the shop's database, with the tables of the checkout library.
func openShop(ctx context.Context, path, address string, logger *slog.Logger) (_ *shop, err error) {
	// sqlite.New needs these settings of a host's pool.
	dsn := url.URL{Scheme: "file", Opaque: url.PathEscape(path), RawQuery: "_journal_mode=WAL&_synchronous=FULL&_busy_timeout=5000&_txlock=immediate"}
	db, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			db.Close()
		}
	}()
	if err := sqlite.Migrate(ctx, db); err != nil {
		return nil, err
	}
	if _, err := db.ExecContext(ctx, schema); err != nil {
		return nil, err
	}
	s := &shop{db: db, url: address, log: logger}
	if s.store, err = sqlite.New(db); err != nil {
		return nil, err
	}
	if s.checkouts, err = checkout.New(s.store, checkout.Config{Logger: logger}); err != nil {
		return nil, err
	}
	// This shop is on the same machine. A real one has an https URL.
	if s.hooks, err = webhook.New(s.checkouts, s.store.Webhooks(), webhook.Config{Logger: logger, AllowPrivate: true}); err != nil {
		return nil, err
	}
	if err := s.register(ctx); err != nil {
		return nil, err
	}
	// The key that encrypts the payer's links is made once and stored, so that links stay valid after a restart. A real host keeps
	// it with its other secrets.
	key := make([]byte, 32)
	rand.Read(key)
	if _, err := db.ExecContext(ctx, `INSERT INTO shop VALUES ('link key', ?) ON CONFLICT DO NOTHING`, key); err != nil {
		return nil, err
	}
	return s, db.QueryRowContext(ctx, `SELECT value FROM shop WHERE name = 'link key'`).Scan(&s.linkKey)
}

func (s *shop) close() {
	s.store.Close()
	s.db.Close()
}

var errNoProduct = errors.New("there is no such product")

// takeOrder writes an order and its checkout session in one transaction. So there is no order without a session, and no session
// without an order. The number was chosen before the first try. If takeOrder is called again for the same order, after a second
// click or a time-out, it finds both.
func (s *shop) takeOrder(ctx context.Context, number, productID, phone string, byCard bool) (checkout.Session, error) {
	var bought product
	for _, p := range products {
		if p.ID == productID {
			bought = p
		}
	}
	if bought.ID == "" {
		return checkout.Session{}, errNoProduct
	}
	params := checkout.CreateParams{
		Account:         account,
		IdempotencyKey:  idempotency.Key(number),
		Amount:          bought.Francs,
		Currency:        "XOF",
		UserPhone:       phone,
		Description:     bought.Name,
		ClientReference: "N° " + number[:8],
		ExpiresIn:       5 * time.Minute,
		SuccessURL:      s.url + "/paid?session={CHECKOUT_SESSION_ID}",
		CancelURL:       s.url + "/cancelled?session={CHECKOUT_SESSION_ID}",
	}
	if byCard {
		params.PaymentMethod, params.UserPhone = checkout.Card, ""
	}

	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return checkout.Session{}, err
	}
	defer tx.Rollback()
	session, _, err := s.checkouts.WithStore(s.store.WithTx(tx)).Create(ctx, params)
	if err != nil {
		return checkout.Session{}, err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO orders VALUES (?, ?, ?, ?, 'open', 0) ON CONFLICT DO NOTHING`,
		number, bought.ID, bought.Francs, session.ID)
	if err != nil {
		return checkout.Session{}, err
	}
	return session, tx.Commit()
}

// order is one row of the shop's own table.
type order struct {
	Number, Product, Status string
	Francs                  int64
}

// orderOf finds the order of a session.
func (s *shop) orderOf(ctx context.Context, sessionID string) (order, error) {
	var o order
	err := s.db.QueryRowContext(ctx, `SELECT number, product, status, francs FROM orders WHERE session = ?`, sessionID).
		Scan(&o.Number, &o.Product, &o.Status, &o.Francs)
	return o, err
}

// applyEvent applies a webhook to the order: each event once, and never an older event after a newer one. If a shop does something once
// for each payment, such as sending the goods, it should do so in this transaction too.
func applyEvent(ctx context.Context, tx *sql.Tx, sessionID string, sequence int64, status checkout.Status) error {
	became := map[checkout.Status]string{
		checkout.StatusCompleted: "paid", checkout.StatusFailed: "failed", checkout.StatusExpired: "expired", checkout.StatusCancelled: "cancelled",
	}[status]
	if became == "" {
		became = "open"
	}
	_, err := tx.ExecContext(ctx, `UPDATE orders SET status = ?, sequence = ? WHERE session = ? AND sequence < ?`,
		became, sequence, sessionID, sequence)
	return err
}

// nameOf returns a product's name, for pages.
func nameOf(productID string) string {
	for _, p := range products {
		if p.ID == productID {
			return p.Name
		}
	}
	return productID
}

func francs(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "\u00a0" + s[i:]
	}
	return s + "\u00a0F\u00a0CFA"
}
