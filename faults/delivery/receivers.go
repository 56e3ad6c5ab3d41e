package delivery

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/faults/stores"
	"github.com/caisse/checkout/faults/suite"
	"github.com/caisse/checkout/webhook"
)

// bad lists receivers that misbehave. want is the first attempt that a delivery to each of them must record.
var bad = map[string]struct {
	answer http.HandlerFunc
	want   webhook.Attempt
}{
	"hangs":             {hang, webhook.Attempt{Error: webhook.FaultTimeout}},
	"headers, and slow": {slowHeaders, webhook.Attempt{Error: webhook.FaultTimeout}},
	"2xx, and hangs":    {slowBody, webhook.Attempt{StatusCode: 200}},
	"endless":           {endless, webhook.Attempt{StatusCode: 200}},
	"closes":            {closes, webhook.Attempt{Error: webhook.FaultConnection}},
	"resets":            {resets, webhook.Attempt{Error: webhook.FaultConnection}},
	"speaks no HTTP":    {nonsense, webhook.Attempt{Error: webhook.FaultConnection}},
	"redirects":         {redirects, webhook.Attempt{StatusCode: 307, Error: webhook.FaultRedirect}},
	"gone":              {says(410, ""), webhook.Attempt{StatusCode: 410, Error: webhook.FaultStatus}},
	"busy a second":     {says(429, "1"), webhook.Attempt{StatusCode: 429, Error: webhook.FaultStatus}},
	"busy a day":        {says(429, "86400"), webhook.Attempt{StatusCode: 429, Error: webhook.FaultStatus}},
	"busy until a date": {says(503, "Fri, 31 Dec 2100 23:59:59 GMT"), webhook.Attempt{StatusCode: 503, Error: webhook.FaultStatus}},
	"busy, nonsense":    {says(429, "-1e9 o'clock"), webhook.Attempt{StatusCode: 429, Error: webhook.FaultStatus}},
}

// hang never answers. It returns when the client hangs up.
func hang(_ http.ResponseWriter, r *http.Request) {
	io.Copy(io.Discard, r.Body) // otherwise the server does not notice when the connection ends
	<-r.Context().Done()
}

// connection reads the body of a request, and then hijacks its connection.
func connection(w http.ResponseWriter, r *http.Request) net.Conn {
	io.Copy(io.Discard, r.Body)
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // which closes the connection
	}
	return conn
}

// slowHeaders sends a byte of its headers each second.
func slowHeaders(w http.ResponseWriter, r *http.Request) {
	conn := connection(w, r)
	defer conn.Close()
	for _, c := range "HTTP/1.1 200 OK\r\nServer: " + strings.Repeat("x", 100) {
		if _, err := io.WriteString(conn, string(c)); err != nil {
			return
		}
		time.Sleep(time.Second)
	}
}

func slowBody(w http.ResponseWriter, r *http.Request) {
	w.WriteHeader(http.StatusOK)
	w.(http.Flusher).Flush()
	hang(w, r)
}

func endless(w http.ResponseWriter, r *http.Request) {
	for {
		if _, err := io.WriteString(w, strings.Repeat("x", 1<<16)); err != nil {
			return
		}
	}
}

func closes(w http.ResponseWriter, r *http.Request) { connection(w, r).Close() }

func resets(w http.ResponseWriter, r *http.Request) {
	conn := connection(w, r)
	defer conn.Close()
	io.WriteString(conn, "HTTP/1.1 2")
	conn.(*net.TCPConn).SetLinger(0)
}

func nonsense(w http.ResponseWriter, r *http.Request) {
	conn := connection(w, r)
	defer conn.Close()
	io.WriteString(conn, "SSH-2.0-OpenSSH_9.2\r\n")
}

func redirects(w http.ResponseWriter, r *http.Request) {
	http.Redirect(w, r, "http://169.254.169.254/latest/meta-data/", http.StatusTemporaryRedirect)
}

func says(status int, retryAfter string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if retryAfter != "" {
			w.Header().Set("Retry-After", retryAfter)
		}
		w.WriteHeader(status)
	}
}

// How many receivers and events there are. Each hanging receiver has more events than are sent to one endpoint at once, and all
// together have more than are ever sent at once.
const (
	hangingReceivers = 12
	hangingChanges   = 30
	goodReceivers    = 10
	goodRounds       = 5
)

