package simulator_test

import (
	"context"
	"fmt"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/simulator"
	"github.com/caisse/checkout/store/memory"
)

// The last two digits of the phone decide what the simulated operator does, and the clock decides when. So the example does not wait.
func Example() {
	ctx, account := context.Background(), checkout.Account{ID: "acct_1", Test: true}
	now := time.Date(2026, 11, 22, 7, 0, 0, 0, time.UTC)
	clock := checkout.ClockFunc(func() time.Time { return now })
	checkouts, err := checkout.New(memory.New(), checkout.Config{Clock: clock})
	if err != nil {
		panic(err)
	}
	operator, err := simulator.New(checkouts, simulator.Config{Clock: clock})
	if err != nil {
		panic(err)
	}
	session, _, err := checkouts.Create(ctx, checkout.CreateParams{
		Account: account, Amount: 5000, Currency: "XOF", UserPhone: "+2250707987601", // 01: insufficient funds
	})
	if err != nil {
		panic(err)
	}
	session, err = checkouts.Begin(ctx, account, session.ID, "pay_1")
	if err != nil {
		panic(err)
	}
	if _, err := operator.Pay(ctx, session); err != nil {
		panic(err)
	}

	now = now.Add(3 * time.Second)
	if _, err := operator.Tick(ctx); err != nil {
		panic(err)
	}
	session, err = checkouts.Get(ctx, account, session.ID)
	fmt.Println(session.Status, session.FailureReason, err)
	// Output: failed insufficient funds <nil>
}
