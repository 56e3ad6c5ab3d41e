// Command transaction is a shop whose order and checkout session commit together or not at all: no order without a way to
// pay for it, no session for an order that was never taken. A payment service behind an API cannot do that.
package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log"
	"net/url"
	"os"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/idempotency"
	"github.com/caisse/checkout/store/sqlite"
)

func main() {
	path := "orders.db"
	if len(os.Args) > 1 {
		path = os.Args[1]
	}
	if err := run(context.Background(), path, os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, path string, out io.Writer) error {
	// sqlite.New needs these settings of a host's pool.
	dsn := url.URL{Scheme: "file", Opaque: url.PathEscape(path), RawQuery: "_journal_mode=WAL&_synchronous=FULL&_busy_timeout=5000&_txlock=immediate"}
	db, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return err
	}
	defer db.Close()
	if err := sqlite.Migrate(ctx, db); err != nil {
		return err
	}
	if _, err := db.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS orders (number TEXT PRIMARY KEY, session TEXT NOT NULL) STRICT`); err != nil {
		return err
	}
	store, err := sqlite.New(db)
	if err != nil {
		return err
	}
	defer store.Close()
	checkouts, err := checkout.New(store, checkout.Config{})
	if err != nil {
		return err
	}
	shop := shop{db: db, store: store, checkouts: checkouts}

	session, err := shop.takeOrder(ctx, "ORDER_123", "0193f0c2-a7b4-4c5e-9d3a-1b2c3d4e5f60", nil)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "the order is taken and can be paid:", session.Status)

	_, err = shop.takeOrder(ctx, "ORDER_124", "0193f0c2-a7b4-4c5e-9d3a-1b2c3d4e5f61", errors.New("out of stock"))
	fmt.Fprintln(out, "the next one is not:", err)
	page, err := checkouts.List(ctx, account, checkout.Query{})
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "sessions:", page.Total)
	return nil
}

var account = checkout.Account{ID: "acct_shop"}

type shop struct {
	db        *sql.DB
	store     *sqlite.Store
	checkouts *checkout.Checkouts
}

// takeOrder writes an order and its session in one transaction. If it is called again for the same order, after a crash or a
// time-out, it finds both. reason, if it is not nil, is an error that comes after both are written.
func (s shop) takeOrder(ctx context.Context, number string, key idempotency.Key, reason error) (checkout.Session, error) {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return checkout.Session{}, err
	}
	defer tx.Rollback()

	session, _, err := s.checkouts.WithStore(s.store.WithTx(tx)).Create(ctx, checkout.CreateParams{
		Account:        account,
		IdempotencyKey: key,
		Amount:         5000,
		Currency:       "XOF",
		UserPhone:      "+2250707987654",
		PaymentID:      number,
	})
	if err != nil {
		return checkout.Session{}, err
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO orders VALUES (?, ?) ON CONFLICT DO NOTHING`, number, session.ID); err != nil {
		return checkout.Session{}, err
	}
	if reason != nil {
		return checkout.Session{}, reason
	}
	return session, tx.Commit()
}
