package client_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/client"
	"github.com/matryer/is"
)

// fault is one way in which the proxy may disturb a request.
type fault int

const (
	loseRequest      fault = iota // the connection ends before the request is passed on
	loseAnswer                    // the request takes effect, and the connection ends without an answer
	cutAnswer                     // the request takes effect, and half of the answer is sent
	resetConnection               // the connection is reset before the request is passed on
	resetAfterwards               // the request takes effect, and the connection is reset
	delayAnswer                   // the request takes effect, and no answer comes before the client's timeout
	refuseBefore                  // 500, 502, 503 or 504, and the request is not passed on
	refuseAfterwards              // 500, 502, 503 or 504, and the request takes effect
	tooMany                       // 429 with Retry-After
	faultKinds
)

// faultyProxy passes requests on to a handler, and injects a fault into some.
type faultyProxy struct {
	to    http.Handler
	share float64 // of the requests with a fault, 0 to 1

	mu    sync.Mutex
	rand  *rand.Rand
	count [faultKinds]atomic.Int64
}

func newFaultyProxy(to http.Handler, share float64, seed uint64) *faultyProxy {
	return &faultyProxy{to: to, share: share, rand: rand.New(rand.NewPCG(seed, 0))}
}

// draw decides at random whether a request gets a fault, and which.
func (p *faultyProxy) draw() (f fault, injected bool, status int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.rand.Float64() >= p.share {
		return 0, false, 0
	}
	if f = fault(p.rand.IntN(int(faultKinds))); f == delayAnswer && p.rand.IntN(10) > 0 {
		f = loseAnswer // delays are rare, because each makes the test wait
	}
	return f, true, []int{500, 502, 503, 504}[p.rand.IntN(4)]
}

func (p *faultyProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f, injected, status := p.draw()
	if !injected {
		p.to.ServeHTTP(w, r)
		return
	}
	p.count[f].Add(1)
	pass := func() *httptest.ResponseRecorder {
		answer := httptest.NewRecorder()
		p.to.ServeHTTP(answer, r.WithContext(context.WithoutCancel(r.Context())))
		return answer
	}
	switch f {
	case loseRequest:
		panic(http.ErrAbortHandler)
	case loseAnswer:
		pass()
		panic(http.ErrAbortHandler)
	case cutAnswer:
		answer := pass()
		for name, values := range answer.Header() {
			w.Header()[name] = values // with the Content-Length of the whole answer
		}
		w.WriteHeader(answer.Code)
		w.Write(answer.Body.Bytes()[:answer.Body.Len()/2])
		panic(http.ErrAbortHandler)
	case resetConnection:
		reset(w)
	case resetAfterwards:
		pass()
		reset(w)
	case delayAnswer:
		pass()
		<-r.Context().Done()
	case refuseBefore:
		w.WriteHeader(status)
	case refuseAfterwards:
		pass()
		if status == http.StatusServiceUnavailable {
			w.Header().Set("Retry-After", "1")
		}
		w.WriteHeader(status)
	case tooMany:
		w.Header().Set("Retry-After", time.Now().Add(time.Second).UTC().Format(http.TimeFormat))
		w.WriteHeader(http.StatusTooManyRequests)
	}
}

// reset closes the connection with a TCP reset.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	conn.Close()
}

// atOnce calls do with 0 to n-1, from the given number of goroutines.
func atOnce(n, workers int, do func(i int)) {
	var next atomic.Int64
	var wait sync.WaitGroup
	for range workers {
		wait.Go(func() {
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				do(int(i))
			}
		})
	}
	wait.Wait()
}

