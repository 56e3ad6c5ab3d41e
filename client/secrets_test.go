package client_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/caisse/checkout/client"
	"github.com/matryer/is"
)

// The tests give these secrets to the client. They may appear in requests and nowhere else.
const (
	secretPhone = "+2250709876543"
	secretKey   = "5eb5a3a0-92d0-4c3a-8b3f-6c0e5c0a1d77"
	secretURL   = "https://pay.example/sealed"
	secretText  = "for Awa"
)

// holdsNoSecret fails the test if the text has one of the secrets.
func holdsNoSecret(t *testing.T, where, text string) {
	t.Helper()
	for _, secret := range []string{token, secretPhone, strings.TrimPrefix(secretPhone, "+"), secretKey, secretURL, secretText} {
		if strings.Contains(text, secret) {
			t.Errorf("%s has the secret %q: %s", where, secret, text)
		}
	}
}

func TestNothingShowsASecret(t *testing.T) {
	params := client.Params{Amount: 5000, Currency: "XOF", UserPhone: secretPhone, Description: secretText, SuccessURL: secretURL,
		Metadata: map[string]string{"note": secretText}}
	c := newClient(t, "https://api.example.com", client.Config{})
	session := client.Session{ID: cannedID, UserPhone: secretPhone, CheckoutURL: secretURL, Description: secretText,
		Metadata: map[string]string{"note": secretText}}
	intent := client.Intent{Key: secretKey, Params: params}
	for _, test := range []struct {
		name    string
		value   any
		jsonLog bool // a JSON log hides the secrets too. If false, the value has no LogValue method, so a JSON log shows its JSON
	}{
		{"a Client", *c, true},
		{"a *Client", c, true},
		{"a struct with a Client", struct{ C *client.Client }{c}, true},
		{"a struct with an unexported Client", struct{ c *client.Client }{c}, true},
		{"an Intent", intent, true},
		{"a *Intent", &intent, true},
		{"a struct with an Intent", struct{ I client.Intent }{intent}, false},
		{"Params", params, true},
		{"a Session", session, true},
		{"Sessions", []client.Session{session}, false},
		{"an Event", client.Event{Data: session}, true},
		{"a Query", client.Query{UserPhone: secretPhone}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
				holdsNoSecret(t, verb, fmt.Sprintf(verb, test.value))
			}
			var text bytes.Buffer
			slog.New(slog.NewTextHandler(&text, nil)).Info("", "value", test.value)
			holdsNoSecret(t, "a text log", text.String())
			if test.jsonLog {
				var log bytes.Buffer
				slog.New(slog.NewJSONHandler(&log, nil)).Info("", "value", test.value)
				holdsNoSecret(t, "a JSON log", log.String())
			}
		})
	}
	t.Run("but the rest of the value is shown", func(t *testing.T) {
		is := is.New(t)
		is.Equal(fmt.Sprint(c), "client.Client(https://api.example.com)")
		is.Equal(fmt.Sprint(intent),
			"[key=********************************1d77 amount=5000 currency=XOF user_phone=+225********43 client_reference=]")
		is.Equal(fmt.Sprint(client.Query{UserPhone: secretPhone, Limit: 5}), "[user_phone=+225********43 limit=5]")
	})
}

