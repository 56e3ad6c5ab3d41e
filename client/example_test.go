package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/client"
	"github.com/caisse/checkout/store/memory"
)

// startServer starts the server that the examples call.
func startServer() (*checkout.Checkouts, *httptest.Server) {
	checkouts, err := checkout.New(memory.New(), checkout.Config{})
	if err != nil {
		panic(err)
	}
	auth, err := checkout.BearerTokens(map[string]checkout.Account{"sk_live_1": {ID: "acct_1"}})
	if err != nil {
		panic(err)
	}
	handler, err := checkout.NewHandler(checkouts, auth, checkout.HandlerConfig{})
	if err != nil {
		panic(err)
	}
	return checkouts, httptest.NewServer(handler)
}

func Example() {
	_, server := startServer()
	defer server.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()

	c, err := client.New(server.URL, "sk_live_1", client.Config{})
	if err != nil {
		panic(err)
	}
	intent := client.NewIntent(client.Params{Amount: 5000, Currency: "XOF", UserPhone: "+225 07 07 98 76 54"})
	session, err := c.Create(ctx, intent)
	fmt.Println(session.Status, session.Amount, session.Currency, session.UserPhone, err)
	// Output: created 5000 XOF +2250707987654 <nil>
}

// The program stops after it has sent its request and before it has read the answer. It has stored the intent with the order, so its next
// run asks for the same payment, not for a second one.
func ExampleNewIntent_restart() {
	_, server := startServer()
	defer server.Close()
	c, _ := client.New(server.URL, "sk_live_1", client.Config{})
	var order struct{ payment []byte } // a row of the shop's database

	// The first run.
	intent := client.NewIntent(client.Params{
		Amount: 5000, Currency: "XOF", UserPhone: "+2250707987654", ClientReference: "ORDER_123",
	})
	order.payment, _ = json.Marshal(intent)            // committed before anything is sent
	first, _ := c.Create(context.Background(), intent) // the power fails before the answer is read

	// The next run.
	var kept client.Intent
	if err := json.Unmarshal(order.payment, &kept); err != nil {
		panic(err)
	}
	session, err := c.Create(context.Background(), kept)
	fmt.Println(session.ID == first.ID, session.Replayed, err)
	// Output: true true <nil>
}

func ExampleClient_Wait() {
	checkouts, server := startServer()
	defer server.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c, _ := client.New(server.URL, "sk_live_1", client.Config{})
	session, err := c.Create(ctx, client.NewIntent(client.Params{Amount: 5000, Currency: "XOF", UserPhone: "+2250707987654"}))

	// Meanwhile the payer confirms on the phone, and the operator calls back the host.
	go checkouts.Complete(ctx, checkout.Account{ID: "acct_1"}, session.ID, "MP_1")

	for err == nil && !session.Status.Ended() {
		session, err = c.Wait(ctx, session)
	}
	fmt.Println(session.Status, session.PaymentID, err)
	// Output: completed MP_1 <nil>
}

func ExampleClient_List() {
	_, server := startServer()
	defer server.Close()
	ctx := context.Background()
	c, _ := client.New(server.URL, "sk_live_1", client.Config{})
	for _, order := range []string{"ORDER_1", "ORDER_2", "ORDER_2", "ORDER_3"} {
		c.Create(ctx, client.NewIntent(client.Params{
			Amount: 5000, Currency: "XOF", UserPhone: "+2250707987654", ClientReference: order,
		}))
	}

	for session, err := range c.List(ctx, client.Query{ClientReference: "ORDER_2"}) {
		if err != nil {
			panic(err)
		}
		fmt.Println(session.ClientReference, session.Status, session.Amount)
	}
	// Output:
	// ORDER_2 created 5000
	// ORDER_2 created 5000
}

func ExampleError() {
	_, server := startServer()
	defer server.Close()
	c, _ := client.New(server.URL, "sk_live_1", client.Config{})
	_, err := c.Create(context.Background(), client.NewIntent(client.Params{Amount: 5, Currency: "XOF", UserPhone: "+2250707987654"}))

	var refused *client.Error
	if errors.As(err, &refused) {
		fmt.Println(refused.Status, refused.Code)
		for _, field := range refused.Fields {
			fmt.Println(field.Pointer, field.Code, field.Detail)
		}
	}
	// Output:
	// 400 validation_failed
	// #/amount out_of_range must be at least 100
}
