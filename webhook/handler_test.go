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

// apiClient calls the handler with the token of one account.
type apiClient struct {
	t       *testing.T
	handler http.Handler
	token   string
}

// newAPIClient makes a handler over an empty store, and a client with the token "one". The token "test" is of the same account in test
// mode, and the token "two" is of another account.
func newAPIClient(t *testing.T) apiClient {
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
	return apiClient{t, handler, "one"}
}

// call sends a request. It returns the status, the members and the headers of the answer. headers has names and values, in turn.
func (client apiClient) call(method, path, body string, headers ...string) (int, map[string]any, http.Header) {
	client.t.Helper()
	r := httptest.NewRequestWithContext(client.t.Context(), method, path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+client.token)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	answer := httptest.NewRecorder()
	client.handler.ServeHTTP(answer, r)
	var members map[string]any
	if answer.Body.Len() > 0 {
		is.New(client.t).NoErr(json.Unmarshal(answer.Body.Bytes(), &members))
	}
	is.New(client.t).Equal(answer.Header().Get("Cache-Control"), "no-store")
	is.New(client.t).True(answer.Header().Get("Request-Id") != "")
	return answer.Code, members, answer.Header()
}

// TestHandlerServesAnEndpointsLife calls every route with success, from the creation of an endpoint to its deletion.
func TestHandlerServesAnEndpointsLife(t *testing.T) {
	is := is.New(t)
	client := newAPIClient(t)
	code, e, header := client.call("POST", "/v1/webhooks", `{"url": "https://shop.example/hooks", "events": ["checkout.completed"], "description": "My shop"}`)
	is.Equal(code, 201)
	id := e["id"].(string)
	is.True(strings.HasPrefix(id, "we_"))
	is.Equal(header.Get("Location"), "/v1/webhooks/"+id)
	secret := e["secret"].(string)
	is.True(strings.HasPrefix(secret, "whsec_"))
	is.Equal(e["status"], "active")
	is.Equal(e["disabled_reason"], nil)
	is.Equal(e["events"], []any{"checkout.completed"})
	endpoint := "/v1/webhooks/" + id

	code, e, _ = client.call("GET", endpoint, "")
	is.Equal(code, 200)
	_, shown := e["secret"]
	is.True(!shown)
	code, e, _ = client.call("GET", "/v1/webhooks", "")
	is.Equal(code, 200)
	is.Equal(len(e["webhooks"].([]any)), 1)
	is.True(!strings.Contains(fmt.Sprint(e), "whsec_"))

	code, e, _ = client.call("PATCH", endpoint, `{"status": "disabled", "events": null, "description": null}`)
	is.Equal(code, 200)
	is.Equal(e["status"], "disabled")
	is.Equal(e["disabled_reason"], "merchant")
	is.Equal(e["events"], nil)
	_, described := e["description"]
	is.True(!described)
	code, e, _ = client.call("PATCH", endpoint, `{"status": "active"}`)
	is.Equal(code, 200)
	is.Equal(e["disabled_reason"], nil)

	code, e, _ = client.call("POST", endpoint+"/rotate", "")
	is.Equal(code, 200)
	is.True(e["secret"] != secret && strings.HasPrefix(e["secret"].(string), "whsec_"))
	code, _, _ = client.call("POST", endpoint+"/test", "")
	is.Equal(code, 202)
	code, e, _ = client.call("GET", endpoint+"/deliveries", "")
	is.Equal(code, 200)
	is.Equal(e["has_more"], false)
	is.Equal(e["next_cursor"], nil)
	d := e["deliveries"].([]any)[0].(map[string]any)
	is.Equal(d["event_type"], "checkout.test")
	is.Equal(d["state"], "pending")
	is.Equal(d["attempts"], []any{})
	is.True(d["next_attempt_at"] != nil)
	code, _, _ = client.call("POST", endpoint+"/deliveries/"+d["id"].(string)+"/retry", "")
	is.Equal(code, 202)
	code, _, _ = client.call("HEAD", endpoint, "")
	is.Equal(code, 200)

	for range 2 {
		code, _, _ = client.call("DELETE", endpoint, "")
		is.Equal(code, 204)
	}
	code, e, _ = client.call("GET", endpoint, "")
	is.Equal(code, 404)
	is.Equal(e["code"], "not_found")
}

