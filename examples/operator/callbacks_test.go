package main_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/caisse/checkout"
	operator "github.com/caisse/checkout/examples/operator"
	"github.com/matryer/is"
)

// TestAnswersToTheOperator proves that every callback, also one that is late, repeated or out of order, leads to one final state. The
// answer tells the operator whether to call again: 200 for news that is stored, 5xx for news that is not, 400 for news that is not understood.
func TestAnswersToTheOperator(t *testing.T) {
	const long = "é\x00"
	for _, tt := range []struct {
		name      string
		given     func(*testing.T, *fixture) // what has happened since the payer was asked for P-1
		outcome   operator.Outcome           // what the callback says of P-1
		edit      func(*operator.Event)      // changes the callback
		answers   []int                      // the statuses that the same callback gets, one after the other
		becomes   checkout.Status            // the session's status in the end
		note      string                     // the only note in the books; "" is no note
		delivered bool                       // the goods were delivered, once
	}{
		{name: "processes a session whose money is held", outcome: operator.Held, answers: []int{200, 200}, becomes: checkout.StatusProcessing},
		{name: "completes a session that is paid", outcome: operator.Paid, answers: []int{200, 200}, becomes: checkout.StatusCompleted, delivered: true},
		{name: "fails a session that is refused", outcome: operator.Refused, answers: []int{200, 200}, becomes: checkout.StatusFailed},
		{name: "completes a session whose money was held", given: callback(operator.Held), outcome: operator.Paid, answers: []int{200}, becomes: checkout.StatusCompleted, delivered: true},
		{name: "fails a session whose money was held", given: callback(operator.Held), outcome: operator.Refused, answers: []int{200}, becomes: checkout.StatusFailed},
		{name: "accepts a reason of any length", outcome: operator.Refused,
			edit:    func(e *operator.Event) { e.Reason = strings.Repeat(long, 2000) },
			answers: []int{200}, becomes: checkout.StatusFailed},

		{name: "ignores that money is held after it was paid", given: callback(operator.Paid), outcome: operator.Held,
			answers: []int{200}, becomes: checkout.StatusCompleted, delivered: true},
		{name: "ignores that money is held after expiry", given: expired, outcome: operator.Held,
			answers: []int{200}, becomes: checkout.StatusExpired},
		{name: "ignores a refusal after expiry", given: expired, outcome: operator.Refused,
			answers: []int{200}, becomes: checkout.StatusExpired},
		{name: "ignores the refusal of an earlier attempt", given: secondAttempt, outcome: operator.Refused,
			answers: []int{200}, becomes: checkout.StatusPending},
		{name: "ignores that money of an earlier attempt is held", given: secondAttempt, outcome: operator.Held,
			answers: []int{200}, becomes: checkout.StatusPending},
		{name: "completes a session that an earlier attempt has paid", given: secondAttempt, outcome: operator.Paid,
			answers: []int{200}, becomes: checkout.StatusCompleted, delivered: true},

		{name: "notes a payment after expiry", given: expired, outcome: operator.Paid,
			answers: []int{200, 200}, becomes: checkout.StatusCompleted, note: "P-1 came late: deliver or refund"},
		{name: "notes a payment after a cancel", given: cancelled, outcome: operator.Paid,
			answers: []int{200, 200}, becomes: checkout.StatusCompleted, note: "P-1 came late: deliver or refund"},
		{name: "notes a payment after a refusal", given: callback(operator.Refused), outcome: operator.Paid,
			answers: []int{200, 200}, becomes: checkout.StatusCompleted, note: "P-1 came late: deliver or refund"},
		{name: "notes a refusal after the payment", given: callback(operator.Paid), outcome: operator.Refused,
			answers: []int{200, 200}, becomes: checkout.StatusCompleted, note: "P-1 refused after it had paid: ask the operator", delivered: true},
		{name: "notes a second payment", given: callback(operator.Paid), outcome: operator.Paid,
			edit:    func(e *operator.Event) { e.PaymentID = "P-2" },
			answers: []int{200, 200}, becomes: checkout.StatusCompleted, note: "P-2 refund: P-1 has paid already", delivered: true},
		{name: "notes a payment of another amount", outcome: operator.Paid, edit: func(e *operator.Event) { e.Amount = 500 },
			answers: []int{200, 200}, becomes: checkout.StatusPending, note: "P-1 paid 500 XOF instead of 5000 XOF"},
		{name: "notes a payment in another currency", outcome: operator.Paid, edit: func(e *operator.Event) { e.Currency = "USD" },
			answers: []int{200, 200}, becomes: checkout.StatusPending, note: "P-1 paid 5000 USD instead of 5000 XOF"},
		{name: "notes a payment of an unknown session", outcome: operator.Paid, edit: func(e *operator.Event) { e.Reference = "cs_ci_no" },
			answers: []int{200, 200}, becomes: checkout.StatusPending, note: "P-1 there is no such session"},

		{name: "asks for another callback while the store cannot read", given: getFails(checkout.ErrUnavailable), outcome: operator.Paid,
			answers: []int{503, 200}, becomes: checkout.StatusCompleted, delivered: true},
		{name: "asks for another callback while the store cannot write", given: updateFails(checkout.ErrUnavailable), outcome: operator.Paid,
			answers: []int{503, 200}, becomes: checkout.StatusCompleted, delivered: true},
		{name: "asks for another callback after a write of unknown outcome", given: writtenUnknown, outcome: operator.Paid,
			answers: []int{503, 200}, becomes: checkout.StatusCompleted, delivered: true},
		{name: "asks for another callback after an error of the store", given: updateFails(errors.New("disk on fire")), outcome: operator.Refused,
			answers: []int{500, 200}, becomes: checkout.StatusFailed},
		{name: "asks for another callback until the goods are delivered", given: booksFail, outcome: operator.Paid,
			answers: []int{500, 200, 200}, becomes: checkout.StatusCompleted, delivered: true},
		{name: "asks for another callback until the note is written", given: all(callback(operator.Refused), booksFail), outcome: operator.Paid,
			answers: []int{500, 200, 200}, becomes: checkout.StatusCompleted, note: "P-1 came late: deliver or refund"},

		{name: "refuses an unknown outcome", outcome: "REVERSED", answers: []int{400}, becomes: checkout.StatusPending},
		{name: "refuses a payment without an ID", outcome: operator.Paid,
			edit: func(e *operator.Event) { e.PaymentID = "" }, answers: []int{400}, becomes: checkout.StatusPending},
		{name: "refuses a payment without a session", outcome: operator.Paid,
			edit: func(e *operator.Event) { e.Reference = "" }, answers: []int{400}, becomes: checkout.StatusPending},
		{name: "refuses a payment with an ID that is too long", outcome: operator.Paid,
			edit:    func(e *operator.Event) { e.PaymentID = strings.Repeat("P", checkout.MaxIDLength+1) },
			answers: []int{400}, becomes: checkout.StatusPending},
	} {
		t.Run(tt.name, func(t *testing.T) {
			is := is.New(t)
			f := newFixture(t)
			is.NoErr(f.host.Pay(t.Context(), f.id, "P-1"))
			if tt.given != nil {
				tt.given(t, f)
			}
			e := f.event("P-1", tt.outcome)
			if tt.edit != nil {
				tt.edit(&e)
			}
			for _, want := range tt.answers {
				is.Equal(f.send(e), want) // the answer to the operator
			}
			is.Equal(f.session(t).Status, tt.becomes)
			is.Equal(len(f.books.Delivered()) == 1, tt.delivered)
			var notes []string
			for _, n := range f.books.Notes() {
				is.Equal(n.SessionID, e.Reference)
				notes = append(notes, n.PaymentID+" "+n.Text)
			}
			is.Equal(strings.Join(notes, "; "), tt.note)
		})
	}
}

