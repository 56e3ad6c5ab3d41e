package checkout_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/store/memory"
)

// newSession creates a session of acct_1 in a new store. The example sets *now to move the clock.
func newSession(now *time.Time) (*checkout.Checkouts, checkout.Session) {
	checkouts, err := checkout.New(memory.New(), checkout.Config{Clock: checkout.ClockFunc(func() time.Time { return *now })})
	if err != nil {
		panic(err)
	}
	session, _, err := checkouts.Create(context.Background(), checkout.CreateParams{
		Account: checkout.Account{ID: "acct_1"}, Amount: 5000, Currency: "XOF", UserPhone: "+2250707987654",
	})
	if err != nil {
		panic(err)
	}
	return checkouts, session
}

// A payment from beginning to end. The host makes a call for each step that it or the operator takes, and may repeat each call.
func ExampleCheckouts_Begin() {
	ctx, now, account := context.Background(), time.Date(2026, 11, 22, 7, 0, 0, 0, time.UTC), checkout.Account{ID: "acct_1"}
	checkouts, session := newSession(&now)

	session, err := checkouts.Begin(ctx, account, session.ID, "pay_1") // before the operator is asked
	fmt.Println(session.Status, err)
	session, err = checkouts.Process(ctx, account, session.ID, "pay_1") // the operator holds the money
	fmt.Println(session.Status, err)
	session, err = checkouts.Complete(ctx, account, session.ID, "pay_1") // the operator confirms the payment
	fmt.Println(session.Status, err)
	session, err = checkouts.Complete(ctx, account, session.ID, "pay_1") // the same callback comes again
	fmt.Println(session.Status, err)
	// Output:
	// pending <nil>
	// processing <nil>
	// completed <nil>
	// completed <nil>
}

// How a host handles the errors of a lifecycle call that it can expect.
func ExampleCheckouts_Fail() {
	ctx, now, account := context.Background(), time.Date(2026, 11, 22, 7, 0, 0, 0, time.UTC), checkout.Account{ID: "acct_1"}
	checkouts, session := newSession(&now)
	checkouts.Begin(ctx, account, session.ID, "pay_2")

	_, err := checkouts.Fail(ctx, account, session.ID, "pay_1", "insufficient funds") // the session has pay_2, so this report is out of date
	var conflict *checkout.PaymentConflictError
	var refused *checkout.TransitionError
	switch {
	case errors.As(err, &conflict):
		fmt.Println("a report about another payment:", conflict.Got, "and not", conflict.Have)
	case errors.As(err, &refused):
		fmt.Println("the session is already", refused.From)
	case errors.Is(err, checkout.ErrUnavailable), errors.Is(err, checkout.ErrOutcomeUnknown):
		fmt.Println("call again")
	}
	// Output: a report about another payment: pay_1 and not pay_2
}

// A job that a host runs once a minute.
func ExampleCheckouts_ExpireDue() {
	ctx, now := context.Background(), time.Date(2026, 11, 22, 7, 0, 0, 0, time.UTC)
	checkouts, _ := newSession(&now)
	now = now.Add(31 * time.Minute) // a session lives for 30 minutes by default

	for {
		expired, err := checkouts.ExpireDue(ctx, 500)
		if err != nil || len(expired) == 0 {
			break
		}
		for _, s := range expired {
			fmt.Println("released:", s.Amount, s.Currency, s.Status)
		}
	}
	// Output: released: 5000 XOF expired
}

// A job that a host runs once a day. Without it, sessions that have ended are kept for ever.
func ExampleCheckouts_Prune() {
	ctx, now, account := context.Background(), time.Date(2026, 11, 22, 7, 0, 0, 0, time.UTC), checkout.Account{ID: "acct_1"}
	checkouts, session := newSession(&now)
	checkouts.Complete(ctx, account, session.ID, "pay_1")

	removed := 0
	now = now.AddDate(0, 19, 0) // nineteen months later
	for {                       // Prune removes the keys too: a retry with a removed key makes a new session
		n, err := checkouts.Prune(ctx, now.AddDate(0, -18, 0), 500)
		if err != nil || n == 0 {
			break
		}
		removed += n
	}
	fmt.Println(removed)
	// Output: 1
}
