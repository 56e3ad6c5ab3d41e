package postgres_test

import (
	"context"
	"fmt"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/store/postgres"
	"github.com/jackc/pgx/v5/pgxpool"
)

// The URL names two servers, and the store uses the one that is the primary. Open creates the schema or brings it up to date.
func ExampleOpen() {
	ctx := context.Background()
	store, err := postgres.Open(ctx, "postgres://checkout@db1,db2/shop?target_session_attrs=read-write&sslmode=verify-full")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer store.Close()
	checkouts, err := checkout.New(store, checkout.Config{})
	fmt.Println(checkouts != nil, err)
}

// The session commits or rolls back together with the host's own row.
func ExampleStore_WithTx() {
	ctx := context.Background()
	var (
		pool      *pgxpool.Pool // the host's
		store     *postgres.Store
		checkouts *checkout.Checkouts
		params    checkout.CreateParams
	)
	_ = func() error { // called by the host's handler
		tx, err := pool.Begin(ctx)
		if err != nil {
			return err
		}
		defer tx.Rollback(ctx)
		session, _, err := checkouts.WithStore(store.WithTx(tx)).Create(ctx, params)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "UPDATE orders SET session = $1 WHERE id = $2", session.ID, params.ClientReference); err != nil {
			return err
		}
		return tx.Commit(ctx)
	}
}