// callback sends a callback of P-1.
func callback(outcome operator.Outcome) func(*testing.T, *fixture) {
	return func(t *testing.T, f *fixture) {
		t.Helper()
		is := is.New(t)
		is.Equal(f.send(f.event("P-1", outcome)), 200)
	}
}

func expired(_ *testing.T, f *fixture) { f.now = f.now.Add(checkout.DefaultExpiresIn) }

func cancelled(t *testing.T, f *fixture) {
	t.Helper()
	is := is.New(t)
	_, err := f.host.Checkouts.Cancel(t.Context(), account, f.id)
	is.NoErr(err)
}

func secondAttempt(t *testing.T, f *fixture) {
	t.Helper()
	is := is.New(t)
	is.NoErr(f.host.Pay(t.Context(), f.id, "P-2"))
}

func getFails(err error) func(*testing.T, *fixture) {
	return func(_ *testing.T, f *fixture) { f.store.get = fmt.Errorf("store: %w", err) }
}

func updateFails(err error) func(*testing.T, *fixture) {
	return func(_ *testing.T, f *fixture) { f.store.update = fmt.Errorf("store: %w", err) }
}

func writtenUnknown(_ *testing.T, f *fixture) { f.store.written = checkout.ErrOutcomeUnknown }

func booksFail(_ *testing.T, f *fixture) { f.books.err = errors.New("the books are closed") }

func all(given ...func(*testing.T, *fixture)) func(*testing.T, *fixture) {
	return func(t *testing.T, f *fixture) {
		t.Helper()
		for _, g := range given {
			g(t, f)
		}
	}
}

