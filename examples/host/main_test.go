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

func TestRun(t *testing.T) {
	is := is.New(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	is.NoErr(err)
	addr := listener.Addr().String() // free, until somebody takes it
	is.NoErr(listener.Close())
	t.Chdir(t.TempDir())
	t.Setenv("ADDR", addr)
	t.Setenv("CHECKOUT_KEY", "sk_live_demo")

	for _, want := range []int{http.StatusCreated, http.StatusOK} { // a session, and the same one after a restart
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- run(ctx) }()
		is.Equal(post(t, addr), want)
		stop()
		is.NoErr(<-ended)
	}
}

// post creates a session, as soon as the server listens.
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
			time.Sleep(10 * time.Millisecond) // it opens its database first
			continue
		}
		http.DefaultClient.CloseIdleConnections()
		answer.Body.Close()
		return answer.StatusCode
	}
}

func TestRunWithoutAKey(t *testing.T) {
	is := is.New(t)
	t.Chdir(t.TempDir())
	t.Setenv("CHECKOUT_KEY", "")
	err := run(t.Context())
	is.True(err != nil)
	is.True(strings.Contains(err.Error(), "BearerTokens")) // says what is missing
}