func TestEveryIntentMakesOneSessionThroughAFaultyProxy(t *testing.T) {
	const intents, workers = 10_000, 64
	is := is.New(t)
	checkouts, handler := newHandler(t, checkout.HandlerConfig{})
	proxy := newFaultyProxy(handler, 0.3, 1)
	_, c := serve(t, proxy, client.Config{Timeout: 2 * time.Second, MaxAttempts: 20})
	direct := inProcess(t, handler.ServeHTTP, client.Config{})
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()

	sessions := make([]client.Session, intents)
	began := time.Now()
	atOnce(intents, workers, func(i int) {
		s, err := c.Create(ctx, client.NewIntent(mobileMoney))
		if err != nil {
			t.Errorf("intent %d: %v", i, err)
		}
		sessions[i] = s
	})
	t.Logf("%d intents took %s", intents, time.Since(began).Round(time.Millisecond))

	made := make(map[string]bool, intents)
	replayed := 0
	for _, s := range sessions {
		made[s.ID] = true
		if s.Replayed {
			replayed++
		}
	}
	is.Equal(len(made), intents) // no two intents share a session
	page, err := checkouts.List(ctx, account, checkout.Query{})
	is.NoErr(err)
	is.Equal(page.Total, intents) // and the server has no other session
	is.True(!page.TotalMore)
	for s, err := range direct.List(ctx, client.Query{Limit: 100}) {
		is.NoErr(err)
		is.True(made[s.ID])
		delete(made, s.ID)
	}
	is.Equal(len(made), 0)

	total := int64(0)
	for f := range proxy.count {
		n := proxy.count[f].Load()
		is.True(n > 0) // each fault was injected
		total += n
	}
	is.True(replayed > intents/10) // some requests took effect although their answer was lost
	t.Logf("%d requests had a fault; %d intents found that an earlier try had made their session", total, replayed)
}

// This is the control of the test above: if a program retries with a new key through the same proxy, it makes too many sessions. Without
// Go's net/http it would make even more: if a connection that was used before breaks early, net/http repeats a request that has an
// Idempotency-Key by itself, with the same key.
func TestAFreshKeyForEveryTryMakesMoreSessionsThanIntents(t *testing.T) {
	const intents = 1000
	is := is.New(t)
	checkouts, handler := newHandler(t, checkout.HandlerConfig{})
	_, c := serve(t, newFaultyProxy(handler, 0.3, 1), client.Config{Timeout: 2 * time.Second, MaxAttempts: 1})
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	atOnce(intents, 32, func(int) {
		for {
			_, err := c.Create(ctx, client.NewIntent(mobileMoney))
			if err == nil {
				return
			}
			if _, ok := errors.AsType[*client.GaveUpError](err); !ok {
				t.Error(err)
				return
			}
		}
	})
	page, err := checkouts.List(t.Context(), account, checkout.Query{})
	is.NoErr(err)
	t.Logf("%d intents made %d sessions", intents, page.Total)
	is.True(page.Total > intents*21/20)
}

// The proxy makes the client repeat Create, Wait, Cancel and Events. Each session must still have only two events: its creation and its
// outcome.
func TestWaitAndCancelThroughAFaultyProxy(t *testing.T) {
	is := is.New(t)
	checkouts, handler := newHandler(t, checkout.HandlerConfig{})
	_, c := serve(t, newFaultyProxy(handler, 0.3, 2), client.Config{Timeout: 2 * time.Second, MaxAttempts: 20, LongPoll: time.Second})
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var paid, cancelled atomic.Int64
	atOnce(100, 32, func(i int) {
		s, err := c.Create(ctx, client.NewIntent(mobileMoney))
		if err != nil {
			t.Error(err)
			return
		}
		if i%2 == 0 {
			time.AfterFunc(50*time.Millisecond, func() { checkouts.Complete(ctx, account, s.ID, "PAY_1") })
		} else {
			if _, err := c.Cancel(ctx, s.ID); err != nil {
				t.Error(err)
			}
		}
		for err == nil && !s.Status.Ended() {
			s, err = c.Wait(ctx, s)
		}
		if err != nil {
			t.Error(err)
			return
		}
		events, err := c.Events(ctx, s.ID)
		if err != nil || len(events) != 2 {
			t.Errorf("want 2 events, got %v, %v", events, err)
		}
		switch s.Status {
		case client.StatusCompleted:
			paid.Add(1)
		case client.StatusCancelled:
			cancelled.Add(1)
		}
	})
	is.Equal(paid.Load(), int64(50))
	is.Equal(cancelled.Load(), int64(50))
}
