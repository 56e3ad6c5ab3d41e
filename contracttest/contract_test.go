package contracttest_test

import (
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/store/memory"
	"github.com/caisse/checkout/store/sqlite"
	"github.com/google/uuid"
)

var stores = map[string]func(t *testing.T) checkout.Store{
	"memory": func(*testing.T) checkout.Store { return memory.New() },
	"sqlite": func(t *testing.T) checkout.Store {
		store, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "checkouts.db"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { store.Close() })
		return store
	},
}

// The smallest valid bodies of a create, for mobile money and for a card.
const (
	mobileMoney = `{"amount": 5000, "currency": "XOF", "user_phone": "+22507987654"}`
	card        = `{"amount": 1000, "currency": "usd", "payment_method": "card", "success_url": "https://example.com/success", "cancel_url": "https://example.com/cancel"}`
)

// TestContract makes calls that lead to every answer that the document promises. Every judge checks every answer, and every request that
// is not unjudged. The test fails if no answer has kept one of the promises, so the document cannot promise more than the handler does.
func TestContract(t *testing.T) {
	d := loadDocument(t)
	for name, open := range inOrder(stores) {
		t.Run(name, func(t *testing.T) {
			kept := kept{}
			h := newHost(t, d, kept, open(t), nil)
			creates(h)
			replays(h)
			retrieves(h)
			waits(h)
			listsEvents(h)
			lists(h)
			cancels(h)
			registers(h)
			servesTheDocument(h)
			refusesOtherMethods(h)
			asksForCredentials(h)
			for name, failure := range inOrder(failures) {
				failure.inEveryOperation(newHost(t, d, kept, failure.store(open(t)), failure.auth), name)
			}
			for _, promise := range kept.broken(d.promises()) {
				t.Errorf("no answer kept the promise: %s", promise)
			}
		})
	}
}

func creates(h *host) {
	for name, body := range inOrder(h.document.createExamples(h.t)) {
		h.expect("creates the document's example "+name, call{operation: "createCheckout", body: body}, fits, 201, "")
	}
	accepted := map[string]call{
		"mobile money with every optional member null": {body: `{"amount": 100, "currency": "XOF", "user_phone": "+2250707987654", "payment_method": null,
			"success_url": null, "cancel_url": null, "description": null, "expires_in": null}`},
		"a card with every optional member null":          {body: withMember(card, `"user_phone": null, "description": null, "expires_in": null`)},
		"a card with every optional member":               {body: withMember(card, `"user_phone": "+221 77 123 45 67", "description": "Shoes", "expires_in": 86400`)},
		"a card currency in another letter case":          {body: strings.Replace(card, `"usd"`, `"eUr"`, 1)},
		"an amount that ends in .0":                       {body: strings.Replace(mobileMoney, "5000", "5000.0", 1)},
		"an amount with an exponent":                      {body: strings.Replace(mobileMoney, "5000", "5e3", 1)},
		"the largest amount":                              {body: strings.Replace(mobileMoney, "5000", "9007199254740991", 1)},
		"200 characters outside of Unicode's basic plane": {body: withMember(mobileMoney, `"description": "`+strings.Repeat("🧺", 200)+`"`)},
		"a description over two lines":                    {body: withMember(mobileMoney, `"description": "one\ntwo"`)},
		"an empty description":                            {body: withMember(mobileMoney, `"description": ""`)},
		"the shortest time to expiry":                     {body: withMember(mobileMoney, `"expires_in": 300`)},
		"URLs of mobile money":                            {body: withMember(mobileMoney, `"success_url": "https://example.com/a?b#c", "cancel_url": "HTTP://[2001:db8::1]:8080"`)},
		"a URL of 2048 characters":                        {body: withMember(mobileMoney, `"success_url": "https://example.com/`+strings.Repeat("a", 2048-20)+`"`)},
		"a reference and metadata":                        {body: withMember(mobileMoney, `"client_reference": "order 42", "metadata": {"size": "XL", "__proto__": "a"}`)},
		"labels that are null":                            {body: withMember(mobileMoney, `"client_reference": null, "metadata": null`)},
		"empty metadata":                                  {body: withMember(mobileMoney, `"metadata": {}`)},
		"separators in the phone":                         {body: strings.Replace(mobileMoney, "+22507987654", "+225 (07) 98-76.54", 1)},
		"a key in upper case":                             {header: []string{"Idempotency-Key: " + strings.ToUpper(uuid.NewString())}},
		"a quoted key":                                    {header: []string{`Idempotency-Key: "` + uuid.NewString() + `"`}},
		"a media type with parameters":                    {header: []string{"Content-Type: application/json; charset=utf-8"}},
		"the encoding identity":                           {header: []string{"Content-Encoding: identity"}},
		"a body without a declared length":                {chunked: true},
		"a request id":                                    {header: []string{"Request-Id: checkout-button-42"}},
		"another letter case of the scheme":               {header: []string{"Authorization: bEARER " + liveToken}},
		"a session in test mode":                          {header: []string{"Authorization: Bearer " + testToken}},
	}
	for name, c := range inOrder(accepted) {
		c.operation = "createCheckout"
		if c.body == "" {
			c.body = mobileMoney
		}
		h.expect("creates a session with "+name, c, fits, 201, "")
	}
	refuses(h)
}

