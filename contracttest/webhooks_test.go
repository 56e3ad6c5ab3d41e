package contracttest_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/webhook"
)

// The IDs of an endpoint and of a delivery that do not exist.
var (
	noWebhook  = "we_" + strings.Repeat("0", 32)
	noDelivery = "wd_" + strings.Repeat("0", 32)
)

// registers makes every call for webhook endpoints: it creates, changes, tests and deletes endpoints, and sends what must be refused.
func registers(h *host) {
	create := func(url string) call {
		return call{operation: "createWebhook", body: fmt.Sprintf(`{"url": %q}`, url)}
	}
	got := h.expect("registers an endpoint", call{operation: "createWebhook", body: `{"url": "https://shop.example/hooks", "events": ["checkout.completed"], "description": "My shop"}`}, fits, 201, "")
	id := h.id(got)
	other := h.id(h.expect("registers an endpoint with every optional member null", call{operation: "createWebhook", body: `{"url": "https://shop.example/other", "events": null, "description": null}`}, fits, 201, ""))
	h.expect("lists endpoints", call{operation: "listWebhooks"}, fits, 200, "")
	h.expect("refuses a query for the list of endpoints", call{operation: "listWebhooks", query: "limit=1"}, unjudged, 400, "invalid_query")
	h.expect("retrieves an endpoint", call{operation: "getWebhook", id: id}, fits, 200, "")
	h.expect("changes an endpoint", call{operation: "updateWebhook", id: id, body: `{"events": ["checkout.failed", "checkout.expired"], "description": null, "status": "disabled"}`}, fits, 200, "")
	h.expect("changes nothing of an endpoint", call{operation: "updateWebhook", id: id, body: `{}`}, fits, 200, "")
	h.expect("activates an endpoint", call{operation: "updateWebhook", id: id, body: `{"status": "active", "events": null}`}, fits, 200, "")
	h.expect("rotates a secret", call{operation: "rotateWebhookSecret", id: id}, fits, 200, "")
	for range 2 {
		h.expect("tests an endpoint", call{operation: "testWebhook", id: id}, fits, 202, "")
	}
	got = h.expect("lists deliveries", call{operation: "listWebhookDeliveries", id: id, query: "limit=1"}, fits, 200, "")
	page := got.object(h.t)
	next, _ := page["next_cursor"].(string)
	got = h.expect("lists deliveries by cursor", call{operation: "listWebhookDeliveries", id: id, query: "cursor=" + next}, fits, 200, "")
	deliveries, _ := got.object(h.t)["deliveries"].([]any)
	if len(deliveries) != 1 {
		h.t.Fatalf("the second page has %d deliveries, want 1", len(deliveries))
	}
	delivery := text(deliveries[0].(map[string]any)["id"])
	h.expect("refuses a limit of 101 deliveries", call{operation: "listWebhookDeliveries", id: id, query: "limit=101"}, violates, 400, "invalid_query")
	h.expect("sends a delivery again", call{operation: "retryWebhookDelivery", id: id, delivery: delivery}, fits, 202, "")

	long := `{"url": "https://shop.example/a"}` + strings.Repeat(" ", 64<<10)
	for _, c := range []call{{operation: "createWebhook"}, {operation: "updateWebhook", id: id}} {
		refuse := func(name string, f fit, body string, status int, code string, header ...string) {
			c := c
			c.body, c.header = body, header
			h.expect(c.operation+" refuses "+name, c, f, status, code)
		}
		refuse("a URL without TLS", fits, `{"url": "http://shop.example"}`, 400, "validation_failed")
		refuse("a private address", fits, `{"url": "https://192.168.0.1/"}`, 400, "validation_failed")
		refuse("an empty url", violates, `{"url": ""}`, 400, "validation_failed")
		refuse("a long url", violates, `{"url": "https://shop.example/`+strings.Repeat("a", 2048)+`"}`, 400, "validation_failed")
		refuse("an unknown event type", violates, `{"url": "https://shop.example/a", "events": ["checkout.created"]}`, 400, "validation_failed")
		refuse("an event type given twice", violates, `{"url": "https://shop.example/a", "events": ["checkout.failed", "checkout.failed"]}`, 400, "validation_failed")
		refuse("a description that is a number", violates, `{"url": "https://shop.example/a", "description": 7}`, 400, "validation_failed")
		refuse("a long description", violates, `{"url": "https://shop.example/a", "description": "`+strings.Repeat("é", 201)+`"}`, 400, "validation_failed")
		refuse("an unknown member", violates, `{"url": "https://shop.example/a", "secret": "mine"}`, 400, "validation_failed")
		refuse("an array", violates, `[]`, 400, "invalid_json")
		refuse("a member given twice", unjudged, `{"url": "https://shop.example/a", "url": "https://shop.example/b"}`, 400, "invalid_json")
		refuse("the url of another endpoint", fits, `{"url": "https://shop.example/other"}`, 409, "endpoint_exists")
		refuse("a body that exceeds the limit", unjudged, long, 413, "payload_too_large")
		refuse("another media type", violates, `{"url": "https://shop.example/a"}`, 415, "unsupported_media_type", "Content-Type: text/plain")
	}
	for n := range webhook.MaxEndpoints - 2 {
		h.expect("registers an endpoint until the limit is reached", create(fmt.Sprintf("https://shop.example/%d", n)), fits, 201, "")
	}
	h.expect("refuses the seventeenth endpoint", create("https://shop.example/last"), fits, 409, "too_many_endpoints")

	h.expect("removes an endpoint", call{operation: "deleteWebhook", id: other}, fits, 204, "")
	h.expect("removes an endpoint again", call{operation: "deleteWebhook", id: other}, fits, 204, "")
	for _, operation := range []string{"getWebhook", "updateWebhook", "rotateWebhookSecret", "testWebhook", "listWebhookDeliveries"} {
		h.expect(operation+" does not find an unknown endpoint", call{operation: operation, id: noWebhook, body: bodyOf(operation)}, fits, 404, "not_found")
	}
	h.expect("does not find an unknown delivery", call{operation: "retryWebhookDelivery", id: id, delivery: noDelivery}, fits, 404, "not_found")
}

