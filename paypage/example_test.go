package paypage_test

import (
	"context"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/paypage"
	"github.com/caisse/checkout/simulator"
	"github.com/caisse/checkout/store/memory"
)

// A host mounts the page, and gives payers the link of their session.
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
			// Ask the operator under s.PaymentID, so that it takes the money once even if it is asked twice. If it refuses at once:
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

// operator takes the place of the host's own package that calls a mobile-money operator.
var operator = fakeOperator{ErrInsufficientFunds: errors.New("insufficient funds")}

type fakeOperator struct{ ErrInsufficientFunds error }

func (fakeOperator) RequestToPay(_ context.Context, reference, phone string, amount int64, currency string) error {
	return nil
}

func askOperator(ctx context.Context, s checkout.Session) (paypage.Next, error) {
	err := operator.RequestToPay(ctx, s.PaymentID, s.Phone().Dialable, s.Amount, s.Currency)
	if errors.Is(err, operator.ErrInsufficientFunds) {
		return paypage.Next{}, &paypage.Refused{Reason: "insufficient funds"}
	}
	return paypage.Next{}, err
}

// A host has an API and a page. Each session that the API returns has the link of its page, as long as it can be paid.
func ExampleNew() {
	var (
		checkouts, _ = checkout.New(memory.New(), checkout.Config{})
		auth, _      = checkout.BearerTokens(map[string]checkout.Account{"sk_live_1": {ID: "acct_1"}})
		key          = []byte("32 random bytes, kept secret....")
		names        = map[string]string{"acct_1": "Chez Awa"}
		logger       = slog.New(slog.DiscardHandler)
		mux          = http.NewServeMux()
		server       = &http.Server{Handler: mux}
	)
	mount := func() error {
		page, err := paypage.New(checkouts, paypage.Config{
			Keys:     [][]byte{key},                 // 32 random bytes, kept secret
			URL:      "https://pay.example.com/pay", // where it is mounted, as payers see it
			Pay:      askOperator,
			Merchant: func(a checkout.Account) string { return names[a.ID] },
			Logger:   logger,
		})
		if err != nil {
			return err
		}
		handler, err := checkout.NewHandler(checkouts, auth, checkout.HandlerConfig{CheckoutURL: page.Link})
		if err != nil {
			return err
		}
		mux.Handle("/pay/", http.StripPrefix("/pay", page))
		mux.Handle("/v1/", handler)
		server.RegisterOnShutdown(checkouts.StopWaiting) // ends the waits of open pages, so that Shutdown is quick
		return nil
	}
	fmt.Println(mount())
	// Output: <nil>
}

// A host adds its name at the top of the page.
func ExampleDefaultTemplate() {
	checkouts, _ := checkout.New(memory.New(), checkout.Config{})
	_, err := paypage.New(checkouts, paypage.Config{
		Keys: [][]byte{[]byte("32 random bytes, kept secret....")}, URL: "https://pay.example.com/pay", Pay: askOperator,
		Template: template.Must(paypage.DefaultTemplate().Parse(`{{define "brand"}}<p>Caisse</p>{{end}}`)),
	})
	fmt.Println(err)
	// Output: <nil>
}

// With a simulated operator, no money moves.
func ExampleConfig_simulated() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	checkouts, _ := checkout.New(memory.New(), checkout.Config{})
	key := []byte("32 random bytes, kept secret....")
	simulate := func() error {
		sim, err := simulator.New(checkouts, simulator.Config{})
		if err != nil {
			return err
		}
		_, err = paypage.New(checkouts, paypage.Config{
			Keys: [][]byte{key}, URL: "https://pay.example.com/pay",
			Pay: sim.Pay, Explain: simulator.Explain, Simulated: true,
		})
		if err != nil {
			return err
		}
		sim.Drive(checkout.Account{ID: "acct_1", Test: true}) // begins payments of test sessions, with no page
		go sim.Run(ctx)                                       // or sim.Tick(ctx) from a test with a clock of its own
		return nil
	}
	fmt.Println(simulate())
	// Output: <nil>
}
