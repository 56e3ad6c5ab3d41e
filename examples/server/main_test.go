package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/matryer/is"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/store/memory"
	"github.com/caisse/checkout/webhook"
)

// program is a running server with its output.
type program struct {
	url    string
	stdout *buffer
	stderr *buffer
	stop   context.CancelFunc // stops the server as a signal does
	done   chan error         // gets the error of run when the server has stopped
}

// buffer is an output that a test can wait for.
type buffer struct {
	mu      sync.Mutex
	grown   sync.Cond
	content bytes.Buffer
}

func newBuffer() *buffer {
	b := &buffer{}
	b.grown.L = &b.mu
	return b
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.grown.Broadcast()
	return b.content.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.content.String()
}

// has returns a channel that is closed once text has been written.
func (b *buffer) has(text string) <-chan struct{} {
	found := make(chan struct{})
	go func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		for !strings.Contains(b.content.String(), text) {
			b.grown.Wait()
		}
		close(found)
	}()
	return found
}

// start starts a server on a free port, and waits until it has printed its URL.
func start(t *testing.T, args ...string) *program {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	p := &program{stdout: newBuffer(), stderr: newBuffer(), stop: cancel, done: make(chan error, 1)}
	go func() { p.done <- run(ctx, append([]string{"-addr", "127.0.0.1:0"}, args...), p.stdout, p.stderr) }()
	t.Cleanup(cancel)
	select {
	case <-p.stdout.has("http://"):
	case err := <-p.done:
		t.Fatal(err, p.stderr)
	case <-time.After(time.Minute):
		t.Fatal("the server did not print its URL within a minute")
	}
	p.url = regexp.MustCompile(`http://[\d.]+:\d+`).FindString(p.stdout.String())
	return p
}

// await returns the next value from a channel. It fails the test if nothing comes within a minute.
func await[T any](t *testing.T, what string, from <-chan T) (value T) {
	t.Helper()
	select {
	case value = <-from:
	case <-time.After(time.Minute):
		t.Fatalf("waited a minute for %s", what)
	}
	return value
}

// post sends the request of the curl command that the server has printed.
func (p *program) post(t *testing.T) *http.Response {
	t.Helper()
	printed := p.stdout.String()
	request, err := http.NewRequest("POST", p.url+"/v1/checkouts",
		strings.NewReader(regexp.MustCompile(`-d '(.*)'`).FindStringSubmatch(printed)[1]))
	if err != nil {
		t.Fatal(err)
	}
	for _, header := range regexp.MustCompile(`-H '([^:]+): ([^']*)'`).FindAllStringSubmatch(printed, -1) {
		request.Header.Set(header[1], header[2])
	}
	return do(t, request)
}

// do sends a request, and reads the whole body so that the connection can be used again.
func do(t *testing.T, request *http.Request) *http.Response {
	t.Helper()
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	response.Body = io.NopCloser(bytes.NewReader(body))
	return response
}

