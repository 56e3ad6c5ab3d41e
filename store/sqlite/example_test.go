package sqlite_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/store/sqlite"
)

// Open creates the file if it does not exist. After a restart, the sessions are still there: the second Create is a replay.
func ExampleOpen() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "checkout")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	params := checkout.CreateParams{
		Account: checkout.Account{ID: "acct_1"}, IdempotencyKey: "0193f0c2-a7b4-4c5e-9d3a-1b2c3d4e5f60",
		Amount: 5000, Currency: "XOF", UserPhone: "+2250707987654",
	}
	for range 2 {
		store, err := sqlite.Open(ctx, filepath.Join(dir, "checkouts.db"))
		if err != nil {
			panic(err)
		}
		checkouts, err := checkout.New(store, checkout.Config{})
		if err != nil {
			panic(err)
		}
		session, replayed, err := checkouts.Create(ctx, params)
		fmt.Println(session.Amount, replayed, err)
		store.Close()
	}
	// Output:
	// 5000 false <nil>
	// 5000 true <nil>
}
