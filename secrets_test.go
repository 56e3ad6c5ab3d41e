package checkout_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/store/memory"
	"github.com/matryer/is"
)

// canaries are secret values, one for each part of a request that may be secret. None may appear in an error or in the log.
var canaries = map[string]string{
	"token":       "sk_live_CANARYTOKEN",
	"key":         "CANARYKEY-17",
	"phone":       "+2250711223344",
	"description": "CANARYDESCRIPTION",
	"url":         "https://example.com/CANARYURL",
	"value":       "CANARYVALUE",
}

// TestSecretsNeverAppear sends the canaries in requests that are refused for many reasons, and then searches the answers and the log.
func TestSecretsNeverAppear(t *testing.T) {
	var mu sync.Mutex
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(writerFunc(func(p []byte) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		return log.Write(p)
	}), &slog.HandlerOptions{Level: slog.LevelDebug}))
	var failure error
	var panics bool
	store := failingStore{memory.NewLimit(3), func(string) error {
		if panics {
			panic("broken")
		}
		return failure
	}}
	a := newAPIWith(t, store, checkout.Config{Logger: logger}, checkout.HandlerConfig{Logger: logger, AnyIdempotencyKey: true})
	auth, err := checkout.BearerTokens(map[string]checkout.Account{canaries["token"]: live})
	is.New(t).NoErr(err)
	a.handler, err = checkout.NewHandler(a.Checkouts, auth, checkout.HandlerConfig{Logger: logger, AnyIdempotencyKey: true})
	is.New(t).NoErr(err)

	full := fmt.Sprintf(`{"amount": 5000, "currency": "XOF", "user_phone": %q, "description": %q, "success_url": %q}`,
		canaries["phone"], canaries["description"], canaries["url"])
	headers := func(more ...string) []string {
		return append([]string{"Authorization: Bearer " + canaries["token"], "Idempotency-Key: " + canaries["key"]}, more...)
	}
	answers := []response{}
	send := func(body string, headers ...string) { answers = append(answers, a.post(body, headers...)) }
	bad := func(member string) { send(with(t, full, member, `"`+canaries["value"]+`"`), headers()...) }

	for _, member := range []string{"amount", "currency", "user_phone", "payment_method", "success_url", "expires_in"} {
		bad(member)
	}
	send(with(t, full, "user_phone", `"`+canaries["phone"]+`5"`), headers()...)
	send(with(t, full, "description", `"`+strings.Repeat(canaries["value"], 30)+`"`), headers()...)
	send(with(t, full, "nope", `"`+canaries["value"]+`"`), headers()...)
	send(full+canaries["value"], headers()...)
	send(`{"`+canaries["value"], headers()...)
	send(full, headers("Authorization: Basic "+canaries["token"])...)
	send(full, "Authorization: Bearer "+canaries["token"]+"x")
	send(full, "Authorization: Bearer "+canaries["token"], "Idempotency-Key: "+canaries["key"]+",")
	send(full, "Authorization: Bearer "+canaries["token"], "Idempotency-Key: "+canaries["key"], "Idempotency-Key: "+canaries["key"])
	send(full, headers("Content-Type: "+canaries["value"])...)
	answers = append(answers, a.get("/v1/checkouts?status="+canaries["value"], headers()...))
	answers = append(answers, a.get("/v1/checkouts?"+canaries["value"]+"=1", headers()...))
	answers = append(answers, a.get("/v1/checkouts/"+canaries["value"], headers()...))
	answers = append(answers, a.do("POST", "/v1/checkouts/"+canaries["value"]+"/cancel", "", headers()...))
	for _, failure = range []error{checkout.ErrUnavailable, checkout.ErrOutcomeUnknown, errors.New("fault"), context.Canceled} {
		send(full, headers()...)
	}
	failure, panics = nil, true
	send(full, headers()...)
	panics = false
	created := a.post(full, headers()...)
	is.New(t).Equal(created.status, 201)
	send(with(t, full, "amount", "6000"), headers()...) // the key is reused
	for range 3 {
		send(full, "Authorization: Bearer "+canaries["token"], keyHeader()) // until the store is full
	}
	canaryParams := params(live, canaries["key"])
	canaryParams.UserPhone, canaryParams.Description, canaryParams.SuccessURL = canaries["phone"], canaries["description"], canaries["url"]
	for _, move := range []func() (checkout.Session, error){
		func() (checkout.Session, error) { return a.Begin(t.Context(), live, created.id(), "PAY_1") },
		func() (checkout.Session, error) { return a.Cancel(t.Context(), live, created.id()) },
		func() (checkout.Session, error) { return a.Complete(t.Context(), live, created.id(), "PAY_1") },
		func() (checkout.Session, error) { return a.Complete(t.Context(), live, created.id(), "PAY_2") },
	} {
		s, err := move()
		logger.Info("a host logs what it got", "session", s, "error", err, "params", canaryParams, "all", []checkout.CreateParams{canaryParams}, "sessions", []checkout.Session{s}, "page", checkout.Page{Sessions: []checkout.Session{s}})
	}

	is := is.New(t)
	statuses := map[int]bool{}
	for _, got := range answers {
		statuses[got.status] = true
		if got.status < 300 {
			continue // an account may see its own session
		}
		for name, secret := range canaries {
			if strings.Contains(got.raw, secret) || strings.Contains(fmt.Sprint(got.header), secret) {
				t.Errorf("the %s appears in %s", name, got.raw)
			}
		}
	}
	for _, status := range []int{400, 401, 404, 415, 422, 500, 503} {
		is.True(statuses[status]) // at least one request got this status
	}
	is.True(strings.Contains(log.String(), "checkout session created"))
	is.True(strings.Contains(log.String(), `level=WARN msg="payment came late"`))
	is.True(strings.Contains(log.String(), "two payments claim one checkout session"))
	for name, secret := range canaries {
		if i := strings.Index(log.String(), secret); i >= 0 {
			t.Errorf("the %s appears in the log: %.200s", name, log.String()[max(0, i-100):])
		}
	}
}

