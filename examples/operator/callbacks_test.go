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

func TestAnswersToTheOperator(t *testing.T) {
	const long = "é\x00"
	for _, tt := range []struct {
		name      string
		given     func(*testing.T, *fixture) // beside P-1, which the payer was asked for
		outcome   operator.Outcome
		edit      func(*operator.Event)
		answers   []int // to the same callback, sent as often
		becomes   checkout.Status
		note      string // the one note, "" for none
		delivered bool
	}{
		{name: "keeps what is held from expiring", outcome: operator.Held, answers: []int{200, 200}, becomes: checkout.StatusProcessing},
		{name: "completes what is paid", outcome: operator.Paid, answers: []int{200, 200}, becomes: checkout.StatusCompleted, delivered: true},
		{name: "fails what is refused", outcome: operator.Refused, answers: []int{200, 200}, becomes: checkout.StatusFailed},
		{name: "completes what was held", given: told(operator.Held), outcome: operator.Paid, answers: []int{200}, becomes: checkout.StatusCompleted, delivered: true},
		{name: "fails what was held", given: told(operator.Held), outcome: operator.Refused, answers: []int{200}, becomes: checkout.StatusFailed},
		{name: "takes a reason of any length", outcome: operator.Refused,
			edit:    func(e *operator.Event) { e.Reason = strings.Repeat(long, 2000) },
			answers: []int{200}, becomes: checkout.StatusFailed},

		{name: "has nothing to do for what is held out of order", given: told(operator.Paid), outcome: operator.Held,
			answers: []int{200}, becomes: checkout.StatusCompleted, delivered: true},
		{name: "has nothing to do for what is held too late", given: expired, outcome: operator.Held,
			answers: []int{200}, becomes: checkout.StatusExpired},
		{name: "has nothing to do for what is refused too late", given: expired, outcome: operator.Refused,
			answers: []int{200}, becomes: checkout.StatusExpired},
		{name: "has nothing to do for the refusal of an earlier attempt", given: secondAttempt, outcome: operator.Refused,
			answers: []int{200}, becomes: checkout.StatusPending},
		{name: "has nothing to do while an earlier attempt is held", given: secondAttempt, outcome: operator.Held,
			answers: []int{200}, becomes: checkout.StatusPending},
		{name: "lets an earlier attempt pay", given: secondAttempt, outcome: operator.Paid,
			answers: []int{200}, becomes: checkout.StatusCompleted, delivered: true},

		{name: "notes what is paid after expiry", given: expired, outcome: operator.Paid,
			answers: []int{200, 200}, becomes: checkout.StatusCompleted, note: "P-1 came late: deliver or refund"},
		{name: "notes what is paid after it was cancelled", given: cancelled, outcome: operator.Paid,
			answers: []int{200, 200}, becomes: checkout.StatusCompleted, note: "P-1 came late: deliver or refund"},
		{name: "notes what is paid after it was refused", given: told(operator.Refused), outcome: operator.Paid,
			answers: []int{200, 200}, becomes: checkout.StatusCompleted, note: "P-1 came late: deliver or refund"},
		{name: "notes what is refused after it was paid", given: told(operator.Paid), outcome: operator.Refused,
			answers: []int{200, 200}, becomes: checkout.StatusCompleted, note: "P-1 refused after it had paid: ask the operator", delivered: true},
		{name: "notes a second payment", given: told(operator.Paid), outcome: operator.Paid,
			edit:    func(e *operator.Event) { e.PaymentID = "P-2" },
			answers: []int{200, 200}, becomes: checkout.StatusCompleted, note: "P-2 refund: P-1 has paid already", delivered: true},
		{name: "notes another amount", outcome: operator.Paid, edit: func(e *operator.Event) { e.Amount = 500 },
			answers: []int{200, 200}, becomes: checkout.StatusPending, note: "P-1 paid 500 XOF instead of 5000 XOF"},
		{name: "notes another currency", outcome: operator.Paid, edit: func(e *operator.Event) { e.Currency = "USD" },
			answers: []int{200, 200}, becomes: checkout.StatusPending, note: "P-1 paid 5000 USD instead of 5000 XOF"},
		{name: "notes a session that is not there", outcome: operator.Paid, edit: func(e *operator.Event) { e.Reference = "cs_ci_no" },
			answers: []int{200, 200}, becomes: checkout.StatusPending, note: "P-1 there is no such session"},

		{name: "lets it call again while the store cannot read", given: getFails(checkout.ErrUnavailable), outcome: operator.Paid,
			answers: []int{503, 200}, becomes: checkout.StatusCompleted, delivered: true},
		{name: "lets it call again while the store cannot write", given: updateFails(checkout.ErrUnavailable), outcome: operator.Paid,
			answers: []int{503, 200}, becomes: checkout.StatusCompleted, delivered: true},
		{name: "lets it call again where nobody knows what was written", given: writtenUnknown, outcome: operator.Paid,
			answers: []int{503, 200}, becomes: checkout.StatusCompleted, delivered: true},
		{name: "lets it call again after a fault of the store", given: updateFails(errors.New("disk on fire")), outcome: operator.Refused,
			answers: []int{500, 200}, becomes: checkout.StatusFailed},
		{name: "lets it call again until the goods have left", given: booksFail, outcome: operator.Paid,
			answers: []int{500, 200, 200}, becomes: checkout.StatusCompleted, delivered: true},
		{name: "lets it call again until the note is kept", given: all(told(operator.Refused), booksFail), outcome: operator.Paid,
			answers: []int{500, 200, 200}, becomes: checkout.StatusCompleted, note: "P-1 came late: deliver or refund"},

		{name: "does not understand a new word", outcome: "REVERSED", answers: []int{400}, becomes: checkout.StatusPending},
		{name: "does not understand a payment without an identifier", outcome: operator.Paid,
			edit: func(e *operator.Event) { e.PaymentID = "" }, answers: []int{400}, becomes: checkout.StatusPending},
		{name: "does not understand a payment of no session", outcome: operator.Paid,
			edit: func(e *operator.Event) { e.Reference = "" }, answers: []int{400}, becomes: checkout.StatusPending},
		{name: "does not understand an identifier that none of ours can be", outcome: operator.Paid,
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

func told(outcome operator.Outcome) func(*testing.T, *fixture) {
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

func TestSignatures(t *testing.T) {
	f := newFixture(t)
	body := fmt.Sprintf(`{"payment_id":"P-1","reference":%q,"outcome":"PAID","amount":5000,"currency":"XOF"}`, f.id)
	signature := operator.Sign(secret, []byte(body))

	for _, tt := range []struct{ name, body, signature string }{
		{"none", body, ""},
		{"one that is cut short", body, signature[:len(signature)-1]},
		{"one that goes on", body, signature + "00"},
		{"one of another secret", body, operator.Sign([]byte("another secret of this operator"), []byte(body))},
		{"one of another body", strings.Replace(body, "P-1", "P-2", 1), signature},
		{"one of the same body in other bytes", body + "\n", signature},
		{"one that is not hex", body, strings.Repeat("x", len(signature))},
	} {
		t.Run("refuses "+tt.name, func(t *testing.T) {
			is := is.New(t)
			w := f.post([]byte(tt.body), tt.signature)
			is.Equal(w.Code, 401)
			is.True(!strings.Contains(w.Body.String(), signature)) // does not teach how to sign
			is.Equal(f.session(t).Status, checkout.StatusCreated)
		})
	}

	t.Run("accepts the operator's", func(t *testing.T) {
		is := is.New(t)
		is.Equal(f.post([]byte(body), signature).Code, 200)
		is.Equal(f.session(t).Status, checkout.StatusCompleted)
	})

	t.Run("wants a secret that cannot be guessed", func(t *testing.T) {
		is := is.New(t)
		_, err := operator.NewCallbacks(f.host, nil, slog.New(slog.DiscardHandler))
		is.True(err != nil)
	})
}

func TestRequestsThatAreNoCallbacks(t *testing.T) {
	t.Run("are refused before they are read where they are no POST", func(t *testing.T) {
		is := is.New(t)
		f := newFixture(t)
		w := httptest.NewRecorder()
		f.callbacks.ServeHTTP(w, httptest.NewRequest("GET", "/callbacks", nil))
		is.Equal(w.Code, 405)
		is.Equal(w.Header().Get("Allow"), "POST")
	})

	t.Run("are refused where they are too large to be read", func(t *testing.T) {
		is := is.New(t)
		f := newFixture(t)
		body, err := json.Marshal(f.event("P-1", operator.Paid))
		is.NoErr(err)
		body = append(body, strings.Repeat(" ", 64<<10)...)
		is.Equal(f.post(body, operator.Sign(secret, body)).Code, 400)
		is.Equal(f.session(t).Status, checkout.StatusCreated)
	})

	t.Run("are refused and logged where the operator signed something else than JSON", func(t *testing.T) {
		is := is.New(t)
		f := newFixture(t)
		body := []byte("payment_id=P-1")
		is.Equal(f.post(body, operator.Sign(secret, body)).Code, 400)
		is.True(strings.Contains(f.log.String(), "callback not applied"))
	})
}

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
	is.Equal(theirs.Status, checkout.StatusCreated) // a secret moves the sessions of its own account
	is.Equal(len(f.books.Delivered()), 0)
}

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
	is.Equal(f.books.Delivered(), []string{f.id}) // once
	notes := f.books.Notes()
	is.Equal(len(notes), 1) // the other payment is refunded, once
	is.True(notes[0].PaymentID != s.PaymentID)
	is.Equal(notes[0].Text, "refund: "+s.PaymentID+" has paid already")
}