// TestHandlerRefuses checks the status and the problem of every kind of bad request.
func TestHandlerRefuses(t *testing.T) {
	client := newAPIClient(t)
	_, e, _ := client.call("POST", "/v1/webhooks", `{"url": "https://shop.example/hooks"}`)
	endpoint := "/v1/webhooks/" + e["id"].(string)
	unknown := "/v1/webhooks/we_0193f0c2a7b47c5e9d3a1b2c3d4e5f60"
	long := `"https://shop.example/` + strings.Repeat("x", 2048) + `"`
	for _, test := range []struct {
		name, method, path, body string
		headers                  []string
		status                   int
		code                     string
		faults                   string // pointers and codes of all faults
	}{
		{"a wrong token", "GET", "/v1/webhooks", "", []string{"Authorization", "Bearer wrong"}, 401, "unauthorized", ""},
		{"an unknown path", "GET", "/v1/webhooks/", "", nil, 404, "not_found", ""},
		{"an unknown path below an endpoint", "GET", endpoint + "/secret", "", nil, 404, "not_found", ""},
		{"a method that the path does not have", "PUT", endpoint, "", nil, 405, "method_not_allowed", ""},
		{"a media type other than JSON", "POST", "/v1/webhooks", "{}", []string{"Content-Type", "text/plain"}, 415, "unsupported_media_type", ""},
		{"a compressed body", "POST", "/v1/webhooks", "{}", []string{"Content-Encoding", "gzip"}, 415, "unsupported_media_type", ""},
		{"a body that is too long", "POST", "/v1/webhooks", `{"description": "` + strings.Repeat("x", 70_000) + `"}`, nil, 413, "payload_too_large", ""},
		{"a body that is not JSON", "POST", "/v1/webhooks", "{", nil, 400, "invalid_json", ""},
		{"a member twice", "POST", "/v1/webhooks", `{"url": "https://a.example", "url": "https://b.example"}`, nil, 400, "invalid_json", ""},
		{"a missing url", "POST", "/v1/webhooks", `{}`, nil, 400, "validation_failed", "#/url missing"},
		{"a url without https", "POST", "/v1/webhooks", `{"url": "http://shop.example"}`, nil, 400, "validation_failed", "#/url unsupported"},
		{"a url with user information", "POST", "/v1/webhooks", `{"url": "https://me:secret@shop.example"}`, nil, 400, "validation_failed", "#/url malformed"},
		{"a url with a private address", "POST", "/v1/webhooks", `{"url": "https://10.0.0.1/"}`, nil, 400, "validation_failed", "#/url unsupported"},
		{"a url with a loopback address mapped to IPv6", "POST", "/v1/webhooks", `{"url": "https://[::ffff:127.0.0.1]/"}`, nil, 400, "validation_failed", "#/url unsupported"},
		{"a url with localhost as host", "POST", "/v1/webhooks", `{"url": "https://localhost./"}`, nil, 400, "validation_failed", "#/url unsupported"},
		{"a url that is too long", "POST", "/v1/webhooks", `{"url": ` + long + `}`, nil, 400, "validation_failed", "#/url too_long"},
		{"a url that is not a URL", "POST", "/v1/webhooks", `{"url": "shop"}`, nil, 400, "validation_failed", "#/url malformed"},
		{"a url that is a number", "POST", "/v1/webhooks", `{"url": 7}`, nil, 400, "validation_failed", "#/url wrong_type"},
		{"an unknown event type", "POST", "/v1/webhooks", `{"url": "https://a.example", "events": ["checkout.completed", "checkout.failed", "checkout.created"]}`, nil, 400, "validation_failed", "#/events/2 unsupported"},
		{"an event type twice", "POST", "/v1/webhooks", `{"url": "https://a.example", "events": ["checkout.failed", "checkout.failed"]}`, nil, 400, "validation_failed", "#/events/1 malformed"},
		{"an empty list of event types", "POST", "/v1/webhooks", `{"url": "https://a.example", "events": []}`, nil, 400, "validation_failed", "#/events out_of_range"},
		{"an event type that is a number", "POST", "/v1/webhooks", `{"url": "https://a.example", "events": [7]}`, nil, 400, "validation_failed", "#/events/0 wrong_type"},
		{"a description that is too long", "POST", "/v1/webhooks", `{"url": "https://a.example", "description": "` + strings.Repeat("é", 201) + `"}`, nil, 400, "validation_failed", "#/description too_long"},
		{"an unknown member", "POST", "/v1/webhooks", `{"url": "https://a.example", "secret": "mine"}`, nil, 400, "validation_failed", "#/secret unknown_field"},
		{"a status at creation", "POST", "/v1/webhooks", `{"url": "https://a.example", "status": "active"}`, nil, 400, "validation_failed", "#/status unknown_field"},
		{"an unknown status", "PATCH", endpoint, `{"status": "off"}`, nil, 400, "validation_failed", "#/status unsupported"},
		{"a request with several faults", "POST", "/v1/webhooks", `{"url": 7, "events": [7], "secret": "mine", "description": ` + long + `}`, nil, 400, "validation_failed",
			"#/url wrong_type, #/events/0 wrong_type, #/secret unknown_field, #/description too_long"},
		{"a change with several faults", "PATCH", endpoint, `{"events": 7, "url": "http://a.example", "status": "off"}`, nil, 400, "validation_failed",
			"#/events wrong_type, #/url unsupported, #/status unsupported"},
		{"a wrong change of an unknown endpoint", "PATCH", unknown, `{"status": "off"}`, nil, 404, "not_found", ""},
		{"a change of an unknown endpoint with a number as url", "PATCH", unknown, `{"url": 7}`, nil, 404, "not_found", ""},
		{"a url that is null", "PATCH", endpoint, `{"url": null}`, nil, 400, "validation_failed", "#/url wrong_type"},
		{"the url of another endpoint", "POST", "/v1/webhooks", `{"url": "https://shop.example/hooks"}`, nil, 409, "endpoint_exists", ""},
		{"an unknown parameter", "GET", "/v1/webhooks?limit=1", "", nil, 400, "invalid_query", ""},
		{"a limit of 0", "GET", endpoint + "/deliveries?limit=0", "", nil, 400, "invalid_query", ""},
		{"an invalid cursor", "GET", endpoint + "/deliveries?cursor=wd_7", "", nil, 400, "invalid_query", ""},
		{"a parameter twice", "GET", endpoint + "/deliveries?limit=1&limit=1", "", nil, 400, "invalid_query", ""},
		{"a change of an unknown endpoint", "PATCH", unknown, `{}`, nil, 404, "not_found", ""},
		{"a rotation of an unknown endpoint", "POST", unknown + "/rotate", "", nil, 404, "not_found", ""},
		{"a test of an unknown endpoint", "POST", unknown + "/test", "", nil, 404, "not_found", ""},
		{"the deliveries of an unknown endpoint", "GET", unknown + "/deliveries", "", nil, 404, "not_found", ""},
		{"a retry of an unknown delivery", "POST", endpoint + "/deliveries/wd_0193f0c2a7b47c5e9d3a1b2c3d4e5f60/retry", "", nil, 404, "not_found", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			is := is.New(t)
			code, p, header := client.call(test.method, test.path, test.body, test.headers...)
			is.Equal(code, test.status)
			is.Equal(p["code"], test.code)
			is.Equal(header.Get("Content-Type"), "application/problem+json")
			is.Equal(p["request_id"], header.Get("Request-Id"))
			if test.faults != "" {
				var faults []string
				for _, e := range p["errors"].([]any) {
					fault := e.(map[string]any)
					faults = append(faults, fmt.Sprint(fault["pointer"], " ", fault["code"]))
				}
				is.Equal(strings.Join(faults, ", "), test.faults)
			}
			if code == 405 {
				is.Equal(header.Get("Allow"), "GET, HEAD, PATCH, DELETE")
			}
		})
	}
	t.Run("a request if the host's authenticator panics", func(t *testing.T) {
		is := is.New(t)
		sessions := memory.New()
		checkouts, err := checkout.New(sessions, checkout.Config{})
		is.NoErr(err)
		hooks, err := webhook.New(checkouts, sessions.Webhooks(), webhook.Config{})
		is.NoErr(err)
		handler, err := webhook.NewHandler(hooks, checkout.AuthenticatorFunc(func(*http.Request) (checkout.Account, error) { panic("secret") }), webhook.HandlerConfig{})
		is.NoErr(err)
		code, p, _ := apiClient{t, handler, "one"}.call("GET", "/v1/webhooks", "")
		is.Equal(code, 500)
		is.Equal(p["code"], "internal")
		is.True(!strings.Contains(fmt.Sprint(p), "secret"))
	})
	t.Run("an endpoint beyond MaxEndpoints", func(t *testing.T) {
		is := is.New(t)
		for n := range webhook.MaxEndpoints {
			code, _, _ := client.call("POST", "/v1/webhooks", fmt.Sprintf(`{"url": "https://shop.example/%d"}`, n))
			is.Equal(code == 201, n < webhook.MaxEndpoints-1)
			if code != 201 {
				is.Equal(code, 409)
			}
		}
		client.token = "test" // the other mode has a limit of its own
		code, _, _ := client.call("POST", "/v1/webhooks", `{"url": "https://shop.example/hooks"}`)
		is.Equal(code, 201)
	})
	t.Run("an endpoint of another account or another mode", func(t *testing.T) {
		is := is.New(t)
		for _, client.token = range []string{"two", "test"} {
			for _, call := range []string{"GET ", "POST /rotate", "POST /test", "GET /deliveries"} {
				method, below, _ := strings.Cut(call, " ")
				code, _, _ := client.call(method, endpoint+below, "")
				is.Equal(code, 404)
			}
			code, _, _ := client.call("DELETE", endpoint, "")
			is.Equal(code, 204) // the same answer as for an endpoint that does not exist
		}
		client.token = "one"
		code, _, _ := client.call("GET", endpoint, "")
		is.Equal(code, 200)
	})
}