func withMember(object, member string) string { return "{" + member + ", " + object[1:] }

func replays(h *host) {
	key := "Idempotency-Key: " + uuid.NewString()
	first := call{operation: "createCheckout", header: []string{key}, body: mobileMoney}
	h.expect("creates under a key", first, fits, 201, "")
	h.expect("replays the session for the same key", first, fits, 200, "")
	other := first
	other.body = card
	h.expect("refuses another request under the same key", other, fits, 422, "idempotency_key_reused")

	key = "Idempotency-Key: " + uuid.NewString()
	second := call{operation: "createCheckout", header: []string{key}, body: card}
	id := h.id(h.expect("creates a card session under a key", second, fits, 201, ""))
	h.complete(id)
	h.expect("replays a card session that has been completed", second, fits, 200, "")
}

// complete completes a session with the payment ORDER_123.
func (h *host) complete(id string) {
	h.t.Helper()
	if _, err := h.Complete(h.t.Context(), live, id, "ORDER_123"); err != nil {
		h.t.Fatal(err)
	}
}

// eachStatus makes one session of each status and returns their ids. It makes the one that expires first, and moves the clock past its
// expiry before it makes the others.
func (h *host) eachStatus() map[checkout.Status]string {
	h.t.Helper()
	ctx := h.t.Context()
	steps := map[checkout.Status]func(id string) error{
		checkout.StatusCreated:    func(string) error { return nil },
		checkout.StatusPending:    func(id string) error { _, err := h.Begin(ctx, live, id, "ORDER_123"); return err },
		checkout.StatusProcessing: func(id string) error { _, err := h.Process(ctx, live, id, ""); return err },
		checkout.StatusCompleted:  func(id string) error { _, err := h.Complete(ctx, live, id, "ORDER_123"); return err },
		checkout.StatusFailed:     func(id string) error { _, err := h.Fail(ctx, live, id, "", "insufficient funds"); return err },
		checkout.StatusCancelled:  func(id string) error { _, err := h.Cancel(ctx, live, id); return err },
	}
	ids := map[checkout.Status]string{}
	body := withMember(mobileMoney, `"expires_in": 300`)
	ids[checkout.StatusExpired] = h.id(h.expect("creates a session that will expire", call{operation: "createCheckout", body: body}, fits, 201, ""))
	h.clock.advance(5 * time.Minute)
	for status, step := range inOrder(steps) {
		id := h.id(h.expect(fmt.Sprintf("creates a session that will be %s", status), call{operation: "createCheckout", body: mobileMoney}, fits, 201, ""))
		if err := step(id); err != nil {
			h.t.Fatal(err)
		}
		ids[status] = id
	}
	return ids
}

func retrieves(h *host) {
	for status, id := range inOrder(h.eachStatus()) {
		got := h.expect(fmt.Sprintf("retrieves a session that is %s", status), call{operation: "getCheckout", id: id}, fits, 200, "")
		if text(got.object(h.t)["status"]) != string(status) {
			h.t.Errorf("a session that is %s has another status in the answer: %s", status, got.body)
		}
	}
	id := h.id(h.expect("creates a card session", call{operation: "createCheckout", body: card}, fits, 201, ""))
	h.expect("retrieves a card session", call{operation: "getCheckout", id: id}, fits, 200, "")
	h.complete(id)
	h.expect("retrieves a completed card session", call{operation: "getCheckout", id: id}, fits, 200, "")
	h.expect("does not find a session of the other mode",
		call{operation: "getCheckout", id: id, header: []string{"Authorization: Bearer " + testToken}}, fits, 404, "not_found")
	h.expect("does not find a malformed id", call{operation: "getCheckout", id: "cs_ci_123456789"}, fits, 404, "not_found")
}

