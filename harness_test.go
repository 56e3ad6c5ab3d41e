package checkout_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/idempotency"
	"github.com/caisse/checkout/internal/pgtest"
	"github.com/caisse/checkout/store/memory"
	"github.com/caisse/checkout/store/postgres"
	"github.com/caisse/checkout/store/sqlite"
	"github.com/google/uuid"
	"github.com/shopspring/decimal"
)

// eachStore runs the test once on each of the three stores, so that each store keeps the same contract.
func eachStore(t *testing.T, test func(t *testing.T, store checkout.Store)) {
	t.Helper()
	t.Run("memory", func(t *testing.T) { test(t, memory.New()) })
	t.Run("sqlite", func(t *testing.T) { test(t, openSQLite(t)) })
	t.Run("postgres", func(t *testing.T) { test(t, openPostgres(t)) })
}

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

func openPostgres(t *testing.T) *postgres.Store {
	t.Helper()
	store, err := postgres.Open(t.Context(), pgtest.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return store
}

func openSQLite(t *testing.T) *sqlite.Store {
	t.Helper()
	store, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "checkouts.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return store
}

// clock is a checkout.Clock that stands still until a test moves it.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 11, 22, 7, 31, 56, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Set(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = now
}

func (c *clock) Advance(d time.Duration) { c.Set(c.Now().Add(d)) }

// The bearer tokens of the accounts below, in the same order.
const (
	liveToken  = "sk_live_1"
	testToken  = "sk_test_1"
	otherToken = "sk_live_2"
)

// live and test are the two modes of one merchant's account; other is another merchant.
var (
	live  = checkout.Account{ID: "acct_1"}
	test  = checkout.Account{ID: "acct_1", Test: true}
	other = checkout.Account{ID: "acct_2"}
)

// api is a handler together with the Checkouts that it serves. A test can change a session by a Go call and then look at the HTTP
// answer, or the other way round.
type api struct {
	*checkout.Checkouts
	handler http.Handler
	clock   *clock
	t       *testing.T
}

func newAPI(t *testing.T, store checkout.Store) *api {
	t.Helper()
	return newAPIWith(t, store, checkout.Config{}, checkout.HandlerConfig{})
}

// newAPIWith makes an api that accepts the tokens above. If cfg has no clock, it gets one that stands still; if it has no fees, it gets
// the page's fee for XOF, 0.5 percent.
func newAPIWith(t *testing.T, store checkout.Store, cfg checkout.Config, handlerCfg checkout.HandlerConfig) *api {
	t.Helper()
	c := newClock()
	if cfg.Clock == nil {
		cfg.Clock = c
	}
	if cfg.Fees == nil {
		cfg.Fees = map[string]checkout.FeeSchedule{"XOF": {Rate: decimal.RequireFromString("0.005")}}
	}
	checkouts, err := checkout.New(store, cfg)
	if err != nil {
		t.Fatal(err)
	}
	auth, err := checkout.BearerTokens(map[string]checkout.Account{liveToken: live, testToken: test, otherToken: other})
	if err != nil {
		t.Fatal(err)
	}
	handler, err := checkout.NewHandler(checkouts, auth, handlerCfg)
	if err != nil {
		t.Fatal(err)
	}
	return &api{Checkouts: checkouts, handler: handler, clock: c, t: t}
}

// response is an HTTP answer. body is its decoded JSON object, or nil if the answer has none.
type response struct {
	status int
	header http.Header
	raw    string
	body   map[string]any
}

func (r response) code() string { s, _ := r.body["code"].(string); return s }
func (r response) id() string   { s, _ := r.body["id"].(string); return s }

// faults returns the entries of the problem's errors, each as "pointer code".
func (r response) faults() []string {
	var list []string
	entries, _ := r.body["errors"].([]any)
	for _, e := range entries {
		entry := e.(map[string]any)
		list = append(list, entry["pointer"].(string)+" "+entry["code"].(string))
	}
	return list
}