func TestAJSONLogShowsNoSecret(t *testing.T) {
	params := checkout.CreateParams{Account: live, IdempotencyKey: "CANARY-key", UserPhone: "+2250707987654", Description: "CANARY-text"}
	session := checkout.Session{ID: "cs_ci_1", Account: live, IdempotencyKey: "CANARY-key", UserPhone: "+2250707987654", Description: "CANARY-text"}
	for _, value := range []any{params, &params, session, &session, checkout.Event{ID: "evt_1", Session: session}} {
		var log bytes.Buffer
		slog.New(slog.NewJSONHandler(&log, nil)).Info("a host logs what it has", "value", value)
		if text := log.String(); !strings.Contains(text, "****54") || strings.Contains(text, "CANARY") || strings.Contains(text, "07987") {
			t.Errorf("the log of a %T is %s", value, text)
		}
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestNoVerbOfFmtShowsASecret(t *testing.T) {
	params := checkout.CreateParams{
		Account: live, IdempotencyKey: "CANARY-key", Amount: 5000, Currency: "XOF", UserPhone: "+2250707987654",
		Description: "CANARY-text", SuccessURL: "https://CANARY.example",
	}
	session := checkout.Session{
		ID: "cs_ci_1", Account: live, IdempotencyKey: "CANARY-key", UserPhone: "+2250707987654",
		Description: "CANARY-text", SuccessURL: "https://CANARY.example",
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x", "%X", "%T %v", "%10v"} {
		for _, value := range []any{params, &params, []checkout.CreateParams{params}, session, &session, []checkout.Session{session}, map[string]checkout.Session{"a": session}, struct{ S checkout.Session }{session}, checkout.Event{Session: session}} {
			args := []any{value, value}[:strings.Count(verb, "%")]
			text := fmt.Sprintf(verb, args...)
			// The text of the secrets, their bytes in hex, and digits of the phone as text and in hex.
			for _, secret := range []string{"CANARY", "43414e415259", "43414E415259", "07987", "3037393837"} {
				if strings.Contains(text, secret) {
					t.Errorf("%s of a %T shows a secret: %s", verb, value, text)
				}
			}
		}
	}
}
