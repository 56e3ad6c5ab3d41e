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

// clock is set by hand.
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

// fit says what the document has to say of a request before it is sent.
type fit int

const (
	// fits: every judge accepts the request, whatever the handler answers.
	fits fit = iota
	// breaks: both validators refuse the request.
	breaks
	// breaksWords: what a description says refuses it, and no schema.
	breaksWords
	// beyond: what is wrong with the request no schema can say, or a method is not in the document.
	beyond
)

// kept is which promises were kept so far.
type kept map[string]bool

// broken are the promises that nothing has kept.
func (k kept) broken(promises []string) []string {
	var list []string
	for _, p := range promises {
		if !k[p] {
			list = append(list, p)
		}
	}
	return list
}

// host is a handler that is mounted on a server, and judged.
type host struct {
	*checkout.Checkouts
	document *document
	clock    *clock
	url      string
	kept     kept
	t        *testing.T
}

// newHost mounts a handler over a store. A nil auth knows two tokens; k collects what is kept.
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

// hooksOf are the endpoints that a store has beside its sessions; those of a store that fails fail alike.
func hooksOf(store checkout.Store) webhook.Store {
	switch store := store.(type) {
	case failingStore:
		return failingHooks{store}
	case interface{ Webhooks() webhook.Store }:
		return store.Webhooks()
	}
	return memory.New().Webhooks()
}

// expect makes a call and fails unless the status and the problem's code are as told ("" is no problem), every judge
// says of the request what fit says, and every judge accepts the answer.
func (h *host) expect(name string, c call, f fit, status int, code string) (got answer) {
	h.t.Helper()
	if c.method != "" {
		f = beyond
	}
	h.t.Run(name, func(t *testing.T) {
		t.Helper()
		for _, j := range h.document.judges {
			_, words := j.(prose)
			switch err := j.request(c.request(t, h.document, h.url, true)); {
			case err != nil && (f == fits || f == breaksWords && !words):
				t.Errorf("%s refuses the request: %v", j.name(), err)
			case err == nil && (f == breaks && !words || f == breaksWords && words):
				t.Errorf("%s accepts the request", j.name())
			}
		}
		got = send(t, c.request(t, h.document, h.url, false))
		if got.status != status {
			t.Fatalf("answered %d, not %d: %s", got.status, status, got.body)
		}
		if status >= 400 {
			problem := got.object(t)
			if problem["code"] != code || problem["status"] != float64(status) {
				t.Errorf("answered %s, not %s", got.body, code)
			}
			if problem["request_id"] != got.header.Get("Request-Id") {
				t.Errorf("Request-Id is %s, in the problem %s", got.header.Get("Request-Id"), problem["request_id"])
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

// id is what a create answered.
func (h *host) id(a answer) string {
	h.t.Helper()
	id := text(a.object(h.t)["id"])
	if id == "" {
		h.t.Fatalf("no session in %s", a.body)
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

// inOrder walks a map by its keys.
func inOrder[K ~string, V any](m map[K]V) iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		for _, key := range slices.Sorted(maps.Keys(m)) {
			if !yield(key, m[key]) {
				return
			}
		}
	}
}