func (p *program) get(t *testing.T, path, token string) int {
	t.Helper()
	request, err := http.NewRequest("GET", p.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	return do(t, request).StatusCode
}

// TestThePrintedCurlMakesASessionThatOutlivesTheServer proves that the first command of a new user works: the printed curl creates a
// session, a second curl replays it, and the session is still there after a restart.
func TestThePrintedCurlMakesASessionThatOutlivesTheServer(t *testing.T) {
	is := is.New(t)
	store := "sqlite:" + filepath.Join(t.TempDir(), "checkouts.db")
	p := start(t, "-store", store)
	first := p.post(t)
	is.Equal(first.StatusCode, 201)
	body, _ := io.ReadAll(first.Body)
	is.True(strings.Contains(string(body), `"transaction_fee":25`))
	again := p.post(t)
	is.Equal(again.StatusCode, 200)
	is.Equal(again.Header.Get("Idempotent-Replayed"), "true")
	p.stop()
	is.NoErr(await(t, "the server to stop", p.done))

	p = start(t, "-store", store)
	is.Equal(p.get(t, first.Header.Get("Location"), defaultToken), 200)
}

// TestKeysOfTheFlags proves that each -key and -test-key sees only the sessions of its own account and mode.
func TestKeysOfTheFlags(t *testing.T) {
	is := is.New(t)
	p := start(t, "-store", "memory", "-key", "sk_a=acct_a", "-test-key", "sk_t=acct_a", "-key", "sk_b=acct_b")
	is.True(strings.Contains(p.stdout.String(), "Bearer sk_a'"))
	location := p.post(t).Header.Get("Location")
	is.True(strings.HasPrefix(location, "/v1/checkouts/cs_ci_"))
	is.Equal(p.get(t, location, "sk_a"), 200)
	is.Equal(p.get(t, location, "sk_t"), 404)
	is.Equal(p.get(t, location, "sk_b"), 404)
	is.Equal(p.get(t, location, defaultToken), 401) // with -key the default token does not exist
}

func TestHealth(t *testing.T) {
	is := is.New(t)
	p := start(t, "-store", "memory")
	for path, want := range map[string]string{"/healthz": "ok\n", "/readyz": "ready\n"} {
		answer, err := http.Get(p.url + path) // without credentials
		is.NoErr(err)
		body, err := io.ReadAll(answer.Body)
		is.NoErr(err)
		is.NoErr(answer.Body.Close())
		is.Equal(answer.StatusCode, http.StatusOK)
		is.Equal(string(body), want)
	}

	store := memory.New()
	checkouts, err := checkout.New(brokenStore{store}, checkout.Config{})
	is.NoErr(err)
	var log bytes.Buffer
	answer := httptest.NewRecorder()
	ready(checkouts, slog.New(slog.NewTextHandler(&log, nil)))(answer, httptest.NewRequest("GET", "/readyz", nil))
	is.Equal(answer.Code, http.StatusServiceUnavailable)
	is.Equal(answer.Body.String(), "the store does not answer\n")
	is.True(strings.Contains(log.String(), "no route to 10.0.0.1")) // the cause is in the log, and not in the answer
}

// brokenStore is a store that cannot be reached.
type brokenStore struct{ checkout.Store }

func (brokenStore) Get(context.Context, checkout.Account, string) (checkout.Session, error) {
	return checkout.Session{}, fmt.Errorf("no route to 10.0.0.1: %w", checkout.ErrUnavailable)
}

// TestStoppingFinishesRequestsInFlight stops the server while it reads the body of a request. The request must still get its answer.
func TestStoppingFinishesRequestsInFlight(t *testing.T) {
	is := is.New(t)
	p := start(t, "-store", "memory")
	conn, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
	is.NoErr(err)
	defer conn.Close()
	is.NoErr(conn.SetDeadline(time.Now().Add(time.Minute)))
	const body = `{"amount": 5000, "currency": "XOF", "user_phone": "+22507987654"}`
	// With "Expect: 100-continue" the server answers 100 when it begins to read the body. Then the request is certainly in flight.
	_, err = io.WriteString(conn, "POST /v1/checkouts HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+defaultToken+
		"\r\nContent-Type: application/json\r\nIdempotency-Key: 0193f0c2-a7b4-4c5e-9d3a-1b2c3d4e5f60\r\nExpect: 100-continue\r\nContent-Length: "+strconv.Itoa(len(body))+"\r\nConnection: close\r\n\r\n")
	is.NoErr(err)
	interim := make([]byte, len("HTTP/1.1 100 Continue\r\n\r\n"))
	_, err = io.ReadFull(conn, interim)
	is.NoErr(err)
	p.stop()
	await(t, "the server to begin to stop", p.stderr.has("stopping"))
	_, err = io.WriteString(conn, body)
	is.NoErr(err)
	answer, err := io.ReadAll(conn)
	is.NoErr(err)
	is.True(strings.HasPrefix(string(answer), "HTTP/1.1 201"))
	is.NoErr(await(t, "the server to stop", p.done))
}

// TestTheLogHasRequestsAndNoSecrets proves that the log has no key, query or phone number.
func TestTheLogHasRequestsAndNoSecrets(t *testing.T) {
	is := is.New(t)
	p := start(t, "-store", "memory", "-key", "sk_CANARY=acct_a")
	p.post(t)
	p.get(t, "/v1/checkouts?status=CANARY", "sk_CANARY")
	p.stop()
	is.NoErr(await(t, "the server to stop", p.done))
	log := p.stderr.String()
	is.True(strings.Contains(log, "method=POST route=/v1/checkouts status=201 request_id="))
	is.True(strings.Contains(log, "status=400"))
	for _, secret := range []string{"CANARY", "22507987654"} {
		is.True(!strings.Contains(log, secret))
	}
}

// TestBadFlagsAreErrorsWithoutTokens proves that every bad flag is an error, and that no message contains a token of the command line.
func TestBadFlagsAreErrorsWithoutTokens(t *testing.T) {
	for _, args := range [][]string{
		{"-store", "mysql://x"}, {"-store", "sqlite:"}, {"-key", "sk_CANARY"}, {"-key", "=acct"}, {"-key", "sk_CANARY="},
		{"-key", "sk_CANARY=a", "-test-key", "sk_CANARY=a"}, {"-nope"}, {"argument"}, {"-addr", "nowhere:x"},
		{"-store", "sqlite:" + filepath.Join("no", "such", "folder", "x.db")},
	} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			is := is.New(t)
			var stdout, stderr bytes.Buffer
			err := run(t.Context(), args, &stdout, &stderr)
			is.True(err != nil)
			is.Equal(stdout.String(), "")
			is.True(!strings.Contains(err.Error()+stderr.String(), "CANARY"))
		})
	}
	t.Run("-h returns flag.ErrHelp", func(t *testing.T) {
		is.New(t).True(errors.Is(run(t.Context(), []string{"-h"}, io.Discard, io.Discard), flag.ErrHelp))
	})
}

