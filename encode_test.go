package checkout_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/store/memory"
	"github.com/matryer/is"
)

// wire has the members of the page's session, as a struct that encoding/json can write. Session.MarshalJSON is written by hand, and must
// give the same text.
type wire struct {
	ID             string     `json:"id"`
	Status         string     `json:"status"`
	Amount         int64      `json:"amount"`
	Currency       string     `json:"currency"`
	PaymentMethod  string     `json:"payment_method,omitempty"`
	UserPhone      string     `json:"user_phone,omitempty"`
	PaymentID      string     `json:"payment_id,omitempty"`
	CustomerID     string     `json:"customer_id,omitempty"`
	Description    string     `json:"description,omitempty"`
	SuccessURL     string     `json:"success_url,omitempty"`
	CancelURL      string     `json:"cancel_url,omitempty"`
	CreatedAt      time.Time  `json:"created_at"`
	ExpiresAt      time.Time  `json:"expires_at"`
	CompletedAt    *time.Time `json:"completed_at"`
	FailureReason  *string    `json:"failure_reason"`
	TransactionFee int64      `json:"transaction_fee"`
}

func wireOf(s checkout.Session) wire {
	w := wire{
		ID: s.ID, Status: string(s.Status), Amount: s.Amount, Currency: s.Currency, UserPhone: s.UserPhone,
		PaymentID: s.PaymentID, CustomerID: s.CustomerID, Description: s.Description, SuccessURL: s.SuccessURL,
		CancelURL: s.CancelURL, CreatedAt: s.CreatedAt.UTC(), ExpiresAt: s.ExpiresAt.UTC(), TransactionFee: s.TransactionFee,
	}
	if s.PaymentMethod == checkout.Card {
		w.PaymentMethod, w.Currency = "card", strings.ToLower(s.Currency)
	}
	if at := s.CompletedAt.UTC(); !at.IsZero() {
		w.CompletedAt = &at
	}
	if s.FailureReason != "" {
		w.FailureReason = &s.FailureReason
	}
	return w
}

// FuzzSessionJSON compares Session.MarshalJSON with encoding/json, byte for byte.
func FuzzSessionJSON(f *testing.F) {
	for _, text := range []string{"", "a", "Deux paniers d'attiéké", `"\/`, "<b>&amp;", "\x00\x1f\x7f", "\u2028\u2029\ufffd", "\xff\xc3", "😀"} {
		f.Add(text, "https://example.com/?a=1&b=2", "XOF", int64(5000), int64(1_763_800_000_123_456), false)
		f.Add("", text, "eur", int64(-1), int64(-62_135_596_800_000_000), true) // the zero time
	}
	f.Add("", "", "", int64(0), int64(253_402_300_800_000_000), true) // the year 10000
	f.Fuzz(func(t *testing.T, text, url, currency string, amount, micros int64, card bool) {
		at := time.UnixMicro(micros).In(time.FixedZone("", 3600))
		s := checkout.Session{
			ID: text, Status: checkout.Status(text), Amount: amount, Currency: currency, UserPhone: text, PaymentID: text,
			CustomerID: url, Description: text, SuccessURL: url, CancelURL: url, CreatedAt: at, ExpiresAt: at.Add(time.Second),
			CompletedAt: at, FailureReason: text, TransactionFee: -amount,
		}
		if card {
			s.PaymentMethod = checkout.Card
		}
		want, wantErr := json.Marshal(wireOf(s))
		got, err := s.MarshalJSON()
		if (err != nil) != (wantErr != nil) {
			t.Fatalf("got error %v, encoding/json has %v", err, wantErr)
		}
		if err == nil && string(got) != string(want) {
			t.Fatalf("got\n%s, encoding/json has\n%s", got, want)
		}
	})
}

func TestSessionJSONOfEveryByte(t *testing.T) {
	for c := range 256 {
		for _, text := range []string{string([]byte{byte(c)}), string([]byte{'a', byte(c), 'b'})} {
			s := checkout.Session{Description: text}
			want, err := json.Marshal(wireOf(s))
			if err != nil {
				t.Fatal(err)
			}
			if got, err := s.MarshalJSON(); err != nil || string(got) != string(want) {
				t.Errorf("%q: got %s and error %v, encoding/json has %s", text, got, err, want)
			}
		}
	}
}

// JSON times end with the year 9999. A session with a later time must get a 500. The next answer uses the same memory, and must not
// contain parts of the failed one.
func TestATimeThatJSONCannotHold(t *testing.T) {
	is := is.New(t)
	store := memory.New()
	a := newAPI(t, store)
	now := a.clock.Now()
	a.clock.Set(time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC))
	for range 3 {
		for _, got := range []response{a.post(mobileMoney, keyHeader()), a.get("/v1/checkouts")} {
			is.Equal(got.status, 500)
			is.Equal(got.code(), "internal")
		}
	}
	_, err := checkout.Session{CreatedAt: a.clock.Now()}.MarshalJSON()
	is.True(err != nil)

	a.clock.Set(now) // the failed answers must not affect the next ones
	for range 3 {
		is.Equal(a.post(card, keyHeader()).status, 201)
	}
}

// The handler uses the memory of an answer again for later answers, but never before the answer is sent. Otherwise one account would
// receive the session of another. The test makes a second request while the first answer is about to be sent.
func TestAnAnswerIsNotOverwrittenByTheNextOne(t *testing.T) {
	is := is.New(t)
	a := newAPI(t, memory.New())
	theirs := a.mustCreate(other, "")
	request := func(token, id string) *http.Request {
		r := httptest.NewRequest("GET", "/v1/checkouts/"+id, nil)
		r.Header.Set("Authorization", "Bearer "+token)
		return r
	}
	for range 10 {
		mine := a.mustCreate(live, "")
		second := httptest.NewRecorder()
		w := beforeWrite{httptest.NewRecorder(), func() { a.handler.ServeHTTP(second, request(otherToken, theirs.ID)) }}
		a.handler.ServeHTTP(w, request(liveToken, mine.ID))
		is.True(strings.Contains(w.Body.String(), mine.ID))
		is.True(!strings.Contains(w.Body.String(), theirs.ID))
		is.True(strings.Contains(second.Body.String(), theirs.ID))
	}
}

// beforeWrite calls do before it writes an answer.
type beforeWrite struct {
	*httptest.ResponseRecorder
	do func()
}

func (w beforeWrite) Write(p []byte) (int, error) {
	w.do()
	return w.ResponseRecorder.Write(p)
}
