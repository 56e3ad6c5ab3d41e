package contracttest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/store/memory"
	"github.com/caisse/checkout/webhook"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// signedDelivery is a line of the input of verify.mjs: a delivery, and the secret with which the npm library must verify it.
type signedDelivery struct {
	Secret  string            `json:"secret"`
	Headers map[string]string `json:"headers"`
	Body    string            `json:"body"`
}

// TestForeignLibrariesVerifyDeliveries proves that a merchant can verify our webhooks with the libraries of Standard Webhooks, in Go and
// from npm. Both must accept the right secret and refuse every other one, before and after a rotation.
func TestForeignLibrariesVerifyDeliveries(t *testing.T) {
	const folder = "standardwebhooks"
	if _, err := os.Stat(folder + "/node_modules"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("run npm ci in contracttest/standardwebhooks first")
		}
		t.Skip("needs npm ci in contracttest/standardwebhooks")
	}
	type request struct {
		header http.Header
		body   []byte
	}
	requests := make(chan request, 10)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		requests <- request{r.Header, body}
	}))
	t.Cleanup(receiver.Close)

	sessions := memory.New()
	checkouts, err := checkout.New(sessions, checkout.Config{})
	if err != nil {
		t.Fatal(err)
	}
	hooks, err := webhook.New(checkouts, sessions.Webhooks(), webhook.Config{AllowPrivate: true})
	if err != nil {
		t.Fatal(err)
	}
	endpoint, err := hooks.Create(t.Context(), live, webhook.EndpointParams{URL: receiver.URL})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- hooks.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-ended })

	// pay completes a new session, and returns the webhook request that reports it to the merchant.
	pay := func() request {
		t.Helper()
		session, _, err := checkouts.Create(ctx, checkout.CreateParams{Account: live, Amount: 5000, Currency: "XOF", UserPhone: "+22507987654",
			Description: "Deux paniers d’attiéké <é> & \u2028 🧺", ClientReference: `"order" 42`})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := checkouts.Complete(ctx, live, session.ID, "pay_1"); err != nil {
			t.Fatal(err)
		}
		select {
		case r := <-requests:
			return r
		case <-time.After(time.Minute):
			t.Fatal("no webhook came within a minute")
			return request{}
		}
	}
	first := pay()
	rotated, err := hooks.Rotate(ctx, live, endpoint.ID)
	if err != nil {
		t.Fatal(err)
	}
	second := pay()

	const stranger = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
	var lines bytes.Buffer
	var want []string
	for _, check := range []struct {
		request request
		secret  string
		good    bool
	}{
		{first, endpoint.Secret, true}, {first, rotated.Secret, false}, {first, stranger, false},
		{second, endpoint.Secret, true}, {second, rotated.Secret, true}, {second, stranger, false}, // after a rotation both secrets are valid for a day
	} {
		r := check.request
		headers := make(map[string]string)
		for name := range r.header {
			headers[strings.ToLower(name)] = r.header.Get(name)
		}
		if err := json.NewEncoder(&lines).Encode(signedDelivery{check.secret, headers, string(r.body)}); err != nil {
			t.Fatal(err)
		}
		want = append(want, map[bool]string{true: "checkout.completed 2", false: "refused: No matching signature found"}[check.good])

		verifier, err := standardwebhooks.NewWebhook(check.secret)
		if err != nil {
			t.Fatal(err)
		}
		if err := verifier.Verify(r.body, r.header); (err == nil) != check.good {
			t.Errorf("with the secret %s the webhook %s must verify: %t; the Go library returns %v", check.secret, r.header.Get("Webhook-Id"), check.good, err)
		}
	}
	node := exec.CommandContext(t.Context(), "node", "verify.mjs")
	node.Dir, node.Stdin, node.Stderr = folder, &lines, os.Stderr
	output, err := node.Output()
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.TrimSpace(string(output)); got != strings.Join(want, "\n") {
		t.Errorf("the npm library prints\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
}
