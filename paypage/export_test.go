package paypage

import (
	"context"
	"crypto/cipher"
	"net/http"
	"reflect"
	"testing"
	"time"

	"github.com/caisse/checkout"
)

// discard is an [http.ResponseWriter] that keeps only the size of the last write.
type discard struct {
	header http.Header
	size   int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(p []byte) (int, error) { d.size = len(p); return len(p), nil }
func (d *discard) WriteHeader(int)             {}

// Rendering lets a test measure what it costs to draw a page, without the store and without HTTP. draw draws the page of a session that has
// every optional field that the page shows, in the state "created" or "waiting", and returns its size in bytes.
func Rendering(t testing.TB) (draw func(state string) int) {
	now := time.Date(2026, 11, 22, 7, 31, 56, 0, time.UTC)
	p := ForBenchmark(t)
	s := checkout.Session{
		ID: "cs_test_0193f0c2a7b47c5e9d3a1b2c3d4e5f60", Account: checkout.Account{ID: "acct_1", Test: true}, Status: checkout.StatusCreated,
		Amount: 5000, Currency: "XOF", PaymentMethod: checkout.MobileMoney, UserPhone: "+2250707987654", Description: "Deux paniers d'attiéké",
		ClientReference: "A-17", SuccessURL: "https://shop.example/", CancelURL: "https://shop.example/", ExpiresAt: now.Add(time.Minute), Version: 1,
	}
	begun := s
	begun.Status, begun.PaymentID, begun.Version = checkout.StatusPending, attemptAfter(&s, ""), 2
	w := &discard{header: http.Header{}}
	visits := map[string]*visit{
		"created": {w: w, r: &http.Request{Method: http.MethodGet}, token: p.keys.token(name{s.Account, s.ID}), lang: "fr", session: s},
		"waiting": {w: w, r: &http.Request{Method: http.MethodGet}, token: p.keys.token(name{s.Account, s.ID}), lang: "en", session: begun},
	}
	return func(state string) int {
		view := p.view(visits[state], note{}, "")
		p.draw(visits[state], http.StatusOK, &view)
		return w.size
	}
}

// recordingAEAD records the size of each text that it decrypts.
type recordingAEAD struct {
	cipher.AEAD
	sizes *[]int
}

func (a recordingAEAD) Open(dst, nonce, text, additional []byte) ([]byte, error) {
	*a.sizes = append(*a.sizes, len(text))
	return a.AEAD.Open(dst, nonce, text, additional)
}

// RecordDecryptions makes a page record the size of each text that it decrypts because of a link.
func RecordDecryptions(p *Page) (sizes *[]int) {
	sizes = new([]int)
	for i := range p.keys {
		p.keys[i].link.aead = recordingAEAD{p.keys[i].link.aead, sizes}
	}
	return sizes
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