// receivers has good receivers beside those that hang, fail and flood. The good ones must get their events while the others hang: see
// delayed.
func receivers(tb testing.TB, kind stores.Kind, o suite.Options) (result suite.Result) {
	tb.Helper()
	rounds := o.Times(1, 5)
	for range rounds {
		newCrowd(tb, kind).round(&result)
	}
	return result
}

func (c *crowd) round(result *suite.Result) {
	c.tb.Helper()
	defer c.dispatch(c.store.Webhooks())()
	delayed := 0
	for range goodRounds {
		if c.delayed() {
			delayed++
		}
	}
	if delayed > 0 {
		c.tb.Errorf("%d of %d times a good receiver got its event after a later request to a hanging one had ended", delayed, goodRounds)
	}
	c.outcomes() // also waits until requests that hang time out, so that a delivery to a good receiver that comes twice has come by then
	result.Runs += len(bad) + hangingReceivers
	result.Tally.Acknowledged += goodReceivers * goodRounds
	result.Tally.Operations += int(c.requests.Load())
	c.mu.Lock()
	defer c.mu.Unlock()
	for n, told := range c.good {
		for event, times := range told {
			if times > 1 {
				result.Tally.Doubled++
				c.tb.Errorf("good receiver %d got %s %d times, although it had never failed", n, event, times)
			}
		}
	}
}

// crowd has all receivers, good and bad, and the store with their endpoints.
type crowd struct {
	tb        testing.TB
	store     Store
	checkouts *checkout.Checkouts
	hooks     *webhook.Webhooks
	hangUp    func() // closes all connections, so that no request hangs any more
	requests  atomic.Int64
	endpoints map[string]webhook.Endpoint // the bad ones

	mu     sync.Mutex
	good   [goodReceivers]map[string]int // how often each good receiver got each event
	begun  int                           // how many requests the hanging receivers got; the requests are numbered from 0
	ended  int                           // one more than the greatest number of a request that has ended; 0 if none has
	change chan struct{}                 // closed at the next change of the fields above
}

func newCrowd(tb testing.TB, kind stores.Kind) *crowd {
	tb.Helper()
	c := &crowd{
		tb: tb, store: open(tb, stores.New(tb, kind)), endpoints: make(map[string]webhook.Endpoint), change: make(chan struct{}),
	}
	var err error
	if c.checkouts, err = checkout.New(c.store, checkout.Config{}); err != nil {
		tb.Fatal(err)
	}
	if c.hooks, err = webhook.New(c.checkouts, c.store.Webhooks(), c.config()); err != nil {
		tb.Fatal(err)
	}
	server, hangUp := receive(tb, c.serve)
	c.hangUp = hangUp
	for n := range hangingReceivers {
		c.endpoint(hanging(n), fmt.Sprintf("%s/hanging/%d", server, n))
	}
	for n := range goodReceivers {
		c.good[n] = make(map[string]int)
		c.endpoint(good(n), fmt.Sprintf("%s/good/%d", server, n))
	}
	for name := range bad {
		c.endpoints[name] = c.endpoint(checkout.Account{ID: name}, server+"/bad/"+strings.ReplaceAll(name, " ", "+"))
		c.pay(checkout.Account{ID: name})
	}
	for range hangingChanges {
		for n := range hangingReceivers {
			c.pay(hanging(n))
		}
	}
	return c
}

func hanging(n int) checkout.Account { return checkout.Account{ID: fmt.Sprintf("acct_hanging_%d", n)} }

func good(n int) checkout.Account { return checkout.Account{ID: fmt.Sprintf("acct_good_%d", n)} }

func (c *crowd) config() webhook.Config { return webhook.Config{AllowPrivate: true, Concurrency: 8} }

func (c *crowd) endpoint(a checkout.Account, url string) webhook.Endpoint {
	c.tb.Helper()
	e, err := c.hooks.Create(c.tb.Context(), a, webhook.EndpointParams{URL: url})
	if err != nil {
		c.tb.Fatal(err)
	}
	return e
}

// pay creates one event.
func (c *crowd) pay(a checkout.Account) {
	c.tb.Helper()
	s, _, err := c.checkouts.Create(c.tb.Context(), checkout.CreateParams{Account: a, Amount: 5000, Currency: "XOF", UserPhone: "+22507987654"})
	if err == nil {
		_, err = c.checkouts.Begin(c.tb.Context(), a, s.ID, "pay_1")
	}
	if err != nil {
		c.tb.Fatal(err)
	}
}

