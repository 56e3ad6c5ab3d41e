// Command receiver is a merchant's back end that receives webhooks. Start the server, register the receiver, start it, and pay:
//
//	go run ./examples/server -webhook-private -test-key sk_test_demo=acct_demo
//	curl -H 'Authorization: Bearer sk_test_demo' -H 'Content-Type: application/json' http://127.0.0.1:8080/v1/webhooks -d '{"url": "http://127.0.0.1:9090/"}'
//	WEBHOOK_SECRET=$SECRET go run ./examples/receiver # the secret from the answer
package main

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"sync"

	"github.com/caisse/checkout/webhook"
)

func main() {
	if os.Getenv("WEBHOOK_SECRET") == "" {
		log.Fatal("set WEBHOOK_SECRET to the secret of the endpoint, whsec_…")
	}
	r := &receiver{secrets: []string{os.Getenv("WEBHOOK_SECRET")}, seen: make(map[string]int64), fulfil: func(e webhook.Event) error {
		fmt.Printf("session %s is %s: %d %s\n", e.Data.ID, e.Data.Status, e.Data.Amount, e.Data.Currency)
		return nil
	}}
	fmt.Println("listening on http://127.0.0.1:9090/")
	log.Fatal(http.ListenAndServe("127.0.0.1:9090", r))
}

type receiver struct {
	secrets []string // while one is being replaced, the old one and the new one
	fulfil  func(webhook.Event) error

	mu   sync.Mutex
	seen map[string]int64 // the greatest sequence of each session. A real receiver stores it in the transaction that fulfils the order
}

const maxBody = 64 << 10

func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, request.Body, maxBody)) // exactly the bytes that were sent
	if err != nil {
		http.Error(w, "the body cannot be read", http.StatusBadRequest)
		return
	}
	event, err := webhook.Verify(body, request.Header, r.secrets...)
	if errors.Is(err, webhook.ErrNotVerified) {
		http.Error(w, "not signed by us, or too long ago", http.StatusUnauthorized)
		return
	}
	if err == nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		if event.Sequence > r.seen[event.Data.ID] { // otherwise it came late or twice, which is no error
			if err = r.fulfil(event); err == nil {
				r.seen[event.Data.ID] = event.Sequence
			}
		}
	}
	if err != nil { // the server will send it again
		log.Print(err)
		http.Error(w, "not done", http.StatusInternalServerError)
	}
}
