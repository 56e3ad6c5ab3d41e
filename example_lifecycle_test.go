package checkout_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/store/memory"
)

// newSession is a session of acct_1 in a new store, at a time that the example moves.
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

// A payment from its beginning to its end, as an operator tells it. Each call may be repeated.
func ExampleCheckouts_Begin() {
	ctx, now, account := context.Background(), time.Date(2026, 11, 22, 7, 0, 0, 0, time.UTC), checkout.Account{ID: "acct_1"}
	checkouts, session := newSession(&now)

	session, err := checkouts.Begin(ctx, account, session.ID, "pay_1") // before the operator is asked
	fmt.Println(session.Status, err)
	session, err = checkouts.Process(ctx, account, session.ID, "pay_1") // the operator holds the money
	fmt.Println(session.Status, err)
	session, err = checkouts.Complete(ctx, account, session.ID, "pay_1") // and has paid it out
	fmt.Println(session.Status, err)
	session, err = checkouts.Complete(ctx, account, session.ID, "pay_1") // the callback comes twice
	fmt.Println(session.Status, err)
	// Output:
	// pending <nil>
	// processing <nil>
	// completed <nil>
	// completed <nil>
}

// What a host does about each error that a lifecycle call returns.
func ExampleCheckouts_Fail() {
	ctx, now, account := context.Background(), time.Date(2026, 11, 22, 7, 0, 0, 0, time.UTC), checkout.Account{ID: "acct_1"}
	checkouts, session := newSession(&now)
	checkouts.Begin(ctx, account, session.ID, "pay_2")

	_, err := checkouts.Fail(ctx, account, session.ID, "pay_1", "insufficient funds") // of an attempt that another one replaced
	var conflict *checkout.PaymentConflictError
	var refused *checkout.TransitionError
	switch {
	case errors.As(err, &conflict):
		fmt.Println("news of another payment:", conflict.Got, "and not", conflict.Have)
	case errors.As(err, &refused):
		fmt.Println("the session is already", refused.From)
	case errors.Is(err, checkout.ErrUnavailable), errors.Is(err, checkout.ErrOutcomeUnknown):
		fmt.Println("call again")
	}
	// Output: news of another payment: pay_1 and not pay_2
}

// A job that a host runs once a minute.
func ExampleCheckouts_ExpireDue() {
	ctx, now := context.Background(), time.Date(2026, 11, 22, 7, 0, 0, 0, time.UTC)
	checkouts, _ := newSession(&now)
	now = now.Add(31 * time.Minute) // sessions live for 30 minutes where nothing else is asked for

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

// A job that a host runs once a day. What has ended is kept for ever otherwise.
func ExampleCheckouts_Prune() {
	ctx, now, account := context.Background(), time.Date(2026, 11, 22, 7, 0, 0, 0, time.UTC), checkout.Account{ID: "acct_1"}
	checkouts, session := newSession(&now)
	checkouts.Complete(ctx, account, session.ID, "pay_1")

	removed := 0
	for { // a request that comes again under a key that is gone makes a new session
		n, err := checkouts.Prune(ctx, now.AddDate(0, 18, 0), 500)
		if err != nil || n == 0 {
			break
		}
		removed += n
	}
	fmt.Println(removed)
	// Output: 1
}
