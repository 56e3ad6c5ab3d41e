package webhook_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/matryer/is"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/store/memory"
	"github.com/caisse/checkout/webhook"
)

// wire is the handler, called as clients do.
type wire struct {
	t       *testing.T
	handler http.Handler
	token   string
}

func newWire(t *testing.T) wire {
	t.Helper()
	is := is.New(t)
	sessions := memory.New()
	checkouts, err := checkout.New(sessions, checkout.Config{})
	is.NoErr(err)
	hooks, err := webhook.New(checkouts, sessions.Webhooks(), webhook.Config{})
	is.NoErr(err)
	auth, err := checkout.BearerTokens(map[string]checkout.Account{"one": merchant, "test": {ID: "acct_1", Test: true}, "two": {ID: "acct_2"}})
	is.NoErr(err)
	handler, err := webhook.NewHandler(hooks, auth, webhook.HandlerConfig{})
	is.NoErr(err)
	return wire{t, handler, "one"}
}

// call returns the status and the members of the answer.
func (w wire) call(method, path, body string, headers ...string) (int, map[string]any, http.Header) {
	w.t.Helper()
	r := httptest.NewRequestWithContext(w.t.Context(), method, path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+w.token)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	answer := httptest.NewRecorder()
	w.handler.ServeHTTP(answer, r)
	var members map[string]any
	if answer.Body.Len() > 0 {
		is.New(w.t).NoErr(json.Unmarshal(answer.Body.Bytes(), &members))
	}
	is.New(w.t).Equal(answer.Header().Get("Cache-Control"), "no-store")
	is.New(w.t).True(answer.Header().Get("Request-Id") != "")
	return answer.Code, members, answer.Header()
}

func TestHandlerServesAnEndpointsLife(t *testing.T) {
	is := is.New(t)
	w := newWire(t)
	code, e, header := w.call("POST", "/v1/webhooks", `{"url": "https://shop.example/hooks", "events": ["checkout.completed"], "description": "My shop"}`)
	is.Equal(code, 201)
	id := e["id"].(string)
	is.True(strings.HasPrefix(id, "we_"))
	is.Equal(header.Get("Location"), "/v1/webhooks/"+id)
	secret := e["secret"].(string)
	is.True(strings.HasPrefix(secret, "whsec_"))
	is.Equal(e["status"], "active")
	is.Equal(e["disabled_reason"], nil)
	is.Equal(e["events"], []any{"checkout.completed"})
	one := "/v1/webhooks/" + id

	code, e, _ = w.call("GET", one, "")
	is.Equal(code, 200)
	_, shown := e["secret"]
	is.True(!shown)
	code, e, _ = w.call("GET", "/v1/webhooks", "")
	is.Equal(code, 200)
	is.Equal(len(e["webhooks"].([]any)), 1)
	is.True(!strings.Contains(fmt.Sprint(e), "whsec_"))

	code, e, _ = w.call("PATCH", one, `{"status": "disabled", "events": null, "description": null}`)
	is.Equal(code, 200)
	is.Equal(e["status"], "disabled")
	is.Equal(e["disabled_reason"], "merchant")
	is.Equal(e["events"], nil)
	_, described := e["description"]
	is.True(!described)
	code, e, _ = w.call("PATCH", one, `{"status": "active"}`)
	is.Equal(code, 200)
	is.Equal(e["disabled_reason"], nil)

	code, e, _ = w.call("POST", one+"/rotate", "")
	is.Equal(code, 200)
	is.True(e["secret"] != secret && strings.HasPrefix(e["secret"].(string), "whsec_"))
	code, _, _ = w.call("POST", one+"/test", "")
	is.Equal(code, 202)
	code, e, _ = w.call("GET", one+"/deliveries", "")
	is.Equal(code, 200)
	is.Equal(e["has_more"], false)
	is.Equal(e["next_cursor"], nil)
	d := e["deliveries"].([]any)[0].(map[string]any)
	is.Equal(d["event_type"], "checkout.test")
	is.Equal(d["state"], "pending")
	is.Equal(d["attempts"], []any{})
	is.True(d["next_attempt_at"] != nil)
	code, _, _ = w.call("POST", one+"/deliveries/"+d["id"].(string)+"/retry", "")
	is.Equal(code, 202)
	code, _, _ = w.call("HEAD", one, "")
	is.Equal(code, 200)

	for range 2 {
		code, _, _ = w.call("DELETE", one, "")
		is.Equal(code, 204)
	}
	code, e, _ = w.call("GET", one, "")
	is.Equal(code, 404)
	is.Equal(e["code"], "not_found")
}