// TestTheOutcomeReachesTheWebhookAndWhoeverWaits proves that a payment of the simulated operator ends a long poll, and that the merchant
// gets a webhook for every change, with a valid signature.
func TestTheOutcomeReachesTheWebhookAndWhoeverWaits(t *testing.T) {
	is := is.New(t)
	events := make(chan webhook.Event, 10)
	var secret atomic.Value
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
			return
		}
		event, err := webhook.Verify(body, r.Header, secret.Load().(string))
		if err != nil {
			t.Error(err)
			return
		}
		events <- event
	}))
	t.Cleanup(receiver.Close)
	for _, store := range []string{"memory", "sqlite:" + filepath.Join(t.TempDir(), "checkouts.db")} {
		p := start(t, "-store", store, "-webhook-private", "-test-key", "sk_test=acct_1")
		call := func(method, path, body string, headers ...string) (int, map[string]any) {
			r, err := http.NewRequest(method, p.url+path, strings.NewReader(body))
			is.NoErr(err)
			r.Header.Set("Authorization", "Bearer sk_test")
			r.Header.Set("Content-Type", "application/json")
			for i := 0; i+1 < len(headers); i += 2 {
				r.Header.Set(headers[i], headers[i+1])
			}
			answer, err := http.DefaultClient.Do(r)
			is.NoErr(err)
			defer answer.Body.Close()
			var members map[string]any
			is.NoErr(json.NewDecoder(answer.Body).Decode(&members))
			return answer.StatusCode, members
		}
		code, e := call("POST", "/v1/webhooks", `{"url": "`+receiver.URL+`"}`)
		is.Equal(code, 201)
		secret.Store(e["secret"].(string))
		code, s := call("POST", "/v1/checkouts", `{"amount": 5000, "currency": "XOF", "user_phone": "+2250707987654"}`,
			"Idempotency-Key", "0193f0c2-a7b4-4c5e-9d3a-1b2c3d4e5f60")
		is.Equal(code, 201)
		id := s["id"].(string)
		for changes := 0; s["status"] != "completed" && changes < 10; changes++ { // the simulated operator takes three seconds
			code, s = call("GET", "/v1/checkouts/"+id, "", "Prefer", "wait=20")
			is.Equal(code, 200)
		}
		is.Equal(s["status"], "completed")
		arrived, last := map[int64]bool{}, int64(0)     // the sequence numbers of the webhooks, and of the one with the outcome
		for last == 0 || int64(len(arrived)) < last-1 { // there is one for every change since the creation, in any order
			event := await(t, "a webhook for every change", events)
			is.Equal(event.Data.ID, id)
			arrived[event.Sequence] = true
			if event.Type == "checkout.completed" {
				last = event.Sequence
			}
		}
		p.stop()
		is.NoErr(await(t, "the server to stop", p.done))
	}
}
