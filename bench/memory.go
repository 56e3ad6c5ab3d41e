package main

import (
	"context"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/idempotency"
	"github.com/caisse/checkout/store/memory"
	"github.com/google/uuid"
	"github.com/nyaruka/phonenumbers"
)

// The parts of a create on the memory store, and what they are compared with.
const (
	partCreate      = "Checkouts.Create"
	partCard        = "a card session with a phone"
	partCardNoPhone = "a card session without one"
	partFingerprint = "fingerprint: idempotency.Sum"
	partID          = "id: a UUIDv7 in hex"
	partStore       = "store: (*memory.Store).Create"
	partParse       = "phonenumbers.Parse and IsValidNumber"
	partHandler     = "Handler.ServeHTTP, without a network"
	partFloor       = "bare net/http handler, without a network"
)

// memoryContenders run the parts of a create in one goroutine.
func memoryContenders() []contender {
	var contenders []contender
	for _, part := range []struct {
		name string
		make func() (call, error)
	}{
		{partCreate, func() (call, error) { return creating(params) }},
		{partCard, func() (call, error) { return creating(func() checkout.CreateParams { return cardParams(phone) }) }},
		{partCardNoPhone, func() (call, error) { return creating(func() checkout.CreateParams { return cardParams("") }) }},
		{partFingerprint, fingerprinting},
		{partID, identifying},
		{partStore, storing},
		{partParse, parsing},
		{partHandler, func() (call, error) {
			h, err := newHandler(memory.NewLimit(100_000_000))
			return handling(h), err
		}},
		{partFloor, func() (call, error) { return handling(newFloor()), nil }},
	} {
		contenders = append(contenders, contender{name: part.name, round: func(ctx context.Context, d time.Duration) (sample, error) {
			f, err := part.make()
			if err != nil {
				return sample{}, err
			}
			return repeat(ctx, d, f)
		}})
	}
	return contenders
}

// repeat calls f for d, and returns the time and the allocations of a call.
func repeat(ctx context.Context, d time.Duration, f call) (sample, error) {
	for range 1000 { // to warm caches and grow maps
		if err := f(ctx); err != nil {
			return sample{}, err
		}
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	calls, begin := 0, time.Now()
	for time.Since(begin) < d {
		for range 100 {
			if err := f(ctx); err != nil {
				return sample{}, err
			}
		}
		calls += 100
	}
	took := time.Since(begin)
	runtime.ReadMemStats(&after)
	n := float64(calls)
	return sample{Rate: n / took.Seconds(), Extra: map[string]float64{
		extraNanos:      float64(took.Nanoseconds()) / n,
		extraAllocs:     float64(after.Mallocs-before.Mallocs) / n,
		extraAllocBytes: float64(after.TotalAlloc-before.TotalAlloc) / n,
	}}, nil
}

func creating(params func() checkout.CreateParams) (call, error) {
	checkouts, err := newCheckouts(memory.NewLimit(100_000_000))
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) error {
		_, _, err := checkouts.Create(ctx, params())
		return err
	}, nil
}

// cardParams returns a card request with a phone, or without one if phone is "". The difference is what the phone costs.
func cardParams(phone string) checkout.CreateParams {
	p := params()
	p.PaymentMethod = checkout.Card
	p.CustomerID = "cus_1"
	p.SuccessURL, p.CancelURL = "https://example.com/paid", "https://example.com/cancelled"
	p.UserPhone = phone
	return p
}

// fingerprinting computes the fingerprint of the request's fields, in the form that the library uses.
func fingerprinting() (call, error) {
	p := params()
	return func(context.Context) error {
		f := idempotency.Sum(1, string(checkout.MobileMoney), strconv.FormatInt(p.Amount, 10), p.Currency, p.UserPhone,
			p.Description, strconv.FormatInt(1800, 10), p.SuccessURL, p.CancelURL, p.PaymentID, p.CustomerID)
		runtime.KeepAlive(f)
		return nil
	}, nil
}

func identifying() (call, error) {
	return func(context.Context) error {
		id, err := uuid.NewV7()
		runtime.KeepAlive("cs_ci_" + hex.EncodeToString(id[:]))
		return err
	}, nil
}

func storing() (call, error) {
	store := memory.NewLimit(100_000_000)
	checkouts, err := newCheckouts(memory.New())
	if err != nil {
		return nil, err
	}
	s, _, err := checkouts.Create(context.Background(), params())
	if err != nil {
		return nil, err
	}
	prefix := s.ID[:len("cs_ci_")+12] // the prefix of all IDs; the rest is a number that grows, as IDs grow with time
	n := uint64(0)
	return func(ctx context.Context) error {
		key := newKey()
		n++
		digits := strconv.FormatUint(n, 16)
		s.ID = prefix + strings.Repeat("0", 20-len(digits)) + digits
		s.IdempotencyKey = idempotency.Key(key)
		_, _, err := store.Create(ctx, s)
		return err
	}, nil
}

func parsing() (call, error) {
	return func(context.Context) error {
		n, err := phonenumbers.Parse(phone, "")
		if err != nil {
			return err
		}
		runtime.KeepAlive(phonenumbers.IsValidNumber(n))
		return nil
	}, nil
}

// handling calls a handler with one request after the other, without a server. The request and the recorder cost the same for every
// handler.
func handling(h http.Handler) call {
	return func(ctx context.Context) error {
		r := httptest.NewRequestWithContext(ctx, "POST", "/v1/checkouts", strings.NewReader(requestBody))
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Idempotency-Key", newKey())
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != http.StatusCreated {
			text, _ := io.ReadAll(w.Body)
			return wantCreated(w.Code, string(text))
		}
		return nil
	}
}

// memorySize creates sessions in the memory store and returns the greatest number of bytes per session. Maps double their size, so
// the number goes up and down while the store fills.
func memorySize(ctx context.Context, sessions int) (float64, error) {
	store := memory.NewLimit(sessions)
	checkouts, err := newCheckouts(store)
	if err != nil {
		return 0, err
	}
	before, most := heap(), 0.0
	for n := 1; n <= sessions; n++ {
		if _, _, err := checkouts.Create(ctx, params()); err != nil {
			return 0, err
		}
		if n%(sessions/16) == 0 {
			most = max(most, (heap()-before)/float64(n))
		}
	}
	runtime.KeepAlive(store)
	return most, nil
}

// heap returns the memory in use after a garbage collection.
func heap() float64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return float64(stats.HeapAlloc)
}
