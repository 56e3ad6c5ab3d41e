package checkout_test

import (
	"context"
	"fmt"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/store/memory"
)

// A program that keeps something in step with sessions, such as a ledger. It keeps the cursor together with what it wrote, in one
// transaction, so it misses nothing and does nothing twice, whenever it is stopped.
func ExampleCheckouts_Events() {
	ctx, now, account := context.Background(), time.Date(2026, 11, 22, 7, 0, 0, 0, time.UTC), checkout.Account{ID: "acct_1"}
	checkouts, session := newSession(&now)
	checkouts.Begin(ctx, account, session.ID, "pay_1")
	checkouts.Complete(ctx, account, session.ID, "pay_1")

	var kept struct{ cursor checkout.Cursor } // a row of the host's
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

// What has become of one session, for whoever looks into a complaint. It begins with the creation.
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

	go checkouts.Complete(ctx, account, session.ID, "pay_1") // elsewhere

	session, err := checkouts.Wait(ctx, account, session.ID, session) // until it is another than this one
	fmt.Println(session.Status, err)
	// Output: completed <nil>
}

// All of a merchant's completed sessions, page by page. A walk meets each of them once, whatever is created meanwhile.
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
