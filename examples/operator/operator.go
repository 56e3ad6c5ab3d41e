package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/simulator"
)

// Operator is the simulated operator. It calls the host back through the HTTP handler, but without a network. Its callbacks are signed,
// and have this operator's own words for outcomes.
type Operator struct {
	Simulator *simulator.Simulator
	Checkouts *checkout.Checkouts
	Callbacks http.Handler
	Secret    []byte
	// Heard is called after each of the operator's own calls, with the status of the answer.
	Heard func(e Event, status int)
}

// Ask implements [Gateway].
func (o *Operator) Ask(ctx context.Context, p Payment) error {
	session, err := o.Checkouts.Get(ctx, account, p.Reference)
	if err != nil {
		return err
	}
	_, err = o.Simulator.Pay(ctx, session)
	return err
}

// Lookup implements [Gateway].
func (o *Operator) Lookup(_ context.Context, paymentID string) (Event, bool, error) {
	n, ok := o.Simulator.Lookup(paymentID)
	return eventOf(n), ok, nil
}

// Tell calls the host back. It is the Tell of simulator.Config: if it returns an error, because the answer is no 2xx, the simulator calls
// it again later.
func (o *Operator) Tell(_ context.Context, n simulator.News) error {
	e := eventOf(n)
	status := o.Send(e, o.Secret)
	o.Heard(e, status)
	if status/100 != 2 {
		return fmt.Errorf("the host answered %d", status)
	}
	return nil
}

func eventOf(n simulator.News) Event {
	words := map[simulator.Outcome]Outcome{simulator.Held: Held, simulator.Paid: Paid, simulator.Refused: Refused}
	return Event{PaymentID: n.PaymentID, Reference: n.SessionID, Outcome: words[n.Outcome], Amount: n.Amount, Currency: n.Currency, Reason: n.Reason}
}

// Send calls the host back once, with a body that is signed by secret, and returns the answer's status.
func (o *Operator) Send(e Event, secret []byte) int {
	body, err := json.Marshal(e)
	if err != nil {
		panic(err) // an Event can always be encoded
	}
	r, err := http.NewRequest(http.MethodPost, "/callbacks", bytes.NewReader(body))
	if err != nil {
		panic(err) // this URL is valid
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set(SignatureHeader, Sign(secret, body))
	w := statusOnly{header: make(http.Header), status: http.StatusOK}
	o.Callbacks.ServeHTTP(&w, r)
	return w.status
}

// statusOnly is an [http.ResponseWriter] that keeps only the status, because most operators read nothing else.
type statusOnly struct {
	header http.Header
	status int
}

func (w *statusOnly) Header() http.Header         { return w.header }
func (w *statusOnly) WriteHeader(status int)      { w.status = status }
func (w *statusOnly) Write(p []byte) (int, error) { return len(p), nil }