// failingHooks is the webhook.Store of a failingStore: every call fails in the same way.
type failingHooks struct{ failingStore }

var _ webhook.Store = failingHooks{}

func (s failingHooks) CreateEndpoint(context.Context, webhook.StoredEndpoint, int) error {
	return s.fail()
}

func (s failingHooks) GetEndpoint(context.Context, checkout.Account, string) (webhook.StoredEndpoint, error) {
	return webhook.StoredEndpoint{}, s.fail()
}

func (s failingHooks) ListEndpoints(context.Context, []checkout.Account) ([]webhook.StoredEndpoint, error) {
	return nil, s.fail()
}

func (s failingHooks) UpdateEndpoint(context.Context, webhook.StoredEndpoint) error { return s.fail() }

func (s failingHooks) DeleteEndpoint(context.Context, checkout.Account, string) error {
	return s.fail()
}

func (s failingHooks) Position(context.Context) (checkout.Cursor, error) { return "", s.fail() }

func (s failingHooks) Plan(context.Context, checkout.Cursor, checkout.Cursor, []webhook.StoredDelivery) error {
	return s.fail()
}

func (s failingHooks) AddDelivery(context.Context, webhook.StoredDelivery) error { return s.fail() }

func (s failingHooks) Claim(context.Context, time.Time, time.Time, int, int, map[string]int) ([]webhook.Claim, error) {
	return nil, s.fail()
}

func (s failingHooks) Settle(context.Context, []webhook.Settlement) error { return s.fail() }

func (s failingHooks) GetDelivery(context.Context, checkout.Account, string, string) (webhook.StoredDelivery, error) {
	return webhook.StoredDelivery{}, s.fail()
}

func (s failingHooks) ListDeliveries(context.Context, checkout.Account, string, string, int) ([]webhook.StoredDelivery, error) {
	return nil, s.fail()
}

func (s failingHooks) Requeue(context.Context, checkout.Account, string, string, time.Time) error {
	return s.fail()
}

func (s failingHooks) PruneDeliveries(context.Context, time.Time, int) (int, error) {
	return 0, s.fail()
}