func TestHandlerRefuses(t *testing.T) {
	w := newWire(t)
	_, e, _ := w.call("POST", "/v1/webhooks", `{"url": "https://shop.example/hooks"}`)
	one := "/v1/webhooks/" + e["id"].(string)
	none := "/v1/webhooks/we_0193f0c2a7b47c5e9d3a1b2c3d4e5f60"
	long := `"https://shop.example/` + strings.Repeat("x", 2048) + `"`
	for _, test := range []struct {
		name, method, path, body string
		headers                  []string
		status                   int
		code, pointer            string
	}{
		{"no credentials", "GET", "/v1/webhooks", "", []string{"Authorization", "Bearer wrong"}, 401, "unauthorized", ""},
		{"no such path", "GET", "/v1/webhooks/", "", nil, 404, "not_found", ""},
		{"no such path below", "GET", one + "/secret", "", nil, 404, "not_found", ""},
		{"another method", "PUT", one, "", nil, 405, "method_not_allowed", ""},
		{"another media type", "POST", "/v1/webhooks", "{}", []string{"Content-Type", "text/plain"}, 415, "unsupported_media_type", ""},
		{"an encoding", "POST", "/v1/webhooks", "{}", []string{"Content-Encoding", "gzip"}, 415, "unsupported_media_type", ""},
		{"too much", "POST", "/v1/webhooks", `{"description": "` + strings.Repeat("x", 70_000) + `"}`, nil, 413, "payload_too_large", ""},
		{"no JSON", "POST", "/v1/webhooks", "{", nil, 400, "invalid_json", ""},
		{"a member twice", "POST", "/v1/webhooks", `{"url": "https://a.example", "url": "https://b.example"}`, nil, 400, "invalid_json", ""},
		{"no url", "POST", "/v1/webhooks", `{}`, nil, 400, "validation_failed", "#/url missing"},
		{"no https", "POST", "/v1/webhooks", `{"url": "http://shop.example"}`, nil, 400, "validation_failed", "#/url unsupported"},
		{"user info", "POST", "/v1/webhooks", `{"url": "https://me:secret@shop.example"}`, nil, 400, "validation_failed", "#/url malformed"},
		{"a private address", "POST", "/v1/webhooks", `{"url": "https://10.0.0.1/"}`, nil, 400, "validation_failed", "#/url unsupported"},
		{"a mapped address", "POST", "/v1/webhooks", `{"url": "https://[::ffff:127.0.0.1]/"}`, nil, 400, "validation_failed", "#/url unsupported"},
		{"localhost", "POST", "/v1/webhooks", `{"url": "https://localhost./"}`, nil, 400, "validation_failed", "#/url unsupported"},
		{"a long url", "POST", "/v1/webhooks", `{"url": ` + long + `}`, nil, 400, "validation_failed", "#/url too_long"},
		{"no URL at all", "POST", "/v1/webhooks", `{"url": "shop"}`, nil, 400, "validation_failed", "#/url malformed"},
		{"a url of another type", "POST", "/v1/webhooks", `{"url": 7}`, nil, 400, "validation_failed", "#/url wrong_type"},
		{"no such type", "POST", "/v1/webhooks", `{"url": "https://a.example", "events": ["checkout.completed", "checkout.failed", "checkout.created"]}`, nil, 400, "validation_failed", "#/events/2 unsupported"},
		{"a type twice", "POST", "/v1/webhooks", `{"url": "https://a.example", "events": ["checkout.failed", "checkout.failed"]}`, nil, 400, "validation_failed", "#/events/1 malformed"},
		{"no types", "POST", "/v1/webhooks", `{"url": "https://a.example", "events": []}`, nil, 400, "validation_failed", "#/events out_of_range"},
		{"types that are none", "POST", "/v1/webhooks", `{"url": "https://a.example", "events": [7]}`, nil, 400, "validation_failed", "#/events/0 wrong_type"},
		{"a long description", "POST", "/v1/webhooks", `{"url": "https://a.example", "description": "` + strings.Repeat("é", 201) + `"}`, nil, 400, "validation_failed", "#/description too_long"},
		{"an unknown member", "POST", "/v1/webhooks", `{"url": "https://a.example", "secret": "mine"}`, nil, 400, "validation_failed", "#/secret unknown_field"},
		{"a status at creation", "POST", "/v1/webhooks", `{"url": "https://a.example", "status": "active"}`, nil, 400, "validation_failed", "#/status unknown_field"},
		{"a status that is none", "PATCH", one, `{"status": "off"}`, nil, 400, "validation_failed", "#/status unsupported"},
		{"null for a url", "PATCH", one, `{"url": null}`, nil, 400, "validation_failed", "#/url wrong_type"},
		{"a url again", "POST", "/v1/webhooks", `{"url": "https://shop.example/hooks"}`, nil, 409, "endpoint_exists", ""},
		{"a strange parameter", "GET", "/v1/webhooks?limit=1", "", nil, 400, "invalid_query", ""},
		{"a limit of none", "GET", one + "/deliveries?limit=0", "", nil, 400, "invalid_query", ""},
		{"a cursor that is none", "GET", one + "/deliveries?cursor=wd_7", "", nil, 400, "invalid_query", ""},
		{"a parameter twice", "GET", one + "/deliveries?limit=1&limit=1", "", nil, 400, "invalid_query", ""},
		{"none to change", "PATCH", none, `{}`, nil, 404, "not_found", ""},
		{"none to rotate", "POST", none + "/rotate", "", nil, 404, "not_found", ""},
		{"none to test", "POST", none + "/test", "", nil, 404, "not_found", ""},
		{"no deliveries of none", "GET", none + "/deliveries", "", nil, 404, "not_found", ""},
		{"no delivery to retry", "POST", one + "/deliveries/wd_0193f0c2a7b47c5e9d3a1b2c3d4e5f60/retry", "", nil, 404, "not_found", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			is := is.New(t)
			code, p, header := w.call(test.method, test.path, test.body, test.headers...)
			is.Equal(code, test.status)
			is.Equal(p["code"], test.code)
			is.Equal(header.Get("Content-Type"), "application/problem+json")
			is.Equal(p["request_id"], header.Get("Request-Id"))
			if test.pointer != "" {
				fault := p["errors"].([]any)[0].(map[string]any)
				is.Equal(fmt.Sprint(fault["pointer"], " ", fault["code"]), test.pointer)
			}
			if code == 405 {
				is.Equal(header.Get("Allow"), "GET, HEAD, PATCH, DELETE")
			}
		})
	}
	t.Run("a host whose authenticator panics", func(t *testing.T) {
		is := is.New(t)
		sessions := memory.New()
		checkouts, err := checkout.New(sessions, checkout.Config{})
		is.NoErr(err)
		hooks, err := webhook.New(checkouts, sessions.Webhooks(), webhook.Config{})
		is.NoErr(err)
		handler, err := webhook.NewHandler(hooks, checkout.AuthenticatorFunc(func(*http.Request) (checkout.Account, error) { panic("secret") }), webhook.HandlerConfig{})
		is.NoErr(err)
		code, p, _ := wire{t, handler, "one"}.call("GET", "/v1/webhooks", "")
		is.Equal(code, 500)
		is.Equal(p["code"], "internal")
		is.True(!strings.Contains(fmt.Sprint(p), "secret"))
	})
	t.Run("the seventeenth", func(t *testing.T) {
		is := is.New(t)
		for n := range webhook.MaxEndpoints {
			code, _, _ := w.call("POST", "/v1/webhooks", fmt.Sprintf(`{"url": "https://shop.example/%d"}`, n))
			is.Equal(code == 201, n < webhook.MaxEndpoints-1)
			if code != 201 {
				is.Equal(code, 409)
			}
		}
		w.token = "test" // another mode has its own
		code, _, _ := w.call("POST", "/v1/webhooks", `{"url": "https://shop.example/hooks"}`)
		is.Equal(code, 201)
	})
	t.Run("whose it is not", func(t *testing.T) {
		is := is.New(t)
		for _, w.token = range []string{"two", "test"} {
			for _, call := range []string{"GET ", "POST /rotate", "POST /test", "GET /deliveries"} {
				method, below, _ := strings.Cut(call, " ")
				code, _, _ := w.call(method, one+below, "")
				is.Equal(code, 404)
			}
			code, _, _ := w.call("DELETE", one, "")
			is.Equal(code, 204)
		}
		w.token = "one"
		code, _, _ := w.call("GET", one, "")
		is.Equal(code, 200)
	})
}
