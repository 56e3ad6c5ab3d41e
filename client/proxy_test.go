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

// harm is what the proxy may do to one request.
type harm int

const (
	loseRequest harm = iota // the connection ends before the request is passed on
	loseAnswer              // the request takes effect, and the connection ends without an answer
	cutAnswer               // half of the answer comes
	resetConnection
	resetAfterwards  // the request takes effect, and the connection is reset
	delayAnswer      // beyond the client's timeout
	refuseBefore     // 500, 502, 503 or 504, and the request is not passed on
	refuseAfterwards // the same, and the request has taken effect
	tooMany          // 429 with Retry-After
	harms
)

// harmfulProxy passes requests on to a handler, and does harm to some.
type harmfulProxy struct {
	to    http.Handler
	share float64 // of the requests that come to harm, 0 to 1

	mu   sync.Mutex
	rand *rand.Rand
	done [harms]atomic.Int64
}

func newHarmfulProxy(to http.Handler, share float64, seed uint64) *harmfulProxy {
	return &harmfulProxy{to: to, share: share, rand: rand.New(rand.NewPCG(seed, 0))}
}

func (p *harmfulProxy) throw() (h harm, comes bool, status int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.rand.Float64() >= p.share {
		return 0, false, 0
	}
	if h = harm(p.rand.IntN(int(harms))); h == delayAnswer && p.rand.IntN(10) > 0 {
		h = loseAnswer // a delay takes the test's time
	}
	return h, true, []int{500, 502, 503, 504}[p.rand.IntN(4)]
}

func (p *harmfulProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h, comes, status := p.throw()
	if !comes {
		p.to.ServeHTTP(w, r)
		return
	}
	p.done[h].Add(1)
	pass := func() *httptest.ResponseRecorder {
		answer := httptest.NewRecorder()
		p.to.ServeHTTP(answer, r.WithContext(context.WithoutCancel(r.Context())))
		return answer
	}
	switch h {
	case loseRequest:
		panic(http.ErrAbortHandler)
	case loseAnswer:
		pass()
		panic(http.ErrAbortHandler)
	case cutAnswer:
		answer := pass()
		for name, values := range answer.Header() {
			w.Header()[name] = values // with the Content-Length of all of it
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

// atOnce calls do for 0 to n-1, so many at once.
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

func TestEveryIntentMakesOneSessionThroughAProxyThatDoesHarm(t *testing.T) {
	const intents, workers = 10_000, 64
	is := is.New(t)
	checkouts, handler := newHandler(t, checkout.HandlerConfig{})
	proxy := newHarmfulProxy(handler, 0.3, 1)
	_, c := serve(t, proxy, client.Config{Timeout: 2 * time.Second, MaxAttempts: 20})
	honest := inProcess(t, handler.ServeHTTP, client.Config{})
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
	is.Equal(page.Total, intents) // and the server has no other
	is.True(!page.TotalMore)
	for s, err := range honest.List(ctx, client.Query{Limit: 100}) {
		is.NoErr(err)
		is.True(made[s.ID])
		delete(made, s.ID)
	}
	is.Equal(len(made), 0)

	total := int64(0)
	for h := range proxy.done {
		n := proxy.done[h].Load()
		is.True(n > 0) // each harm was done
		total += n
	}
	is.True(replayed > intents/10) // which an honest network would not show
	t.Logf("harm was done to %d requests; %d intents found their session made by an earlier try", total, replayed)
}

// What the test above is for: the same proxy, and a program that retries with a new key. It makes fewer than it would in
// other languages, since net/http itself repeats a request that has an Idempotency-Key on a connection that breaks early.
func TestAFreshKeyForEveryTryMakesMoreSessionsThanIntents(t *testing.T) {
	const intents = 1000
	is := is.New(t)
	checkouts, handler := newHandler(t, checkout.HandlerConfig{})
	_, c := serve(t, newHarmfulProxy(handler, 0.3, 1), client.Config{Timeout: 2 * time.Second, MaxAttempts: 1})
	atOnce(intents, 32, func(int) {
		for {
			_, err := c.Create(t.Context(), client.NewIntent(mobileMoney))
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

// A lifecycle under harm: created, waited for, cancelled, and read, each any number of times.
func TestWaitAndCancelThroughAProxyThatDoesHarm(t *testing.T) {
	is := is.New(t)
	checkouts, handler := newHandler(t, checkout.HandlerConfig{})
	_, c := serve(t, newHarmfulProxy(handler, 0.3, 2), client.Config{Timeout: 2 * time.Second, MaxAttempts: 20, LongPoll: time.Second})
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