func TestNoErrorAndNoLogHoldsASecret(t *testing.T) {
	params := client.Params{Amount: 5000, Currency: "XOF", UserPhone: secretPhone, Description: secretText}
	intent := client.Intent{Key: secretKey, Params: params}
	// repeat answers with all of the request, as a proxy's debug page does.
	repeat := func(w http.ResponseWriter, r *http.Request, status int) {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(status)
		fmt.Fprint(w, r.Header, r.URL)
		io.Copy(w, r.Body)
	}
	for _, test := range []struct {
		name    string
		retried bool
		h       http.HandlerFunc
	}{
		{"a connection that breaks", true, func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) }},
		{"an answer that is cut off", true, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "1000")
			w.Write([]byte("{"))
			panic(http.ErrAbortHandler)
		}},
		{"a refusal", true, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(503) }},
		{"a redirect", false, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/"+secretPhone, http.StatusFound) }},
		{"an answer that repeats the request", false, func(w http.ResponseWriter, r *http.Request) { repeat(w, r, 200) }},
		{"a refusal that repeats the request", true, func(w http.ResponseWriter, r *http.Request) { repeat(w, r, 502) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			var log bytes.Buffer
			_, c := serve(t, test.h, client.Config{MaxAttempts: 2, Logger: slog.New(slog.NewTextHandler(&log, nil))})
			_, err := c.Create(t.Context(), intent)
			if err == nil {
				t.Fatal("want an error")
			}
			holdsNoSecret(t, "the error of a create", err.Error())
			for e := err; e != nil; e = errors.Unwrap(e) {
				holdsNoSecret(t, "a wrapped error", fmt.Sprintf("%+v %#v", e, e))
			}
			if _, err = c.ListPage(t.Context(), client.Query{UserPhone: secretPhone}); err == nil {
				t.Fatal("want an error")
			}
			holdsNoSecret(t, "the error of a list", err.Error())
			for e := err; e != nil; e = errors.Unwrap(e) {
				holdsNoSecret(t, "a wrapped error", fmt.Sprintf("%+v %#v", e, e))
			}
			holdsNoSecret(t, "the log", log.String())
			if got := strings.Contains(log.String(), "checkout request is retried"); got != test.retried {
				t.Errorf("a retry was logged: %v, want %v", got, test.retried)
			}
		})
	}
}

func TestTheTokenGoesToNoOtherHost(t *testing.T) {
	is := is.New(t)
	requests := 0 // to the other host
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { requests++; writeJSON(w, 200, canned) }))
	defer other.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, other.URL+r.URL.Path, status)
		}))
		// By itself, this http.Client of the program would follow redirects.
		c := newClient(t, server.URL, client.Config{HTTPClient: &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return nil }}})
		_, err := c.Create(t.Context(), client.NewIntent(mobileMoney))
		is.Equal(refusal(t, err).Status, status)
		_, err = c.Get(t.Context(), cannedID)
		is.Equal(refusal(t, err).Status, status)
		server.Close()
	}
	is.Equal(requests, 0)
}

func TestIntent(t *testing.T) {
	t.Run("has a key of its own, a UUID of version 7", func(t *testing.T) {
		is := is.New(t)
		v7 := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
		seen := map[string]bool{}
		for range 10_000 {
			key := client.NewIntent(mobileMoney).Key
			is.True(v7.MatchString(key))
			is.True(!seen[key])
			seen[key] = true
		}
	})
	t.Run("is the same after it was stored as JSON", func(t *testing.T) {
		is := is.New(t)
		intent := client.NewIntent(client.Params{
			Amount: 9007199254740991, Currency: "XOF", PaymentMethod: client.Card, UserPhone: secretPhone, SuccessURL: "https://a.example/?a=1&b=2",
			CancelURL: "https://b.example", Description: "<é\u2028>", ExpiresIn: 300e9, ClientReference: "1", Metadata: map[string]string{"a": "b"},
		})
		text, err := json.Marshal(intent)
		is.NoErr(err)
		var read client.Intent
		is.NoErr(json.Unmarshal(text, &read))
		is.Equal(read, intent)
	})
	t.Run("is not sent if JSON would change it", func(t *testing.T) {
		is := is.New(t)
		sent := 0
		c := inProcess(t, func(w http.ResponseWriter, r *http.Request) { sent++ }, client.Config{})
		for member, params := range map[string]client.Params{
			"#/description": {Description: "\xff"},
			"#/expires_in":  {ExpiresIn: 1500e6},
			"#/metadata":    {Metadata: map[string]string{"a": "\xff"}},
		} {
			_, err := c.Create(t.Context(), client.NewIntent(params))
			is.Equal(refusal(t, err).Status, 0)
			is.Equal(refusal(t, err).Code, client.CodeValidationFailed)
			is.Equal(refusal(t, err).Fields[0].Pointer, member)
			_, err = json.Marshal(client.NewIntent(params))
			is.True(err != nil)
		}
		for key, code := range map[string]string{"": client.CodeIdempotencyKeyMissing, "a\r\nb": client.CodeIdempotencyKeyInvalid} {
			_, err := c.Create(t.Context(), client.Intent{Key: key, Params: mobileMoney})
			is.Equal(refusal(t, err).Code, code)
		}
		is.Equal(sent, 0)
	})
}
