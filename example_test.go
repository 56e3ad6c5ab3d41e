package checkout_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/idempotency"
	"github.com/caisse/checkout/store/memory"
	"github.com/google/uuid"
	"github.com/shopspring/decimal"
)

func Example() {
	ctx := context.Background()
	checkouts, err := checkout.New(memory.New(), checkout.Config{})
	if err != nil {
		panic(err)
	}
	params := checkout.CreateParams{
		Account:        checkout.Account{ID: "acct_1"},
		IdempotencyKey: "0193f0c2-a7b4-4c5e-9d3a-1b2c3d4e5f60",
		Amount:         5000,
		Currency:       "XOF",
		UserPhone:      "+225 07 98 76 54",
	}
	session, replayed, err := checkouts.Create(ctx, params)
	fmt.Println(session.Status, session.Amount, session.UserPhone, replayed, err)
	again, replayed, err := checkouts.Create(ctx, params)
	fmt.Println(again.ID == session.ID, replayed, err)
	// Output:
	// created 5000 +22507987654 false <nil>
	// true true <nil>
}

// The connection breaks after the session was made and before the answer arrived. If the client chooses a new key for its second try, it
// makes a second session and may charge its customer twice. The key belongs to the payment, not to the try.
func ExampleCheckouts_Create_freshKeyPerTry() {
	ctx := context.Background()
	checkouts, _ := checkout.New(memory.New(), checkout.Config{})
	account := checkout.Account{ID: "acct_1"}
	try := func(key idempotency.Key) {
		checkouts.Create(ctx, checkout.CreateParams{
			Account: account, IdempotencyKey: key, Amount: 5000, Currency: "XOF", UserPhone: "+2250707987654",
		})
	}
	count := func() int {
		page, _ := checkouts.List(ctx, account, checkout.Query{})
		return page.Total
	}

	// Wrong: each try has its own key.
	for range 2 {
		try(idempotency.Key(uuid.NewString()))
	}
	fmt.Println("a fresh key for every try:", count(), "sessions")

	// Right: the client stores the key with the order before the first try.
	order := struct{ key idempotency.Key }{key: idempotency.Key(uuid.NewString())}
	for range 2 {
		try(order.key)
	}
	fmt.Println("one key for the order:", count()-2, "session")
	// Output:
	// a fresh key for every try: 2 sessions
	// one key for the order: 1 session
}

func ExampleNewHandler() {
	checkouts, _ := checkout.New(memory.New(), checkout.Config{})
	auth, _ := checkout.BearerTokens(map[string]checkout.Account{"sk_test_1": {ID: "acct_1", Test: true}})
	handler, err := checkout.NewHandler(checkouts, auth, checkout.HandlerConfig{})
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/v1/", handler)
	server := httptest.NewServer(mux)
	defer server.Close()

	request, _ := http.NewRequest("POST", server.URL+"/v1/checkouts", strings.NewReader(`{"amount": 50, "currency": "XOF"}`))
	request.Header.Set("Authorization", "Bearer sk_test_1")
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Idempotency-Key", "0193f0c2-a7b4-4c5e-9d3a-1b2c3d4e5f60")
	request.Header.Set("Request-Id", "req_1")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		panic(err)
	}
	defer response.Body.Close()
	body, _ := io.ReadAll(response.Body)
	fmt.Println(response.Status)
	fmt.Println(strings.ReplaceAll(string(body), ",\"", ",\n\""))
	// Output:
	// 400 Bad Request
	// {"type":"about:blank",
	// "title":"Bad Request",
	// "status":400,
	// "detail":"2 members of the request are not valid",
	// "code":"validation_failed",
	// "request_id":"req_1",
	// "errors":[{"pointer":"#/amount",
	// "code":"out_of_range",
	// "detail":"must be at least 100"},{"pointer":"#/user_phone",
	// "code":"missing",
	// "detail":"is required"}]}
}

// The operator's callback comes an hour after the session has expired. The money has moved, so the session becomes completed. Late tells
// the host to check whether it still has the goods.
func ExampleCheckouts_Complete_late() {
	ctx := context.Background()
	now := time.Date(2026, 11, 22, 7, 0, 0, 0, time.UTC)
	checkouts, _ := checkout.New(memory.New(), checkout.Config{Clock: checkout.ClockFunc(func() time.Time { return now })})
	account := checkout.Account{ID: "acct_1"}
	session, _, _ := checkouts.Create(ctx, checkout.CreateParams{Account: account, Amount: 5000, Currency: "XOF", UserPhone: "+221771234567"})

	now = now.Add(90 * time.Minute)
	session, _ = checkouts.Get(ctx, account, session.ID)
	fmt.Println(session.Status)
	session, err := checkouts.Complete(ctx, account, session.ID, "OM-1")
	fmt.Println(session.Status, session.Late, err)

	_, err = checkouts.Complete(ctx, account, session.ID, "OM-2")
	var conflict *checkout.PaymentConflictError
	fmt.Println(errors.As(err, &conflict), conflict.Have, conflict.Got)
	// Output:
	// expired
	// completed true <nil>
	// true OM-1 OM-2
}

func ExampleFeeSchedule() {
	fee := checkout.FeeSchedule{Rate: decimal.RequireFromString("0.005"), Min: 10, Max: 2000}
	for _, amount := range []int64{500, 5000, 1_000_000} {
		fmt.Println(amount, "=", amount-fee.Fee(amount), "+", fee.Fee(amount))
	}
	// Output:
	// 500 = 490 + 10
	// 5000 = 4975 + 25
	// 1000000 = 998000 + 2000
}

func ExampleParsePhone() {
	phone, err := checkout.ParsePhone("+225 07 98 76 54") // from the numbering plan that Côte d'Ivoire replaced in 2021
	fmt.Println(phone.Number, phone.Dialable, phone.Region, phone.Operator, phone.Legacy, err)
	// Output: +22507987654 +2250707987654 CI Orange true <nil>
}
