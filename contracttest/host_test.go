package contracttest_test

import (
	"io"
	"iter"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/store/memory"
	"github.com/caisse/checkout/webhook"
)

const (
	liveToken = "sk_live_1"
	testToken = "sk_test_1"
)

var live = checkout.Account{ID: "acct_1"}

// clock does not move until a test advances it.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// fit says what the judges must find when they compare a request with the document. The handler's answer does not depend on it.
type fit int

const (
	// fits: every judge accepts the request.
	fits fit = iota
	// violates: both validators refuse the request.
	violates
	// violatesProse: only the judge prose refuses the request, because only a description forbids it.
	violatesProse
	// unjudged: the judges may find anything. The document cannot express the mistake, or does not have the method.
	unjudged
)

// kept has the promises that an answer has kept so far, see document.promises.
type kept map[string]bool

// broken returns the promises that no answer has kept.
func (k kept) broken(promises []string) []string {
	var list []string
	for _, p := range promises {
		if !k[p] {
			list = append(list, p)
		}
	}
	return list
}

// host is a server with the handlers for sessions and webhooks. Every exchange with it is judged.
type host struct {
	*checkout.Checkouts
	document *document
	clock    *clock
	url      string
	kept     kept
	t        *testing.T
}

// newHost starts a host over a store. A nil auth accepts liveToken and testToken. k collects the promises that answers keep.
func newHost(t *testing.T, d *document, k kept, store checkout.Store, auth checkout.Authenticator) *host {
	t.Helper()
	c := &clock{now: time.Date(2026, 11, 22, 7, 31, 56, 250417000, time.UTC)}
	checkouts, err := checkout.New(store, checkout.Config{Clock: c})
	if err != nil {
		t.Fatal(err)
	}
	if auth == nil {
		auth, err = checkout.BearerTokens(map[string]checkout.Account{liveToken: live, testToken: {ID: live.ID, Test: true}})
		if err != nil {
			t.Fatal(err)
		}
	}
	handler, err := checkout.NewHandler(checkouts, auth, checkout.HandlerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	hooks, err := webhook.New(checkouts, hooksOf(store), webhook.Config{Clock: c})
	if err != nil {
		t.Fatal(err)
	}
	webhooks, err := webhook.NewHandler(hooks, auth, webhook.HandlerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/", handler)
	mux.Handle("/v1/webhooks", webhooks)
	mux.Handle("/v1/webhooks/", webhooks)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return &host{checkouts, d, c, server.URL, k, t}
}

// hooksOf returns the webhook.Store that belongs to a store. The webhook.Store of a failing store fails in the same way.
func hooksOf(store checkout.Store) webhook.Store {
	switch store := store.(type) {
	case failingStore:
		return failingHooks{store}
	case interface{ Webhooks() webhook.Store }:
		return store.Webhooks()
	}
	return memory.New().Webhooks()
}

// expect makes a call, in a sub-test. It fails unless every judge finds what f says about the request, the answer has the status and
// the problem's code ("" if it is not a problem), and every judge accepts the answer.
func (h *host) expect(name string, c call, f fit, status int, code string) (got answer) {
	h.t.Helper()
	if c.method != "" {
		f = unjudged
	}
	h.t.Run(name, func(t *testing.T) {
		t.Helper()
		for _, j := range h.document.judges {
			_, words := j.(prose)
			switch err := j.request(c.request(t, h.document, h.url, true)); {
			case err != nil && (f == fits || f == violatesProse && !words):
				t.Errorf("%s refuses the request: %v", j.name(), err)
			case err == nil && (f == violates && !words || f == violatesProse && words):
				t.Errorf("%s accepts the request, but must refuse it", j.name())
			}
		}
		got = send(t, c.request(t, h.document, h.url, false))
		if got.status != status {
			t.Fatalf("the status is %d, want %d: %s", got.status, status, got.body)
		}
		if status >= 400 {
			problem := got.object(t)
			if problem["code"] != code || problem["status"] != float64(status) {
				t.Errorf("the problem is %s, want the code %s", got.body, code)
			}
			if problem["request_id"] != got.header.Get("Request-Id") {
				t.Errorf("the Request-Id is %s in the header and %s in the problem", got.header.Get("Request-Id"), problem["request_id"])
			}
		}
		for _, j := range h.document.judges {
			if err := j.answer(c.request(t, h.document, h.url, true), got); err != nil {
				t.Errorf("%s refuses the answer %d %v %s: %v", j.name(), got.status, got.header, got.body, err)
			}
		}
		for _, promise := range got.keeps(t, c.operation) {
			h.kept[promise] = true
		}
	})
	return got
}

// id returns the ID of the session or endpoint in an answer.
func (h *host) id(a answer) string {
	h.t.Helper()
	id := text(a.object(h.t)["id"])
	if id == "" {
		h.t.Fatalf("the answer has no id: %s", a.body)
	}
	return id
}

func send(t *testing.T, r *http.Request) answer {
	t.Helper()
	response, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{response.StatusCode, response.Header, body}
}

// inOrder iterates over a map in the order of its keys.
func inOrder[K ~string, V any](m map[K]V) iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		for _, key := range slices.Sorted(maps.Keys(m)) {
			if !yield(key, m[key]) {
				return
			}
		}
	}
}
