package client_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/client"
	"github.com/caisse/checkout/store/memory"
	"github.com/matryer/is"
)

const token = "sk_test_4eC39HqLyjWDarjtT1zdp7dc"

var (
	account     = checkout.Account{ID: "acct_1"}
	mobileMoney = client.Params{Amount: 5000, Currency: "XOF", UserPhone: "+2250707987654"}
)

// newHandler returns the real handler over a memory store, and the Checkouts that it serves.
func newHandler(t testing.TB, cfg checkout.HandlerConfig) (*checkout.Checkouts, http.Handler) {
	t.Helper()
	checkouts, err := checkout.New(memory.New(), checkout.Config{})
	if err != nil {
		t.Fatal(err)
	}
	auth, err := checkout.BearerTokens(map[string]checkout.Account{token: account})
	if err != nil {
		t.Fatal(err)
	}
	handler, err := checkout.NewHandler(checkouts, auth, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return checkouts, handler
}

// serve starts an HTTP server for h, and returns it with a client that calls it.
func serve(t testing.TB, h http.Handler, cfg client.Config) (*httptest.Server, *client.Client) {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server, newClient(t, server.URL, cfg)
}

func newClient(t testing.TB, url string, cfg client.Config) *client.Client {
	t.Helper()
	c, err := client.New(url, token, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// transport is an http.RoundTripper without a network. synctest can move its clock only while no goroutine waits for a network.
type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// inProcess returns a client whose requests go to h without a network.
func inProcess(t testing.TB, h http.HandlerFunc, cfg client.Config) *client.Client {
	t.Helper()
	cfg.HTTPClient = &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
		if err := r.Context().Err(); err != nil {
			return nil, err
		}
		w := httptest.NewRecorder()
		h(w, r)
		if err := r.Context().Err(); err != nil {
			return nil, err
		}
		return w.Result(), nil
	})}
	return newClient(t, "https://api.example.com", cfg)
}

// canned is a session as a server writes it.
const canned = `{"id":"cs_ci_0193f0c2a7b47c5e9d3a1b2c3d4e5f60","status":"created","amount":5000,"currency":"XOF",` +
	`"user_phone":"+2250707987654","created_at":"2026-11-22T07:31:56Z","expires_at":"2026-11-22T08:01:56Z",` +
	`"completed_at":null,"failure_reason":null,"transaction_fee":25}`

const cannedID = "cs_ci_0193f0c2a7b47c5e9d3a1b2c3d4e5f60"

func writeJSON(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write([]byte(body))
}

