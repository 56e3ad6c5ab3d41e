package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"time"
)

// retryAfter is how long the operator waits before it calls again, and maxCalls how often it calls in all.
const (
	retryAfter = time.Minute
	maxCalls   = 5
)

// Operator is a mobile-money operator in process: it does to each payment what the story wants and calls the host back,
// again and again until it is answered 2xx.
type Operator struct {
	Timeline  *Timeline
	Callbacks http.Handler
	Secret    []byte
	// Heard is told what each of the operator's own calls was answered.
	Heard func(e Event, status int)

	will map[string][]Turn
	last map[string]Event
}

// Turn is what becomes of a payment, and how long after it was asked for.
type Turn struct {
	After   time.Duration
	Outcome Outcome
	Reason  string
	Untold  bool // the operator knows it, and its call gets lost
}

// Will settles what is to become of a payment. Without it the operator never says a word.
func (o *Operator) Will(paymentID string, turns ...Turn) {
	if o.will == nil {
		o.will, o.last = make(map[string][]Turn), make(map[string]Event)
	}
	o.will[paymentID] = turns
}

// Ask implements [Gateway].
func (o *Operator) Ask(_ context.Context, p Payment) error {
	for _, turn := range o.will[p.ID] {
		e := Event{
			PaymentID: p.ID,
			Reference: p.Reference,
			Outcome:   turn.Outcome,
			Amount:    p.Amount,
			Currency:  p.Currency,
			Reason:    turn.Reason,
		}
		o.Timeline.After(turn.After, func() {
			o.last[p.ID] = e
			if !turn.Untold {
				o.call(e, maxCalls)
			}
		})
	}
	return nil
}

// Lookup implements [Gateway].
func (o *Operator) Lookup(_ context.Context, paymentID string) (Event, bool, error) {
	e, ok := o.last[paymentID]
	return e, ok, nil
}

func (o *Operator) call(e Event, calls int) {
	status := o.Send(e, o.Secret)
	o.Heard(e, status)
	if status/100 != 2 && calls > 1 {
		o.Timeline.After(retryAfter, func() { o.call(e, calls-1) })
	}
}

// Send calls the host back once, with a body that is signed by secret, and returns the answer's status.
func (o *Operator) Send(e Event, secret []byte) int {
	body, err := json.Marshal(e)
	if err != nil {
		panic(err) // an Event has nothing that JSON lacks
	}
	r, err := http.NewRequest(http.MethodPost, "/callbacks", bytes.NewReader(body))
	if err != nil {
		panic(err) // nor is there anything wrong with this URL
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set(SignatureHeader, Sign(secret, body))
	w := statusOnly{header: make(http.Header), status: http.StatusOK}
	o.Callbacks.ServeHTTP(&w, r)
	return w.status
}

// statusOnly is an [http.ResponseWriter] of which the operator reads the status, as most do.
type statusOnly struct {
	header http.Header
	status int
}

func (w *statusOnly) Header() http.Header         { return w.header }
func (w *statusOnly) WriteHeader(status int)      { w.status = status }
func (w *statusOnly) Write(p []byte) (int, error) { return len(p), nil }
