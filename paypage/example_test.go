package paypage_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/paypage"
	"github.com/caisse/checkout/store/memory"
)

// A host mounts the page, and its API names the page's link in every answer.
func Example() {
	checkouts, err := checkout.New(memory.New(), checkout.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	page, err := paypage.New(checkouts, paypage.Config{
		Keys: [][]byte{[]byte("32 random bytes, kept secret....")},
		URL:  "https://pay.example.com/pay",
		Pay: func(_ context.Context, s checkout.Session) (paypage.Next, error) {
			// Ask the operator under s.PaymentID, so that asking twice is asking once. Where it refuses at once:
			// return paypage.Next{}, &paypage.Refused{Reason: "insufficient funds"}
			return paypage.Next{}, nil // the payer confirms on the phone
		},
		Merchant: func(checkout.Account) string { return "Chez Awa" },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.Handle("/pay/", http.StripPrefix("/pay", page))

	session, _, err := checkouts.Create(context.Background(), checkout.CreateParams{
		Account: checkout.Account{ID: "acct_1"}, Amount: 5000, Currency: "XOF", UserPhone: "+2250707987654",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, page.Link(session), nil))
	fmt.Println(w.Code, strings.Contains(w.Body.String(), "Chez Awa"))
	// Output: 200 true
}
