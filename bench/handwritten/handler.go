// Package handwritten is the endpoint as an experienced team would write it in a week: database/sql over
// modernc.org/sqlite, WAL mode with full flushes, one writer connection with prepared statements, one transaction per
// request, a table of idempotency keys beside the table of sessions, phonenumbers.Parse and IsValidNumber, encoding/json.
// The benchmark compares the library with it, so it is as fast as that design allows.
package handwritten

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/nyaruka/phonenumbers"
)

// Request is the body of a create.
type Request struct {
	Amount      int64  `json:"amount"`
	Currency    string `json:"currency"`
	UserPhone   string `json:"user_phone"`
	Description string `json:"description"`
	ExpiresIn   int64  `json:"expires_in"` // seconds
}

// Session is the answer.
type Session struct {
	ID             string     `json:"id"`
	Status         string     `json:"status"`
	Amount         int64      `json:"amount"`
	Currency       string     `json:"currency"`
	UserPhone      string     `json:"user_phone"`
	Description    string     `json:"description,omitempty"`
	CreatedAt      time.Time  `json:"created_at"`
	ExpiresAt      time.Time  `json:"expires_at"`
	CompletedAt    *time.Time `json:"completed_at"`
	FailureReason  *string    `json:"failure_reason"`
	TransactionFee int64      `json:"transaction_fee"`
}

// ErrInvalid says that a request breaks a rule.
var ErrInvalid = errors.New("invalid request")

// session makes the session that a request asks for.
func (r Request) session() (Session, error) {
	if r.Amount < 100 || r.Currency != "XOF" || utf8.RuneCountInString(r.Description) > 200 {
		return Session{}, ErrInvalid
	}
	if r.ExpiresIn == 0 {
		r.ExpiresIn = 1800
	}
	if r.ExpiresIn < 300 || r.ExpiresIn > 86400 {
		return Session{}, ErrInvalid
	}
	number, err := phonenumbers.Parse(r.UserPhone, "")
	if err != nil || !phonenumbers.IsValidNumber(number) {
		return Session{}, ErrInvalid
	}
	id, err := uuid.NewV7()
	if err != nil {
		return Session{}, err
	}
	now := time.Now().UTC().Truncate(time.Microsecond)
	return Session{
		ID:             "cs_" + id.String(),
		Status:         "created",
		Amount:         r.Amount,
		Currency:       r.Currency,
		UserPhone:      phonenumbers.Format(number, phonenumbers.E164),
		Description:    r.Description,
		CreatedAt:      now,
		ExpiresAt:      now.Add(time.Duration(r.ExpiresIn) * time.Second),
		TransactionFee: r.Amount / 200,
	}, nil
}

// Answer returns the answer to a create of the request, and writes nothing.
func (r Request) Answer() ([]byte, error) {
	s, err := r.session()
	if err != nil {
		return nil, err
	}
	return json.Marshal(s)
}

// Handler serves POST /v1/checkouts for one account.
type Handler struct {
	Database *Database
	Token    string // of the account
	Account  string
}

// ServeHTTP implements [http.Handler].
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "Bearer "+h.Token {
		http.Error(w, "unauthorized", http.StatusUnauthorized)
		return
	}
	key := r.Header.Get("Idempotency-Key")
	if _, err := uuid.Parse(key); err != nil {
		http.Error(w, "idempotency key missing or invalid", http.StatusBadRequest)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 64<<10))
	if err != nil {
		http.Error(w, "body too large", http.StatusRequestEntityTooLarge)
		return
	}
	var request Request
	if err := json.Unmarshal(body, &request); err != nil {
		http.Error(w, "invalid JSON", http.StatusBadRequest)
		return
	}
	answer, replayed, err := h.Database.Create(r.Context(), h.Account, key, request)
	switch {
	case errors.Is(err, ErrInvalid):
		http.Error(w, "invalid request", http.StatusBadRequest)
		return
	case errors.Is(err, ErrKeyReused):
		http.Error(w, "idempotency key reused", http.StatusUnprocessableEntity)
		return
	case err != nil:
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	status := http.StatusCreated
	if replayed {
		status = http.StatusOK
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(answer)))
	w.WriteHeader(status)
	w.Write(answer)
}
