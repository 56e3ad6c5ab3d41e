package webhook_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/store/memory"
	"github.com/caisse/checkout/webhook"
)

// A host serves /v1/webhooks next to /v1/checkouts, and delivers events.
func Example() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	logger := slog.New(slog.DiscardHandler)
	store := memory.New()
	checkouts, err := checkout.New(store, checkout.Config{})
	if err != nil {
		panic(err)
	}
	auth, err := checkout.BearerTokens(map[string]checkout.Account{"sk_live_1": {ID: "acct_1"}})
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	mount := func() error {
		hooks, err := webhook.New(checkouts, store.Webhooks(), webhook.Config{Logger: logger})
		if err != nil {
			return err
		}
		handler, err := webhook.NewHandler(hooks, auth, webhook.HandlerConfig{Logger: logger})
		if err != nil {
			return err
		}
		mux.Handle("/v1/webhooks", handler)
		mux.Handle("/v1/webhooks/", handler)
		go hooks.Run(ctx) // on any number of instances; it sweeps, too
		return nil
	}
	fmt.Println(mount())
	// Output: <nil>
}

// A receiver verifies the body byte for byte as it arrived, before it decodes the body.
func ExampleVerify() {
	secret := "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" // the secret of the endpoint
	receive := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 64<<10))
		if err != nil {
			http.Error(w, "the body cannot be read", http.StatusBadRequest)
			return
		}
		event, err := webhook.Verify(body, r.Header, secret)
		if errors.Is(err, webhook.ErrNotVerified) {
			http.Error(w, "not signed by us, or too long ago", http.StatusUnauthorized)
			return
		}
		fmt.Println(event.Type, err)
	})

	forged := httptest.NewRequest(http.MethodPost, "/", nil)
	w := httptest.NewRecorder()
	receive.ServeHTTP(w, forged)
	fmt.Println(w.Code)
	// Output: 401
}

// AllowPrivate is for tests on one machine, where endpoints have neither https nor public addresses.
func ExampleConfig() {
	store := memory.New()
	checkouts, _ := checkout.New(store, checkout.Config{})
	hooks, err := webhook.New(checkouts, store.Webhooks(), webhook.Config{AllowPrivate: true})
	if err != nil {
		panic(err)
	}
	endpoint, err := hooks.Create(context.Background(), checkout.Account{ID: "acct_1"}, webhook.EndpointParams{
		URL:    "http://127.0.0.1:9090/",
		Events: []string{"checkout.completed"},
	})
	fmt.Println(endpoint.Status, endpoint.Events, err)
	// Output: active [checkout.completed] <nil>
}
