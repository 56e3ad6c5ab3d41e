package paypage

import (
	"context"
	"net/http"
	"reflect"
	"testing"
	"time"

	"github.com/caisse/checkout"
)

// discard is an [http.ResponseWriter] that keeps only the size of the last write.
type discard struct {
	header http.Header
	size   *int
}

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(p []byte) (int, error) { *d.size = len(p); return len(p), nil }
func (d discard) WriteHeader(int)             {}

// Rendering lets a test measure what it costs to draw a page, without the store and without HTTP. draw draws the page of a session that has
// every optional field, in the state "created" or "waiting". size returns the size in bytes of the page that was drawn last.
func Rendering(t testing.TB) (size func(state string) int, draw func(state string)) {
	now := time.Date(2026, 11, 22, 7, 31, 56, 0, time.UTC)
	p := ForBenchmark(t)
	s := checkout.Session{
		ID: "cs_test_0193f0c2a7b47c5e9d3a1b2c3d4e5f60", Account: checkout.Account{ID: "acct_1", Test: true}, Status: checkout.StatusCreated,
		Amount: 5000, Currency: "XOF", PaymentMethod: checkout.MobileMoney, UserPhone: "+2250707987654", Description: "Deux paniers d'attiéké",
		ClientReference: "A-17", SuccessURL: "https://shop.example/", CancelURL: "https://shop.example/", ExpiresAt: now.Add(time.Minute), Version: 1,
	}
	begun := s
	begun.Status, begun.PaymentID, begun.Version = checkout.StatusPending, attemptAfter(&s, ""), 2
	var n int
	w := discard{http.Header{}, &n}
	visits := map[string]*visit{
		"created": {w: w, r: &http.Request{Method: http.MethodGet}, token: p.keys.token(name{s.Account, s.ID}), lang: "fr", session: s},
		"waiting": {w: w, r: &http.Request{Method: http.MethodGet}, token: p.keys.token(name{s.Account, s.ID}), lang: "en", session: begun},
	}
	draw = func(state string) {
		view := p.view(visits[state], note{}, "")
		p.draw(visits[state], http.StatusOK, &view)
	}
	return func(string) int { return n }, draw
}

// TextsByField returns texts by the names of their fields.
func TextsByField(t Texts) map[string]string {
	all := make(map[string]string)
	for v, i := reflect.ValueOf(t), 0; i < v.NumField(); i++ {
		if f := v.Type().Field(i); f.IsExported() {
			all[f.Name] = v.Field(i).String()
		}
	}
	return all
}

// ForBenchmark returns a page without a store, which can make links and draw pages.
func ForBenchmark(t testing.TB) *Page {
	now := time.Date(2026, 11, 22, 7, 31, 56, 0, time.UTC)
	page, err := New(new(checkout.Checkouts), Config{
		Keys:     [][]byte{[]byte("an example key of thirty-two byt")},
		URL:      "https://pay.example.com/pay",
		Pay:      func(context.Context, checkout.Session) (Next, error) { return Next{}, nil },
		Merchant: func(checkout.Account) string { return "Chez Awa" },
		Clock:    checkout.ClockFunc(func() time.Time { return now }),
	})
	if err != nil {
		t.Fatal(err)
	}
	return page
}
