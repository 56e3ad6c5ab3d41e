package checkout_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/idempotency"
	"github.com/caisse/checkout/store/memory"
	"github.com/google/uuid"
	"github.com/shopspring/decimal"
)

func BenchmarkCreate(b *testing.B) {
	b.ReportAllocs()
	c, _ := checkout.New(memory.NewLimit(1<<30), checkout.Config{Fees: map[string]checkout.FeeSchedule{"XOF": {Rate: decimal.RequireFromString("0.005")}}})
	for b.Loop() {
		p := params(live, "")
		p.IdempotencyKey = idempotency.Key(uuid.NewString())
		if _, _, err := c.Create(b.Context(), p); err != nil {
			b.Fatal(err)
		}
	}
}

// sink is an http.ResponseWriter that discards the answer.
type sink struct{ h http.Header }

func (s sink) Header() http.Header         { return s.h }
func (s sink) Write(p []byte) (int, error) { return len(p), nil }
func (s sink) WriteHeader(int)             {}

func BenchmarkHandler(b *testing.B) {
	b.ReportAllocs()
	c, _ := checkout.New(memory.NewLimit(1<<30), checkout.Config{Fees: map[string]checkout.FeeSchedule{"XOF": {Rate: decimal.RequireFromString("0.005")}}})
	auth, _ := checkout.BearerTokens(map[string]checkout.Account{liveToken: live})
	h, _ := checkout.NewHandler(c, auth, checkout.HandlerConfig{})
	r := httptest.NewRequest("POST", "/v1/checkouts", nil)
	r.Header.Set("Authorization", "Bearer "+liveToken)
	r.Header.Set("Content-Type", "application/json")
	for b.Loop() {
		r.Header["Idempotency-Key"] = []string{uuid.NewString()}
		r.Body = io.NopCloser(bytes.NewReader([]byte(mobileMoney)))
		r.ContentLength = int64(len(mobileMoney))
		h.ServeHTTP(sink{http.Header{}}, r)
	}
}

func BenchmarkSessionJSON(b *testing.B) {
	c, _ := checkout.New(memory.New(), checkout.Config{})
	s, _, err := c.Create(b.Context(), params(live, ""))
	if err != nil {
		b.Fatal(err)
	}
	b.Run("MarshalJSON", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := s.MarshalJSON(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("encoding json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := json.Marshal(wireOf(s)); err != nil {
				b.Fatal(err)
			}
		}
	})
}
