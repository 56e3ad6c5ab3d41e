//go:build unix

package overload

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/faults/history"
	"github.com/caisse/checkout/idempotency"
)

// wire calls a server over HTTP. Its sessions have only the fields that are in the answers, and the key, which the client knows. A 503
// does not say whether something was written, so it is an unknown outcome, like a missing answer.
type wire struct {
	history.Service // nil: other methods panic
	url             string
	client          *http.Client

	mu       sync.Mutex
	keys     map[string]idempotency.Key // by session ID
	statuses map[int]int                // how often each status came
}

// dial makes a client that opens a connection for each concurrent call, and keeps the connections open.
func dial(url string) *wire {
	return &wire{
		url:      url,
		client:   &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1 << 20}},
		keys:     make(map[string]idempotency.Key),
		statuses: make(map[int]int),
	}
}

// Create implements [history.Service].
func (w *wire) Create(ctx context.Context, p checkout.CreateParams) (checkout.Session, bool, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url+"/v1/checkouts", bytes.NewReader(body(p)))
	if err != nil {
		return checkout.Session{}, false, err
	}
	for name, value := range headers(p) {
		r.Header.Set(name, value)
	}
	status, session, err := w.do(r)
	if err != nil {
		return checkout.Session{}, false, err
	}
	session.IdempotencyKey = p.IdempotencyKey
	return session, status == http.StatusOK, nil
}

// know notes the key of a session.
func (w *wire) know(id string, key idempotency.Key) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.keys[id] = key
}

// Get implements [history.Service].
func (w *wire) Get(ctx context.Context, _ checkout.Account, id string) (checkout.Session, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, w.url+"/v1/checkouts/"+id, nil)
	if err != nil {
		return checkout.Session{}, err
	}
	r.Header.Set("Authorization", "Bearer "+token)
	_, session, err := w.do(r)
	w.mu.Lock()
	defer w.mu.Unlock()
	session.IdempotencyKey = w.keys[id]
	return session, err
}

func (w *wire) do(r *http.Request) (status int, session checkout.Session, err error) {
	response, err := w.client.Do(r)
	if err != nil {
		return 0, checkout.Session{}, fmt.Errorf("%w: %w", checkout.ErrOutcomeUnknown, err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, checkout.Session{}, fmt.Errorf("%w: %w", checkout.ErrOutcomeUnknown, err)
	}
	w.mu.Lock()
	w.statuses[response.StatusCode]++
	w.mu.Unlock()
	switch response.StatusCode {
	case http.StatusOK, http.StatusCreated:
		session, err = parse(answer)
		return response.StatusCode, session, err
	case http.StatusNotFound:
		return 0, checkout.Session{}, checkout.ErrNotFound
	case http.StatusServiceUnavailable:
		return 0, checkout.Session{}, fmt.Errorf("%w: 503", checkout.ErrOutcomeUnknown)
	}
	return 0, checkout.Session{}, fmt.Errorf("%s: %s", response.Status, answer)
}

// unexpected lists the statuses that came and are not allowed.
func (w *wire) unexpected(allowed ...int) (statuses []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for status, n := range w.statuses {
		if !slices.Contains(allowed, status) {
			statuses = append(statuses, fmt.Sprintf("%d times %d", n, status))
		}
	}
	return statuses
}

func headers(p checkout.CreateParams) map[string]string {
	return map[string]string{
		"Authorization":   "Bearer " + token,
		"Content-Type":    "application/json",
		"Idempotency-Key": string(p.IdempotencyKey),
	}
}

// body returns the JSON of a request that is paid with mobile money.
func body(p checkout.CreateParams) []byte {
	b, err := json.Marshal(map[string]any{
		"amount": p.Amount, "currency": p.Currency, "user_phone": p.UserPhone, "description": p.Description,
		"expires_in": int(p.ExpiresIn / time.Second),
	})
	if err != nil {
		panic(err) // strings and numbers
	}
	return b
}

func parse(answer []byte) (checkout.Session, error) {
	var s struct {
		ID             string    `json:"id"`
		Status         string    `json:"status"`
		Amount         int64     `json:"amount"`
		Currency       string    `json:"currency"`
		UserPhone      string    `json:"user_phone"`
		Description    string    `json:"description"`
		CreatedAt      time.Time `json:"created_at"`
		ExpiresAt      time.Time `json:"expires_at"`
		TransactionFee int64     `json:"transaction_fee"`
	}
	if err := json.Unmarshal(answer, &s); err != nil {
		return checkout.Session{}, err
	}
	return checkout.Session{
		ID: s.ID, Account: account, Status: checkout.Status(s.Status), Amount: s.Amount, Currency: strings.ToUpper(s.Currency),
		PaymentMethod: checkout.MobileMoney, UserPhone: s.UserPhone, Description: s.Description,
		CreatedAt: s.CreatedAt, ExpiresAt: s.ExpiresAt, TransactionFee: s.TransactionFee,
	}, nil
}
