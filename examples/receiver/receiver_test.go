package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"github.com/matryer/is"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/caisse/checkout/webhook"
)

const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="

// signed returns the webhook for change number n of a session, as a server sends it at the time at.
func signed(n int, at time.Time) (body []byte, header http.Header) {
	status := []string{"", "created", "pending", "completed"}[n]
	id := fmt.Sprintf("evt_0193f0c2a7b47c5e9d3a1b2c3d4e5f60_%d", n)
	body = fmt.Appendf(nil, `{"type":"checkout.%s", "id":"%s", "timestamp":"2026-11-22T07:33:10Z","sequence":%d,"livemode":true,`+
		`"data":{"id":"cs_ci_0193f0c2a7b47c5e9d3a1b2c3d4e5f60","status":"%[1]s","amount":5000,"currency":"XOF"}}`, status, id, n)
	signer, _ := standardwebhooks.NewWebhook(secret)
	signature, _ := signer.Sign(id, at, body)
	return body, http.Header{"Webhook-Id": {id}, "Webhook-Timestamp": {fmt.Sprint(at.Unix())}, "Webhook-Signature": {signature}}
}

func deliver(handler http.Handler, body []byte, header http.Header) int {
	r := httptest.NewRequest("POST", "/", bytes.NewReader(body))
	for name, values := range header {
		r.Header[name] = values
	}
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, r)
	return answer.Code
}

// newReceiver returns a receiver, and the sequence numbers of the events that it has fulfilled.
func newReceiver() (r *receiver, fulfilled *[]int64) {
	fulfilled = new([]int64)
	return &receiver{secrets: []string{secret}, seen: make(map[string]int64), fulfil: func(e webhook.Event) error {
		*fulfilled = append(*fulfilled, e.Sequence)
		return nil
	}}, fulfilled
}

// TestReceiver proves that an event is fulfilled once, and that an older or unsigned event is not fulfilled. If fulfilling fails, the answer
// is 500, so that the server sends the event again.
func TestReceiver(t *testing.T) {
	is := is.New(t)
	r, fulfilled := newReceiver()
	pending, pendingHeader := signed(2, time.Now())
	completed, completedHeader := signed(3, time.Now())
	is.Equal(deliver(r, completed, completedHeader), 200)
	is.Equal(deliver(r, completed, completedHeader), 200) // the same webhook again
	is.Equal(deliver(r, pending, pendingHeader), 200)     // an older webhook that comes late
	is.Equal(*fulfilled, []int64{3})

	is.Equal(deliver(r, append(completed, ' '), completedHeader), 401)
	is.Equal(deliver(r, completed, pendingHeader), 401)
	is.Equal(deliver(r, bytes.Repeat([]byte("x"), maxBody+1), completedHeader), 400)
	is.Equal(*fulfilled, []int64{3})

	r, fulfilled = newReceiver()
	working := r.fulfil
	r.fulfil = func(webhook.Event) error { return errors.New("the database is away") }
	is.Equal(deliver(r, completed, completedHeader), 500) // the server will send it again
	r.fulfil = working
	is.Equal(deliver(r, completed, completedHeader), 200)
	is.Equal(*fulfilled, []int64{3})
}

func TestIsShort(t *testing.T) {
	source, err := os.ReadFile("main.go")
	is.New(t).NoErr(err)
	if lines := bytes.Count(source, []byte("\n")); lines > 66 {
		t.Errorf("the example has %d lines, want at most 66", lines)
	}
}

// The examples below show common mistakes of receivers.

// The signature covers the bytes of the body. JSON that was decoded and encoded again has other bytes.
func Example_wrongEncodedAgain() {
	body, header := signed(3, time.Now())
	var event map[string]any
	json.Unmarshal(body, &event)
	again, _ := json.Marshal(event)
	_, err := webhook.Verify(again, header, secret)
	fmt.Println(errors.Is(err, webhook.ErrNotVerified))
	// Output: true
}

// A receiver must check the time of a webhook. Otherwise somebody who has seen one request can send it again at any later time.
// VerifyIgnoringTimestamp of the Standard Webhooks library does not check the time. Verify of this library does.
func Example_wrongNoTolerance() {
	body, header := signed(3, time.Now().AddDate(-1, 0, 0))
	verifier, _ := standardwebhooks.NewWebhook(secret)
	fmt.Println("a year later:", verifier.VerifyIgnoringTimestamp(body, header) == nil)
	_, err := webhook.Verify(body, header, secret)
	fmt.Println("here:", err == nil)
	// Output:
	// a year later: true
	// here: false
}

// A server sends a webhook again if it got no answer. A receiver that acts on every request delivers the goods twice.
func Example_wrongActsTwice() {
	parcels := 0
	wrong := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		parcels++
	})
	right, fulfilled := newReceiver()
	body, header := signed(3, time.Now())
	for range 2 {
		deliver(wrong, body, header)
		deliver(right, body, header)
	}
	fmt.Println("wrong:", parcels)
	fmt.Println("right:", len(*fulfilled))
	// Output:
	// wrong: 2
	// right: 1
}