// do sends a request with the live account's token. A header is "Name: value". "Name:" removes the header that do would send, and a
// name that is given twice is sent on two lines.
func (a *api) do(method, path, body string, headers ...string) response {
	a.t.Helper()
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	r := httptest.NewRequest(method, path, reader)
	r.Header.Set("Authorization", "Bearer "+liveToken)
	given := map[string]bool{}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ":")
		if !given[name] {
			r.Header.Del(name)
		}
		given[name] = true
		if value != "" {
			r.Header.Add(name, strings.TrimPrefix(value, " "))
		}
	}
	return a.send(r)
}

// send passes a request to the handler and returns the answer. Each header of the answer must come once, in its canonical spelling.
func (a *api) send(r *http.Request) response {
	a.t.Helper()
	w := httptest.NewRecorder()
	a.handler.ServeHTTP(w, r)
	got := response{status: w.Code, header: w.Header(), raw: w.Body.String()}
	for name, values := range got.header {
		if len(values) != 1 || name != http.CanonicalHeaderKey(name) {
			a.t.Errorf("%s %s: want each header of the answer once and in canonical spelling, got %s: %q", r.Method, r.URL, name, values)
		}
	}
	if strings.Contains(w.Header().Get("Content-Type"), "json") && r.Method != http.MethodHead {
		if err := json.Unmarshal(w.Body.Bytes(), &got.body); err != nil {
			a.t.Fatalf("%s %s: %v in %q", r.Method, r.URL, err, got.raw)
		}
	}
	return got
}

// post sends a create request as JSON with a new idempotency key, unless the headers give another type or key.
func (a *api) post(body string, headers ...string) response {
	a.t.Helper()
	defaults := []string{"Content-Type: application/json", "Idempotency-Key: " + uuid.NewString()}
	var all []string
	for _, d := range defaults {
		name, _, _ := strings.Cut(d, ":")
		overridden := false
		for _, h := range headers {
			overridden = overridden || strings.HasPrefix(h, name+":")
		}
		if !overridden {
			all = append(all, d)
		}
	}
	return a.do(http.MethodPost, "/v1/checkouts", body, append(all, headers...)...)
}

func (a *api) get(path string, headers ...string) response {
	a.t.Helper()
	return a.do(http.MethodGet, path, "", headers...)
}

// The smallest valid request of each dialect.
const (
	mobileMoney = `{"amount": 5000, "currency": "XOF", "user_phone": "+22507987654"}`
	card        = `{"amount": 1000, "currency": "usd", "payment_method": "card", "success_url": "https://example.com/success", "cancel_url": "https://example.com/cancel"}`
)

// with returns the JSON object with some members changed. members has pairs of a name and a JSON text; the text "" removes the member.
func with(t *testing.T, object string, members ...string) string {
	t.Helper()
	var m map[string]json.RawMessage
	if err := json.Unmarshal([]byte(object), &m); err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(members); i += 2 {
		if members[i+1] == "" {
			delete(m, members[i])
		} else {
			m[members[i]] = json.RawMessage(members[i+1])
		}
	}
	body, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// mustCreate creates a session by a Go call, without HTTP.
func (a *api) mustCreate(account checkout.Account, key string) checkout.Session {
	a.t.Helper()
	s, _, err := a.Create(a.t.Context(), params(account, key))
	if err != nil {
		a.t.Fatal(err)
	}
	return s
}

// params are the parameters of mobileMoney for a Go call. If key is empty, the call has no idempotency key.
func params(account checkout.Account, key string) checkout.CreateParams {
	p := checkout.CreateParams{Account: account, Amount: 5000, Currency: "XOF", UserPhone: "+22507987654"}
	if key != "" {
		p.IdempotencyKey = idempotency.Key(key)
	}
	return p
}

// keyOf returns the nth idempotency key of a test.
func keyOf(n int) string { return fmt.Sprintf("0193f0c2-a7b4-4c5e-9d3a-%012x", n) }

// parallel calls f with 0 to n-1, from up to 128 goroutines at once. An error of f fails the test.
func parallel(t *testing.T, n int, f func(i int) error) {
	t.Helper()
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(n, 128) {
		wg.Go(func() {
			for i := int(next.Add(1)); i <= n; i = int(next.Add(1)) {
				if err := f(i - 1); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}