func waits(h *host) {
	created := h.expect("creates a session to wait for", call{operation: "createCheckout", body: mobileMoney}, fits, 201, "")
	id, tag := h.id(created), created.header.Get("ETag")
	get := func(name string, status int, header ...string) http.Header {
		return h.expect(name, call{operation: "getCheckout", id: id, header: header}, fits, status, "").header
	}
	get("answers 304 for the current tag", 304, "If-None-Match: "+tag)
	get("answers 304 for any tag", 304, "If-None-Match: *")
	get("answers 304 for a strong tag in a list", 304, `If-None-Match: "other", `+strings.TrimPrefix(tag, "W/"))
	for _, waited := range []http.Header{
		get("applies a wait of a second, and answers the unchanged session", 200, "Prefer: wait=1"),
		get("applies a wait of a second for a change since the tag, and answers 304", 304, "Prefer: wait=1", "If-None-Match: "+tag),
	} {
		if applied := waited.Get("Preference-Applied"); applied != "wait=1" || waited.Get("ETag") != tag {
			h.t.Errorf("the answer after a wait of a second has Preference-Applied %q and the tag %s, want wait=1 and %s", applied, waited.Get("ETag"), tag)
		}
	}
	get("ignores another preference", 200, "Prefer: respond-async")
	h.complete(id)
	get("answers a session that has changed since the tag at once", 200, "Prefer: wait=60", "If-None-Match: "+tag)
}

func listsEvents(h *host) {
	for status, id := range inOrder(h.eachStatus()) {
		if status == checkout.StatusExpired {
			if _, err := h.ExpireDue(h.t.Context(), 100); err != nil {
				h.t.Fatal(err)
			}
		}
		got := h.expect(fmt.Sprintf("lists the events of a session that is %s", status), call{operation: "listCheckoutEvents", id: id}, fits, 200, "")
		if last := `"type":"checkout.` + string(status) + `"`; !strings.Contains(string(got.body), last) {
			h.t.Errorf("the answer has no %s: %s", last, got.body)
		}
	}
	h.expect("lists no events of a session that does not exist", call{operation: "listCheckoutEvents", id: "cs_ci_" + strings.Repeat("0", 32)}, fits, 404, "not_found")
}

func lists(h *host) {
	list := func(name, query string, f fit, status int, code string) answer {
		return h.expect(name, call{operation: "listCheckouts", query: query}, f, status, code)
	}
	list("lists all", "", fits, 200, "")
	list("lists a page", "limit=2&offset=1", fits, 200, "")
	list("lists the longest page", "limit=100", fits, 200, "")
	list("lists beyond the end", "offset=10000", fits, 200, "")
	for _, status := range checkout.Statuses() {
		got := list("lists the sessions that are "+string(status), "status="+string(status), fits, 200, "")
		if got.object(h.t)["total_count"] == 0.0 {
			h.t.Errorf("the list has no session that is %s", status)
		}
	}
	empty := h.expect("lists no failed session of test mode", call{operation: "listCheckouts", query: "status=failed",
		header: []string{"Authorization: Bearer " + testToken}}, fits, 200, "")
	if empty.object(h.t)["total_count"] != 0.0 {
		h.t.Errorf("test mode has failed sessions: %s", empty.body)
	}

	list("lists by client reference", "client_reference=order%2042&limit=1", fits, 200, "")
	list("lists by payment", "payment_id=ORDER_123", fits, 200, "")
	list("lists by phone", "user_phone=%2B225%2007%2098%2076%2054", fits, 200, "")
	list("lists the sessions of a day", "created_after=2026-11-22T00:00:00Z&created_before=2026-11-23T00:00:00%2B01:00", fits, 200, "")
	page := list("lists the first page", "limit=1", fits, 200, "")
	list("lists the next page by cursor", "limit=1&cursor="+url.QueryEscape(text(page.object(h.t)["next_cursor"])), fits, 200, "")

	list("refuses a cursor under another filter", "status=failed&cursor="+url.QueryEscape(text(page.object(h.t)["next_cursor"])), unjudged, 400, "invalid_query")
	list("refuses a malformed cursor", "cursor=abc", unjudged, 400, "invalid_query")
	list("refuses a cursor together with an offset", "offset=1&cursor="+url.QueryEscape(text(page.object(h.t)["next_cursor"])), unjudged, 400, "invalid_query")
	list("refuses an offset beyond 10,000", "offset=10001", violates, 400, "invalid_query")
	list("refuses a time without a zone", "created_after=2026-11-22T00:00:00", violates, 400, "invalid_query")
	list("refuses a period that ends before it begins", "created_after=2026-11-23T00:00:00Z&created_before=2026-11-22T00:00:00Z", unjudged, 400, "invalid_query")
	list("refuses a malformed phone", "user_phone=none", unjudged, 400, "invalid_query")
	list("refuses an unknown status", "status=paid", violates, 400, "invalid_query")
	list("refuses a limit of 0", "limit=0", violates, 400, "invalid_query")
	list("refuses a limit of 101", "limit=101", violates, 400, "invalid_query")
	list("refuses a limit that is not a number", "limit=ten", violates, 400, "invalid_query")
	list("refuses an offset below 0", "offset=-1", violates, 400, "invalid_query")
	list("refuses an empty parameter", "limit=", unjudged, 400, "invalid_query")
	list("refuses an unknown parameter", "page=2", unjudged, 400, "invalid_query")
	list("refuses a parameter given twice", "limit=1&limit=2", unjudged, 400, "invalid_query")
}

