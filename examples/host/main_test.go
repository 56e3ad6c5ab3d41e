package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/matryer/is"
)

// TestRun proves that the host keeps its sessions over a restart: the second run replays the session of the first.
func TestRun(t *testing.T) {
	is := is.New(t)
	t.Chdir(t.TempDir())
	t.Setenv("CHECKOUT_KEY", "sk_live_demo")
	is.Equal(post(t), http.StatusCreated)
	is.Equal(post(t), http.StatusOK) // a replay
}

// post runs the host while it sends a request to create a session, and returns the status of the answer.
func post(t *testing.T) int {
	t.Helper()
	is := is.New(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	is.NoErr(err)
	addr := listener.Addr().String()
	is.NoErr(listener.Close())
	t.Setenv("ADDR", addr)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- run(ctx) }()

	status, client := 0, http.Client{Timeout: time.Minute}
	for deadline := time.Now().Add(time.Minute); status/100 != 2 && len(ended) == 0 && time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		r, err := http.NewRequest(http.MethodPost, "http://"+addr+"/v1/checkouts",
			strings.NewReader(`{"amount": 5000, "currency": "XOF", "user_phone": "+2250707987654"}`))
		is.NoErr(err)
		r.Header.Set("Authorization", "Bearer sk_live_demo")
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Idempotency-Key", "0193f0c2-a7b4-4c5e-9d3a-1b2c3d4e5f60")
		if answer, err := client.Do(r); err == nil { // otherwise nobody listens yet
			answer.Body.Close()
			status = answer.StatusCode
		}
	}
	client.CloseIdleConnections()
	stop()
	select {
	case err = <-ended:
	case <-time.After(time.Minute):
		t.Fatal("the host did not stop within a minute")
	}
	if errors.Is(err, syscall.EADDRINUSE) { // another program took the port before the host did, and may have answered
		return post(t)
	}
	is.NoErr(err)
	return status
}

// TestRunWithoutAKey proves that a host without a key does not start, and says what is missing.
func TestRunWithoutAKey(t *testing.T) {
	is := is.New(t)
	t.Chdir(t.TempDir())
	t.Setenv("CHECKOUT_KEY", "")
	err := run(t.Context())
	is.True(err != nil)
	is.True(strings.Contains(err.Error(), "BearerTokens")) // the error names the call that needs the key
}
