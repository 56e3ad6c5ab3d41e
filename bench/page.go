package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/paypage"
	"github.com/caisse/checkout/store/memory"
)

// pageCost is the cost of the payer's page: to decrypt the link, read the session and render.
type pageCost struct {
	Took        time.Duration `json:"took_ns"`
	Allocations int64         `json:"allocations"`
	Bytes       int           `json:"bytes"` // of the page, with its style and script
}

// measurePage measures the page of a session that waits for its payer.
func measurePage(ctx context.Context, opts options, _ io.Writer, r *report) error {
	checkouts, err := newCheckouts(memory.New())
	if err != nil {
		return err
	}
	key := make([]byte, 32)
	rand.Read(key)
	page, err := paypage.New(checkouts, paypage.Config{
		Keys: [][]byte{key}, URL: "https://pay.example/pay",
		Pay: func(context.Context, checkout.Session) (paypage.Next, error) { return paypage.Next{}, nil },
	})
	if err != nil {
		return err
	}
	session, _, err := checkouts.Create(ctx, params())
	if err != nil {
		return err
	}
	path := strings.TrimPrefix(page.Link(session), "https://pay.example/pay")
	first := httptest.NewRecorder()
	page.ServeHTTP(first, httptest.NewRequestWithContext(ctx, http.MethodGet, path, nil))
	if first.Code != http.StatusOK {
		return fmt.Errorf("the page answers %d", first.Code)
	}
	var took []float64
	for range opts.rounds {
		result := testing.Benchmark(func(b *testing.B) {
			b.ReportAllocs()
			request := httptest.NewRequestWithContext(ctx, http.MethodGet, path, nil)
			w := &discard{header: make(http.Header)}
			for b.Loop() {
				clear(w.header)
				page.ServeHTTP(w, request)
			}
		})
		took = append(took, float64(result.NsPerOp()))
		r.Page.Allocations = result.AllocsPerOp()
	}
	r.Page.Took, r.Page.Bytes = time.Duration(median(took)), first.Body.Len()
	return nil
}

// discard is a ResponseWriter that discards the answer.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) WriteHeader(int)             {}
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }

func pageTable(b *strings.Builder, r *report) {
	if r.Page.Took == 0 {
		return
	}
	fmt.Fprintf(b, "\n### The payer's page\n\nOne answer takes %.0f µs and %d allocations. The page has %s bytes.\n",
		float64(r.Page.Took)/1e3, r.Page.Allocations, thousands(r.Page.Bytes))
}
