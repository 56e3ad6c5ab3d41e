package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/matryer/is"
)

// create creates a session for a phone and returns it.
func (p *program) create(t *testing.T, token, phone string) map[string]any {
	t.Helper()
	return p.ask(t, "POST", "/v1/checkouts", `{"amount": 5000, "currency": "XOF", "user_phone": "`+phone+`"}`, 201,
		"Authorization: Bearer "+token, "Content-Type: application/json", "Idempotency-Key: "+uuid.NewString())
}

// ask sends a request, fails unless it gets the status, and returns the JSON object of the answer.
func (p *program) ask(t *testing.T, method, path, body string, status int, headers ...string) map[string]any {
	t.Helper()
	request, err := http.NewRequest(method, p.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		request.Header.Set(name, value)
	}
	response := do(t, request)
	answer, _ := io.ReadAll(response.Body)
	if response.StatusCode != status {
		t.Fatalf("%s %s: %d %s", method, path, response.StatusCode, answer)
	}
	var object map[string]any
	if err := json.Unmarshal(answer, &object); err != nil {
		t.Fatalf("%v in %s", err, answer)
	}
	return object
}

// TestSessionsOfATestKeyDriveThemselves proves that a session in test mode needs no payer: the last digits of the phone decide the
// outcome.
func TestSessionsOfATestKeyDriveThemselves(t *testing.T) {
	p := start(t, "-store", "memory", "-test-key", "sk_t=acct_a")
	for phone, outcome := range map[string]string{"+2250707987654": "completed", "+2250707987601": "failed"} {
		t.Run(phone+" is "+outcome, func(t *testing.T) {
			session := p.create(t, "sk_t", phone)
			for range 10 {
				session = p.ask(t, "GET", "/v1/checkouts/"+session["id"].(string), "", 200, "Authorization: Bearer sk_t", "Prefer: wait=20")
				if session["status"] != "created" && session["status"] != "pending" && session["status"] != "processing" {
					break
				}
			}
			is.New(t).Equal(session["status"], outcome)
		})
	}
}

// TestALiveSessionWaitsForItsPayerOnThePage proves that a live session has a payer's page, and stays created until the payer uses it.
func TestALiveSessionWaitsForItsPayerOnThePage(t *testing.T) {
	is := is.New(t)
	p := start(t, "-store", "memory", "-key", "sk_a=acct_a")
	session := p.create(t, "sk_a", "+2250707987654")
	link, _ := session["checkout_url"].(string)
	is.True(strings.HasPrefix(link, p.url+"/pay/"))
	request, err := http.NewRequest("GET", link, nil)
	is.NoErr(err)
	page := do(t, request)
	is.Equal(page.StatusCode, 200)
	body, _ := io.ReadAll(page.Body)
	is.True(strings.Contains(string(body), "CFA"))
	is.Equal(p.ask(t, "GET", "/v1/checkouts/"+session["id"].(string), "", 200, "Authorization: Bearer sk_a")["status"], "created")

	p.stop()
	is.NoErr(await(t, "the server to stop", p.done))
	is.True(!strings.Contains(p.stderr.String(), strings.TrimPrefix(link, p.url+"/pay/"))) // the link is a secret: it lets anybody pay or cancel
}

// TestWithoutTheSimulatorThereIsNoPayersPage proves that -simulate=false switches off the payer's page.
func TestWithoutTheSimulatorThereIsNoPayersPage(t *testing.T) {
	is := is.New(t)
	p := start(t, "-store", "memory", "-simulate=false", "-test-key", "sk_t=acct_a")
	session := p.create(t, "sk_t", "+2250707987654")
	is.Equal(session["checkout_url"], nil)
	is.Equal(p.get(t, "/pay/x", "sk_t"), 404)
}

// TestStoppingAnswersALongPoll proves that a long poll is answered when the server stops. Otherwise the server would wait for it.
func TestStoppingAnswersALongPoll(t *testing.T) {
	is := is.New(t)
	p := start(t, "-store", "memory", "-key", "sk_a=acct_a")
	session := p.create(t, "sk_a", "+2250707987654")
	go func() {
		for stacks := make([]byte, 1<<20); t.Context().Err() == nil; time.Sleep(10 * time.Millisecond) {
			if bytes.Contains(stacks[:runtime.Stack(stacks, true)], []byte("checkout.(*Checkouts).Wait(")) {
				p.stop() // now the request waits for a change
				return
			}
		}
	}()
	path := "/v1/checkouts/" + session["id"].(string)
	is.Equal(p.ask(t, "GET", path, "", 200, "Authorization: Bearer sk_a", "Prefer: wait=60")["status"], "created")
	is.NoErr(await(t, "the server to stop", p.done)) // it would be an error if a request still waited after 20 seconds
}