// TestSignatures proves that only the operator can move a session. A callback with a wrong signature changes nothing.
func TestSignatures(t *testing.T) {
	f := newFixture(t)
	body := fmt.Sprintf(`{"payment_id":"P-1","reference":%q,"outcome":"PAID","amount":5000,"currency":"XOF"}`, f.id)
	signature := operator.Sign(secret, []byte(body))

	for _, tt := range []struct{ name, body, signature string }{
		{"no signature", body, ""},
		{"a signature that is too short", body, signature[:len(signature)-1]},
		{"a signature that is too long", body, signature + "00"},
		{"a signature with another secret", body, operator.Sign([]byte("another secret of this operator"), []byte(body))},
		{"a signature of another body", strings.Replace(body, "P-1", "P-2", 1), signature},
		{"a signature of the same JSON in other bytes", body + "\n", signature},
		{"a signature that is not hex", body, strings.Repeat("x", len(signature))},
	} {
		t.Run("refuses "+tt.name, func(t *testing.T) {
			is := is.New(t)
			w := f.post([]byte(tt.body), tt.signature)
			is.Equal(w.Code, 401)
			is.True(!strings.Contains(w.Body.String(), signature)) // the answer must not reveal the right signature
			is.Equal(f.session(t).Status, checkout.StatusCreated)
		})
	}

	t.Run("accepts the operator's signature", func(t *testing.T) {
		is := is.New(t)
		is.Equal(f.post([]byte(body), signature).Code, 200)
		is.Equal(f.session(t).Status, checkout.StatusCompleted)
	})

	t.Run("NewCallbacks refuses an empty secret", func(t *testing.T) {
		is := is.New(t)
		_, err := operator.NewCallbacks(f.host, nil, slog.New(slog.DiscardHandler))
		is.True(err != nil)
	})
}

func TestRequestsThatAreNoCallbacks(t *testing.T) {
	t.Run("are refused if they are not a POST", func(t *testing.T) {
		is := is.New(t)
		f := newFixture(t)
		w := httptest.NewRecorder()
		f.callbacks.ServeHTTP(w, httptest.NewRequest("GET", "/callbacks", nil))
		is.Equal(w.Code, 405)
		is.Equal(w.Header().Get("Allow"), "POST")
	})

	t.Run("are refused if they are too large", func(t *testing.T) {
		is := is.New(t)
		f := newFixture(t)
		body, err := json.Marshal(f.event("P-1", operator.Paid))
		is.NoErr(err)
		body = append(body, strings.Repeat(" ", 64<<10)...)
		is.Equal(f.post(body, operator.Sign(secret, body)).Code, 400)
		is.Equal(f.session(t).Status, checkout.StatusCreated)
	})

	t.Run("are refused and logged if the signed body is not JSON", func(t *testing.T) {
		is := is.New(t)
		f := newFixture(t)
		body := []byte("payment_id=P-1")
		is.Equal(f.post(body, operator.Sign(secret, body)).Code, 400)
		is.True(strings.Contains(f.log.String(), "callback not applied"))
	})
}

// TestSessionsOfOthers proves that the operator of one account cannot move a session of another account.
func TestSessionsOfOthers(t *testing.T) {
	is := is.New(t)
	f := newFixture(t)
	theirs, _, err := f.host.Checkouts.Create(t.Context(), checkout.CreateParams{
		Account: checkout.Account{ID: "acct_2"}, Amount: 5000, Currency: "XOF", UserPhone: "+2250707987654",
	})
	is.NoErr(err)

	e := f.event("P-1", operator.Paid)
	e.Reference = theirs.ID
	is.Equal(f.send(e), 200)

	theirs, err = f.host.Checkouts.Get(t.Context(), theirs.Account, theirs.ID)
	is.NoErr(err)
	is.Equal(theirs.Status, checkout.StatusCreated) // a secret is valid only for the sessions of its account
	is.Equal(len(f.books.Delivered()), 0)
}

// TestCallbacksAtOnce sends callbacks of two payments at the same time. One payment must complete the session, the goods must be
// delivered once, and the other payment must be noted for a refund once.
func TestCallbacksAtOnce(t *testing.T) {
	is := is.New(t)
	f := newFixture(t)
	var wg sync.WaitGroup
	answers := make(chan int, 32)
	for i := range cap(answers) {
		wg.Go(func() { answers <- f.send(f.event(fmt.Sprintf("P-%d", i%2), operator.Paid)) })
	}
	wg.Wait()
	close(answers)
	for status := range answers {
		is.Equal(status, 200)
	}
	s := f.session(t)
	is.Equal(s.Status, checkout.StatusCompleted)
	is.Equal(f.books.Delivered(), []string{f.id}) // the goods must be delivered exactly once
	notes := f.books.Notes()
	is.Equal(len(notes), 1) // the other payment must be noted exactly once
	is.True(notes[0].PaymentID != s.PaymentID)
	is.Equal(notes[0].Text, "refund: "+s.PaymentID+" has paid already")
}
