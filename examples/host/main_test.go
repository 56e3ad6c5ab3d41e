package main

import (
	"context"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/matryer/is"
)

// TestRun proves that the host keeps its sessions over a restart: the second run replays the session of the first.
func TestRun(t *testing.T) {
	is := is.New(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	is.NoErr(err)
	addr := listener.Addr().String() // free at this moment; another program could still take it
	is.NoErr(listener.Close())
	t.Chdir(t.TempDir())
	t.Setenv("ADDR", addr)
	t.Setenv("CHECKOUT_KEY", "sk_live_demo")

	for _, want := range []int{http.StatusCreated, http.StatusOK} { // a new session, and its replay after a restart
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- run(ctx) }()
		is.Equal(post(t, addr), want)
		stop()
		is.NoErr(<-ended)
	}
}

// post tries to create a session until the server listens, and returns the status of the answer.
func post(t *testing.T, addr string) int {
	t.Helper()
	for try := 0; ; try++ {
		r, err := http.NewRequest(http.MethodPost, "http://"+addr+"/v1/checkouts",
			strings.NewReader(`{"amount": 5000, "currency": "XOF", "user_phone": "+2250707987654"}`))
		is.New(t).NoErr(err)
		r.Header.Set("Authorization", "Bearer sk_live_demo")
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Idempotency-Key", "0193f0c2-a7b4-4c5e-9d3a-1b2c3d4e5f60")
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			if try == 1000 {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Millisecond) // the server does not listen yet
			continue
		}
		http.DefaultClient.CloseIdleConnections()
		answer.Body.Close()
		return answer.StatusCode
	}
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