// dispatch runs a dispatcher over the store until stop is called.
func (c *crowd) dispatch(store webhook.Store) (stop func()) {
	c.tb.Helper()
	hooks, err := webhook.New(c.checkouts, store, c.config())
	if err != nil {
		c.tb.Fatal(err)
	}
	end := run(c.tb, hooks)
	return func() {
		c.hangUp()
		end()
	}
}

// serve is the handler of all receivers.
func (c *crowd) serve(w http.ResponseWriter, r *http.Request) {
	c.requests.Add(1)
	kind, which, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	switch kind {
	case "hanging":
		c.mu.Lock()
		number := c.begun
		c.begun++
		c.notify()
		c.mu.Unlock()
		hang(w, r)
		c.mu.Lock()
		c.ended = max(c.ended, number+1)
		c.notify()
		c.mu.Unlock()
	case "good":
		var n int
		fmt.Sscan(which, &n)
		io.Copy(io.Discard, r.Body)
		c.mu.Lock()
		c.good[n][r.Header.Get("Webhook-Id")]++
		c.notify()
		c.mu.Unlock()
	default:
		bad[strings.ReplaceAll(which, "+", " ")].answer(w, r)
	}
}

// notify wakes await. The caller holds mu.
func (c *crowd) notify() {
	close(c.change)
	c.change = make(chan struct{})
}

// await waits until a condition is true. It fails the test after two minutes.
func (c *crowd) await(what string, so func() bool) {
	c.tb.Helper()
	late := time.After(2 * time.Minute)
	for {
		c.mu.Lock()
		is, change := so(), c.change
		c.mu.Unlock()
		if is {
			return
		}
		select {
		case <-change:
		case <-late:
			c.tb.Fatalf("after two minutes: %s", what)
		}
	}
}

// delayed creates an event for each good receiver, and waits until all have got theirs. It reports true if a request to a hanging receiver
// ends meanwhile that began after these events. The dispatcher then sent to a hanging receiver first, and waited for it.
func (c *crowd) delayed() bool {
	c.tb.Helper()
	c.await("no hanging receiver was called", func() bool { return c.begun > 0 })
	var before [goodReceivers]int
	c.mu.Lock()
	for n := range before {
		before[n] = len(c.good[n])
	}
	c.mu.Unlock()
	for n := range goodReceivers {
		c.pay(good(n))
	}
	c.mu.Lock()
	begun := c.begun
	c.mu.Unlock()
	delayed := false
	c.await("a good receiver has not got its event", func() bool {
		if delayed = c.ended > begun; delayed {
			return true
		}
		for n := range before {
			if len(c.good[n]) == before[n] {
				return false
			}
		}
		return true
	})
	return delayed
}

// outcomes waits for the first attempt of each delivery to a bad receiver, and checks what the delivery recorded.
func (c *crowd) outcomes() {
	c.tb.Helper()
	for name, e := range c.endpoints {
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
			page, err := c.hooks.Deliveries(c.tb.Context(), checkout.Account{ID: name}, e.ID, "", 1)
			if err != nil {
				c.tb.Fatal(err)
			}
			if len(page.Deliveries) == 1 && len(page.Deliveries[0].Attempts) > 0 {
				got, want := page.Deliveries[0].Attempts[0], bad[name].want
				if got.StatusCode != want.StatusCode || got.Error != want.Error {
					c.tb.Errorf("%s: %+v, want %+v", name, got, want)
				}
				break
			}
			if time.Now().After(deadline) {
				c.tb.Errorf("%s: no attempt was recorded in a minute", name)
				break
			}
		}
	}
}

// oneByOne is a store with a bug: it hands out all deliveries of one endpoint before those of the next.
type oneByOne struct {
	webhook.Store
	accounts []checkout.Account
}

func (o oneByOne) Claim(ctx context.Context, now, until time.Time, limit, _ int, _ map[string]int) ([]webhook.Claim, error) {
	endpoints, err := o.Store.ListEndpoints(ctx, o.accounts)
	for n := 0; err == nil && n < len(endpoints); n++ {
		others := make(map[string]int)
		for _, e := range endpoints {
			if e.ID != endpoints[len(endpoints)-1-n].ID { // the oldest first
				others[e.ID] = limit
			}
		}
		claims, err := o.Store.Claim(ctx, now, until, limit, limit, others)
		if err != nil || len(claims) > 0 {
			return claims, err
		}
	}
	return nil, err
}