func TestAgainstTheHandler(t *testing.T) {
	checkouts, handler := newHandler(t, checkout.HandlerConfig{})
	_, c := serve(t, handler, client.Config{})
	ctx := t.Context()

	t.Run("creates a session with every member", func(t *testing.T) {
		is := is.New(t)
		s, err := c.Create(ctx, client.NewIntent(client.Params{
			Amount: 1000, Currency: "USD", PaymentMethod: client.Card, UserPhone: "+225 07 07 98 76 54",
			SuccessURL: "https://shop.example/ok?a=1&b=2", CancelURL: "https://shop.example/no", Description: "Deux paniers d'attiéké",
			ExpiresIn: 10 * time.Minute, ClientReference: "ORDER_1", Metadata: map[string]string{"size": "L"},
		}))
		is.NoErr(err)
		is.Equal(s.Amount, int64(1000))
		is.Equal(s.Currency, "usd")
		is.Equal(s.Method(), client.Card)
		is.Equal(s.UserPhone, "+2250707987654")
		is.Equal(s.SuccessURL, "https://shop.example/ok?a=1&b=2")
		is.Equal(s.CancelURL, "https://shop.example/no")
		is.Equal(s.Description, "Deux paniers d'attiéké")
		is.Equal(s.ExpiresAt.Sub(s.CreatedAt), 10*time.Minute)
		is.Equal(s.ClientReference, "ORDER_1")
		is.Equal(s.Metadata, map[string]string{"size": "L"})
		is.True(s.CustomerID != "")
		is.True(s.ETag != "")
		is.True(!s.Replayed)
		is.True(s.CompletedAt.IsZero())
	})
	t.Run("creates one session for one intent", func(t *testing.T) {
		is := is.New(t)
		intent := client.NewIntent(mobileMoney)
		first, err := c.Create(ctx, intent)
		is.NoErr(err)
		again, err := c.Create(ctx, intent)
		is.NoErr(err)
		is.Equal(again.ID, first.ID)
		is.True(again.Replayed)
		is.Equal(again.Method(), client.MobileMoney)
	})
	t.Run("reports a key that was used for another request", func(t *testing.T) {
		is := is.New(t)
		intent := client.NewIntent(mobileMoney)
		_, err := c.Create(ctx, intent)
		is.NoErr(err)
		intent.Params.Amount++
		_, err = c.Create(ctx, intent)
		refused := refusal(t, err)
		is.Equal(refused.Status, 422)
		is.Equal(refused.Code, client.CodeIdempotencyKeyReused)
		is.Equal(refused.Fields[0].Pointer, "#/amount")
		is.Equal(refused.Fields[0].Code, client.CodeDiffers)
	})
	t.Run("reports every member that is not valid", func(t *testing.T) {
		is := is.New(t)
		_, err := c.Create(ctx, client.NewIntent(client.Params{Amount: 1, Currency: "XOF"}))
		refused := refusal(t, err)
		is.Equal(refused.Status, 400)
		is.Equal(refused.Code, client.CodeValidationFailed)
		is.Equal(len(refused.Fields), 2)
		is.Equal(refused.Fields[1], client.FieldError{Pointer: "#/user_phone", Code: client.CodeMissing, Detail: "is required"})
		is.True(refused.RequestID != "")
		is.True(!refused.Temporary())
		is.Equal(err.Error(), "client: create a session: answered 400 validation_failed: 2 members of the request are not valid: "+
			"amount must be at least 100; user_phone is required (request "+refused.RequestID+")")
	})
	t.Run("gets a session, cancels it twice and reads its events", func(t *testing.T) {
		is := is.New(t)
		made, err := c.Create(ctx, client.NewIntent(mobileMoney))
		is.NoErr(err)
		got, err := c.Get(ctx, made.ID)
		is.NoErr(err)
		is.Equal(got, made)
		for range 2 {
			cancelled, err := c.Cancel(ctx, made.ID)
			is.NoErr(err)
			is.Equal(cancelled.Status, client.StatusCancelled)
		}
		events, err := c.Events(ctx, made.ID)
		is.NoErr(err)
		is.Equal(len(events), 2)
		is.Equal(events[0].Type, "checkout.created")
		is.Equal(events[0].Sequence, int64(1))
		is.Equal(events[1].Type, "checkout.cancelled")
		is.Equal(events[1].Data.Status, client.StatusCancelled)
		is.True(events[1].Livemode)
		is.True(!events[1].Timestamp.Before(made.CreatedAt))
	})
	t.Run("reports a session that can no longer be cancelled", func(t *testing.T) {
		is := is.New(t)
		made, err := c.Create(ctx, client.NewIntent(mobileMoney))
		is.NoErr(err)
		_, err = checkouts.Complete(ctx, account, made.ID, "PAY_1")
		is.NoErr(err)
		_, err = c.Cancel(ctx, made.ID)
		is.Equal(refusal(t, err).Code, client.CodeInvalidTransition)
		paid, err := c.Get(ctx, made.ID)
		is.NoErr(err)
		is.Equal(paid.Status, client.StatusCompleted)
		is.Equal(paid.PaymentID, "PAY_1")
		is.True(!paid.CompletedAt.IsZero())
	})
	t.Run("reports a session that does not exist", func(t *testing.T) {
		is := is.New(t)
		for _, id := range []string{cannedID, "a/b", "%2e%2e", "?"} {
			_, err := c.Get(ctx, id)
			is.Equal(refusal(t, err).Status, 404)
			is.Equal(refusal(t, err).Code, client.CodeNotFound)
		}
		for _, id := range []string{"", ".", "..", "a b"} {
			_, err := c.Cancel(ctx, id)
			is.Equal(refusal(t, err).Status, 0) // no request was sent
			is.Equal(refusal(t, err).Code, client.CodeNotFound)
		}
	})
	t.Run("reports an unknown token", func(t *testing.T) {
		is := is.New(t)
		server := httptest.NewServer(handler)
		defer server.Close()
		stranger, err := client.New(server.URL, "sk_other", client.Config{})
		is.NoErr(err)
		_, err = stranger.Create(ctx, client.NewIntent(mobileMoney))
		is.Equal(refusal(t, err).Code, client.CodeUnauthorized)
	})
}

func TestUnderAPrefix(t *testing.T) {
	is := is.New(t)
	_, handler := newHandler(t, checkout.HandlerConfig{BasePath: "/pay"})
	server := httptest.NewServer(http.StripPrefix("/pay", handler))
	defer server.Close()
	for _, base := range []string{server.URL + "/pay", server.URL + "/pay/"} {
		c := newClient(t, base, client.Config{})
		s, err := c.Create(t.Context(), client.NewIntent(mobileMoney))
		is.NoErr(err)
		_, err = c.Get(t.Context(), s.ID)
		is.NoErr(err)
	}
}
