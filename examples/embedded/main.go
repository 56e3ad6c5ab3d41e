// Command embedded is a host that creates a session in process, without HTTP: a shop that takes one order, and gets the request
// twice because the buyer's connection broke.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/idempotency"
	"github.com/caisse/checkout/store/sqlite"
	"github.com/google/uuid"
)

// order is a row of the host's own table. Its idempotency key is made once, with the order, so that every try to pay for it has the same key.
type order struct {
	number string
	francs int64
	phone  string
	key    idempotency.Key
}

func main() {
	path := "shop.db"
	if len(os.Args) > 1 {
		path = os.Args[1]
	}
	if err := run(context.Background(), path, os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, path string, out io.Writer) error {
	store, err := sqlite.Open(ctx, path)
	if err != nil {
		return err
	}
	defer store.Close()
	checkouts, err := checkout.New(store, checkout.Config{})
	if err != nil {
		return err
	}

	o := order{number: "ORDER_123", francs: 5000, phone: "+225 07 98 76 54", key: idempotency.Key(uuid.NewString())}
	first, _, err := pay(ctx, checkouts, o)
	if err != nil {
		return err
	}
	again, replayed, err := pay(ctx, checkouts, o)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "status:", first.Status)
	fmt.Fprintln(out, "amount:", first.AmountMajor(), first.Currency)
	fmt.Fprintln(out, "operator:", first.Phone().Operator, "dialled", first.Phone().Dialable)
	fmt.Fprintln(out, "the second try found the first session:", replayed && again.ID == first.ID)
	return nil
}

func pay(ctx context.Context, checkouts *checkout.Checkouts, o order) (checkout.Session, bool, error) {
	return checkouts.Create(ctx, checkout.CreateParams{
		Account:        checkout.Account{ID: "acct_shop"},
		IdempotencyKey: o.key,
		Amount:         o.francs,
		Currency:       "XOF",
		UserPhone:      o.phone,
		PaymentID:      o.number,
	})
}
