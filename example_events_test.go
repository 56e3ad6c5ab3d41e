package checkout_test

import (
	"context"
	"fmt"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/store/memory"
)

// A program that follows every change of every session, such as a ledger. It stores the cursor in the same transaction as its own rows.
// So it misses no event and handles no event twice, even if it is stopped in between.
func ExampleCheckouts_Events() {
	ctx, now, account := context.Background(), time.Date(2026, 11, 22, 7, 0, 0, 0, time.UTC), checkout.Account{ID: "acct_1"}
	checkouts, session := newSession(&now)
	checkouts.Begin(ctx, account, session.ID, "pay_1")
	checkouts.Complete(ctx, account, session.ID, "pay_1")

	var kept struct{ cursor checkout.Cursor } // stands for a row in the host's database
	for {
		events, err := checkouts.Events(ctx, kept.cursor, 100)
		if err != nil || len(events) == 0 {
			break // ask again later
		}
		for _, e := range events {
			fmt.Println(e.Session.Version, e.Type, e.Session.Amount)
			kept.cursor = e.Cursor
		}
	}
	// Output:
	// 2 checkout.pending 5000
	// 3 checkout.completed 5000
}

// The events of one session, for an employee who looks into a complaint. The first event is the creation.
func ExampleCheckouts_History() {
	ctx, now, account := context.Background(), time.Date(2026, 11, 22, 7, 0, 0, 0, time.UTC), checkout.Account{ID: "acct_1"}
	checkouts, session := newSession(&now)
	now = now.Add(time.Minute)
	checkouts.Cancel(ctx, account, session.ID)

	history, err := checkouts.History(ctx, account, session.ID)
	if err != nil {
		panic(err)
	}
	for _, e := range history {
		fmt.Println(e.At.Format(time.TimeOnly), e.Session.Status)
	}
	// Output:
	// 07:00:00 created
	// 07:01:00 cancelled
}

func ExampleCheckouts_Wait() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	now, account := time.Now(), checkout.Account{ID: "acct_1"}
	checkouts, session := newSession(&now)

	go checkouts.Complete(ctx, account, session.ID, "pay_1") // in another part of the program

	session, err := checkouts.Wait(ctx, account, session.ID, session) // returns once the session differs from the one given
	fmt.Println(session.Status, err)
	// Output: completed <nil>
}

// The sum of all completed sessions of a merchant, read page by page. The walk returns each session once, even if new sessions are
// created in the meantime.
func ExampleCheckouts_List() {
	ctx, account := context.Background(), checkout.Account{ID: "acct_1"}
	checkouts, _ := checkout.New(memory.New(), checkout.Config{})
	for n := range 3 {
		s, _, _ := checkouts.Create(ctx, checkout.CreateParams{
			Account: account, Amount: int64(1000 * (n + 1)), Currency: "XOF", UserPhone: "+2250707987654",
		})
		checkouts.Complete(ctx, account, s.ID, "")
	}

	var total int64
	q := checkout.Query{Status: checkout.StatusCompleted, Limit: 2}
	for {
		page, err := checkouts.List(ctx, account, q)
		if err != nil {
			panic(err)
		}
		for _, s := range page.Sessions {
			total += s.Amount
		}
		if page.NextCursor == "" {
			break
		}
		q.Cursor = page.NextCursor
	}
	fmt.Println(total)
	// Output: 6000
}
