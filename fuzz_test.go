package checkout_test

import (
	"encoding/json"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/store/memory"
)

// FuzzHandler sends arbitrary requests. The handler must never panic or answer 5xx. Each error must be a problem document, and each 201
// a valid session.
func FuzzHandler(f *testing.F) {
	const key = "0193f0c2-a7b4-4c5e-9d3a-1b2c3d4e5f60"
	f.Add("POST", "/v1/checkouts", "Bearer "+liveToken, "application/json", key, mobileMoney)
	f.Add("POST", "/v1/checkouts", "Bearer "+liveToken, "application/json", `"`+key+`"`, card)
	f.Add("POST", "/v1/checkouts", "bearer "+testToken, "application/json; charset=utf-8", "", `{"amount": 5e3, "amount": 1}`)
	f.Add("POST", "/v1/checkouts", "Bearer "+liveToken, "application/json", key, `{"amount": 1e1000000000, "currency": "\ud800", "x": [[[]]]}`)
	f.Add("GET", "/v1/checkouts?limit=5&offset=1&status=created", "Bearer "+liveToken, "", "", "")
	f.Add("GET", "/v1/checkouts/cs_ci_%00", "Bearer "+liveToken, "", "", "")
	f.Add("POST", "/v1/checkouts/x/cancel", "Bearer "+liveToken, "", "", "")
	f.Add("OPTIONS", "/v1/openapi.yaml", "", "", "", "")
	f.Fuzz(func(t *testing.T, method, target, authorization, contentType, key, body string) {
		u, err := url.ParseRequestURI(target)
		if err != nil || method == "" || strings.ContainsAny(method, " \t\r\n\x00") {
			return // net/http never passes such a request to a handler
		}
		a := newAPI(t, memory.NewLimit(10))
		r := httptest.NewRequest("POST", "/", strings.NewReader(body))
		r.Method, r.URL = method, u
		r.Header.Set("Authorization", authorization)
		r.Header.Set("Content-Type", contentType)
		if key != "" {
			r.Header.Set("Idempotency-Key", key)
		}
		w := httptest.NewRecorder()
		a.handler.ServeHTTP(w, r)
		switch {
		case w.Code >= 500:
			t.Fatalf("status %d: %s", w.Code, w.Body)
		case method == "HEAD":
			return
		case w.Code >= 400:
			var p struct {
				Type, Title, Detail, Code string
				Status                    int
				RequestID                 string `json:"request_id"`
				Errors                    []struct{ Pointer, Code, Detail string }
			}
			if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Header().Get("Content-Type") != "application/problem+json" ||
				p.Status != w.Code || p.Type == "" || p.Title == "" || p.Detail == "" || p.Code == "" || p.RequestID != w.Header().Get("Request-Id") || len(p.Errors) > 32 {
				t.Fatalf("not a valid problem document: error %v, body %s", err, w.Body)
			}
		case w.Code == 201:
			var s struct {
				ID     string
				Amount int64
				Status checkout.Status
			}
			if err := json.Unmarshal(w.Body.Bytes(), &s); err != nil || s.ID == "" || s.Amount < checkout.MinAmount || s.Amount > checkout.MaxAmount {
				t.Fatalf("not a valid session: error %v, body %s", err, w.Body)
			}
		}
	})
}

// FuzzCreateBody sends an arbitrary body with valid headers. If the handler accepts it, encoding/json decodes the body and encodes it
// again, and the handler must treat the new body as the same request. So both decoders understand the body in the same way.
func FuzzCreateBody(f *testing.F) {
	for _, body := range []string{mobileMoney, card, `{}`, `[]`, `{"amount": 5000.0}`, `{"amount":1e400,"expires_in":-0}`,
		`{"amount":5000,"currency":"XOF","user_phone":"+225 07 98 76 54","description":"\u0041\ud83d\ude00","expires_in":3e2}`} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		a := newAPI(t, memory.NewLimit(10))
		key := keyHeader()
		first := a.post(body, key)
		if first.status != 201 && first.status != 400 && first.status != 413 {
			t.Fatalf("status %d: %s", first.status, first.raw)
		}
		if first.status != 201 {
			return
		}
		var members map[string]any
		decoder := json.NewDecoder(strings.NewReader(body))
		decoder.UseNumber()
		if err := decoder.Decode(&members); err != nil {
			t.Fatalf("accepted a body that encoding/json refuses: %v", err)
		}
		again, err := json.MarshalIndent(members, " ", "\t")
		if err != nil {
			t.Fatal(err)
		}
		if got := a.post(string(again), key); got.status != 200 || got.id() != first.id() {
			t.Fatalf("the encoded body is not the same request: status %d, body %s", got.status, got.raw)
		}
	})
}