func cancels(h *host) {
	for status, id := range inOrder(h.eachStatus()) {
		c := call{operation: "cancelCheckout", id: id}
		switch status {
		case checkout.StatusCreated, checkout.StatusPending, checkout.StatusCancelled:
			h.expect(fmt.Sprintf("cancels a session that is %s", status), c, fits, 200, "")
		default:
			h.expect(fmt.Sprintf("does not cancel a session that is %s", status), c, fits, 409, "invalid_transition")
		}
	}
	id := h.id(h.expect("creates a card session", call{operation: "createCheckout", body: card}, fits, 201, ""))
	h.expect("cancels a card session", call{operation: "cancelCheckout", id: id}, fits, 200, "")
	h.expect("does not cancel a session that does not exist", call{operation: "cancelCheckout", id: "cs_ci_" + strings.Repeat("0", 32)}, fits, 404, "not_found")
}

func servesTheDocument(h *host) {
	got := h.expect("answers the document without credentials", call{operation: "getOpenAPI", header: []string{"Authorization:"}}, fits, 200, "")
	if string(got.body) != string(h.document.raw) {
		h.t.Error("the served document is not openapi.yaml")
	}
}

// refusesOtherMethods tries the methods that the document does not have, on each path. It does not try HEAD, because an answer to HEAD has
// no body to judge. An Allow header may name HEAD if the path has GET.
func refusesOtherMethods(h *host) {
	for id, op := range inOrder(h.document.operations) {
		item := h.document.model.Paths.Value(op.path)
		for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"} {
			if item.GetOperation(method) != nil {
				continue
			}
			got := h.expect(method+" is not a method of the path of "+id,
				call{operation: id, method: method, id: "any", header: []string{"Authorization:"}}, unjudged, 405, "method_not_allowed")
			for _, allowed := range strings.Split(got.header.Get("Allow"), ", ") {
				if item.GetOperation(allowed) == nil && (allowed != http.MethodHead || item.Get == nil) {
					h.t.Errorf("%s allows %s, which the document does not have", op.path, allowed)
				}
			}
		}
	}
}

func asksForCredentials(h *host) {
	for id, op := range inOrder(h.document.operations) {
		if op.spec.Security != nil && len(*op.spec.Security) == 0 {
			continue
		}
		c := call{operation: id, id: "any", body: bodyOf(id)}
		c.header = []string{"Authorization:"}
		h.expect(id+" refuses a call without credentials", c, violates, 401, "unauthorized")
		c.header = []string{"Authorization: Basic c2tfbGl2ZV8xOg=="}
		h.expect(id+" refuses credentials of another scheme", c, violates, 401, "unauthorized")
		c.header = []string{"Authorization: Bearer sk_live_unknown"}
		h.expect(id+" refuses an unknown token", c, fits, 401, "unauthorized")
	}
}

// bodyOf returns a body that the operation accepts, or "" if it takes none.
func bodyOf(operation string) string {
	switch operation {
	case "createCheckout":
		return mobileMoney
	case "createWebhook":
		return `{"url": "https://shop.example/any"}`
	case "updateWebhook":
		return `{"description": "any"}`
	}
	return ""
}
