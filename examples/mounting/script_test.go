package mounting_test

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/matryer/is"
)

// step is one request of the script, and the answer that it must get.
type step struct {
	name   string
	method string
	path   string // {location} stands for the Location of the last answer that had one
	body   string
	key    string              // Idempotency-Key
	edit   func(*http.Request) // changes the request before it is sent
	status int
	code   string            // the problem's code; "" is not checked
	header map[string]string // headers that the answer must have
}

const (
	firstKey   = "0193f0c2-a7b4-7c5e-9d3a-1b2c3d4e5f60"
	secondKey  = "0193f0c2-a7b4-7c5e-9d3a-1b2c3d4e5f61"
	validBody  = `{"amount": 5000, "currency": "XOF", "user_phone": "+22507987654"}`
	faultyBody = `{"amount": 5000, "currency": "XOF", "user_phone": "+22507987654", "description": %q}`
	unknownID  = "cs_ci_00000000000070008000000000000000"
)

// script has requests that clients send, and requests that routers often answer themselves. The steps share one store, so each step sees
// the sessions of the earlier steps.
var script = []step{
	{name: "creates a session", method: "POST", path: "/v1/checkouts", body: validBody, key: firstKey, status: 201},
	{name: "replays the session for the same key", method: "POST", path: "/v1/checkouts", body: validBody, key: firstKey,
		status: 200, header: map[string]string{"Idempotent-Replayed": "true"}},
	{name: "refuses another request under the key", method: "POST", path: "/v1/checkouts",
		body: strings.Replace(validBody, "5000", "6000", 1), key: firstKey, status: 422, code: "idempotency_key_reused"},

	{name: "follows the Location", method: "GET", path: "{location}", status: 200},
	{name: "answers HEAD for a session", method: "HEAD", path: "{location}", status: 200},
	{name: "answers HEAD for an unknown session", method: "HEAD", path: "/v1/checkouts/" + unknownID, status: 404,
		header: map[string]string{"Content-Type": "application/problem+json"}},
	{name: "does not find an unknown session", method: "GET", path: "/v1/checkouts/" + unknownID, status: 404, code: "not_found"},
	{name: "lists sessions", method: "GET", path: "/v1/checkouts?status=created&limit=1", status: 200},
	{name: "refuses an unknown query parameter", method: "GET", path: "/v1/checkouts?page=2", status: 400, code: "invalid_query"},
	{name: "cancels a session", method: "POST", path: "{location}/cancel", status: 200},
	{name: "cancels a cancelled session", method: "POST", path: "{location}/cancel", status: 200},
	{name: "serves the OpenAPI document without credentials", method: "GET", path: "/v1/openapi.yaml", status: 200,
		edit: withoutCredentials, header: map[string]string{"Content-Type": "application/yaml"}},

	{name: "refuses a request without credentials", method: "GET", path: "/v1/checkouts", status: 401, code: "unauthorized",
		edit: withoutCredentials, header: map[string]string{"WWW-Authenticate": "Bearer"}},
	{name: "refuses a create without a key", method: "POST", path: "/v1/checkouts", body: validBody, status: 400, code: "idempotency_key_missing"},
	{name: "refuses another media type", method: "POST", path: "/v1/checkouts", body: validBody, key: secondKey, status: 415, code: "unsupported_media_type",
		edit: func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }},
	{name: "refuses a body whose declared length is too large", method: "POST", path: "/v1/checkouts", body: tooLarge, key: secondKey,
		status: 413, code: "payload_too_large"},
	{name: "refuses a body of undeclared length that is too large", method: "POST", path: "/v1/checkouts", body: tooLarge, key: secondKey,
		status: 413, code: "payload_too_large", edit: func(r *http.Request) { r.ContentLength = -1 }},
	{name: "answers Retry-After while the store is down", method: "POST", path: "/v1/checkouts", body: fmt.Sprintf(faultyBody, storeDown), key: secondKey,
		status: 503, code: "unavailable", header: map[string]string{"Retry-After": "1"}},
	{name: "survives a panic of the store", method: "POST", path: "/v1/checkouts", body: fmt.Sprintf(faultyBody, storePanics), key: secondKey,
		status: 500, code: "internal"},
	{name: "makes a Request-Id", method: "GET", path: "/v1/nothing", status: 404, code: "not_found",
		edit: func(r *http.Request) { r.Header.Del("Request-Id") }},

	{name: "names the methods of the list", method: "DELETE", path: "/v1/checkouts", status: 405, code: "method_not_allowed",
		header: map[string]string{"Allow": "GET, HEAD, POST"}},
	{name: "names the methods of a session", method: "PATCH", path: "{location}", status: 405, code: "method_not_allowed",
		header: map[string]string{"Allow": "GET, HEAD"}},
	{name: "names the method of cancel", method: "HEAD", path: "{location}/cancel", status: 405, header: map[string]string{"Allow": "POST"}},
	{name: "refuses OPTIONS", method: "OPTIONS", path: "/v1/checkouts", status: 405, code: "method_not_allowed",
		header: map[string]string{"Allow": "GET, HEAD, POST"}},
	{name: "refuses an unknown method", method: "BREW", path: "/v1/checkouts", status: 405, code: "method_not_allowed",
		header: map[string]string{"Allow": "GET, HEAD, POST"}},

	{name: "does not find another path", method: "GET", path: "/v1/nothing", status: 404, code: "not_found"},
	{name: "does not find a path below cancel", method: "POST", path: "{location}/cancel/now", status: 404, code: "not_found"},
	{name: "does not find a trailing slash", method: "POST", path: "/v1/checkouts/", body: validBody, key: secondKey, status: 404, code: "not_found"},
	{name: "does not find a trailing slash after an id", method: "GET", path: "{location}/", status: 404, code: "not_found"},
	{name: "does not find another letter case", method: "GET", path: "/v1/Checkouts", status: 404, code: "not_found"},
	{name: "does not find a doubled slash", method: "POST", path: "/v1//checkouts", body: validBody, key: secondKey, status: 404, code: "not_found"},
	{name: "does not find a dot segment", method: "POST", path: "/v1/./checkouts", body: validBody, key: secondKey, status: 404, code: "not_found"},
	{name: "reads an escaped slash as part of the id", method: "POST", path: "/v1/checkouts/" + unknownID + "%2Fcancel",
		status: 405, code: "method_not_allowed", header: map[string]string{"Allow": "GET, HEAD"}},
	{name: "reads escaped letters", method: "GET", path: "/v1/%63heckouts?limit=1", status: 200},
}

var tooLarge = strings.Repeat(" ", 64<<10) + validBody

func withoutCredentials(r *http.Request) { r.Header.Del("Authorization") }

// client plays the script against one server.
type client struct {
	http     *http.Client
	base     *url.URL // with the prefix
	prefix   string   // the path under which the handler is mounted
	location string   // the Location of the last answer that had one
}

// play plays the script, with a sub-test for each step. It returns the answers as transcribe writes them. differs has the steps that the
// router answers itself: of these only the status is checked, and they are not in the transcript.
func (c *client) play(t *testing.T, differs map[string]int) map[string]string {
	t.Helper()
	transcript := make(map[string]string)
	for _, s := range script {
		t.Run(s.name, func(t *testing.T) {
			is := is.New(t)
			resp, body := c.send(t, s)
			if status, ok := differs[s.name]; ok {
				is.Equal(resp.StatusCode, status) // the status that the router is known to answer
				return
			}
			transcript[s.name] = c.transcribe(resp, body)

			is.Equal(resp.StatusCode, s.status)
			is.True(resp.Header.Get("Request-Id") != "")
			for name, value := range s.header {
				is.Equal(resp.Header.Get(name), value) // a header of the answer
			}
			if s.code != "" {
				is.Equal(resp.Header.Get("Content-Type"), "application/problem+json")
				is.True(bytes.Contains(body, fmt.Appendf(nil, `"code":%q`, s.code)))
				is.True(bytes.Contains(body, fmt.Appendf(nil, `"request_id":%q`, resp.Header.Get("Request-Id"))))
			}
			if s.method == http.MethodHead {
				is.Equal(len(body), 0)
				is.True(resp.ContentLength > 0) // the length of the body that GET answers
			}
			if location, err := resp.Location(); err == nil {
				is.Equal(location.Host, c.base.Host)
				c.location = location.String()
			}
		})
	}
	return transcript
}

func (c *client) send(t *testing.T, s step) (*http.Response, []byte) {
	t.Helper()
	is := is.New(t)
	target := c.base.String() + s.path
	if rest, ok := strings.CutPrefix(s.path, "{location}"); ok {
		is.True(c.location != "") // an earlier step must have got a Location
		target = c.location + rest
	}
	req, err := http.NewRequestWithContext(t.Context(), s.method, target, strings.NewReader(s.body))
	is.NoErr(err)
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Request-Id", "step-"+strings.ReplaceAll(s.name, " ", "-"))
	if s.body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if s.key != "" {
		req.Header.Set("Idempotency-Key", s.key)
	}
	if s.edit != nil {
		s.edit(req)
	}
	resp, err := c.http.Do(req)
	is.NoErr(err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	is.NoErr(err)
	return resp, body
}

var (
	sessionID = regexp.MustCompile(`cs_ci_[0-9a-f]{32}`)
	requestID = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)
)

// transcribe writes an answer as text, so that two equal answers have equal texts. It leaves out the headers of the connection, and
// replaces session IDs and request IDs, which differ between any two answers.
func (c *client) transcribe(resp *http.Response, body []byte) string {
	var b strings.Builder
	fmt.Fprintln(&b, resp.StatusCode)
	for _, name := range slices.Sorted(maps.Keys(resp.Header)) {
		if name == "Date" || name == "Connection" {
			continue
		}
		for _, value := range resp.Header.Values(name) {
			if name == "Location" {
				value = strings.TrimPrefix(value, c.prefix)
			}
			fmt.Fprintf(&b, "%s: %s\n", name, value)
		}
	}
	fmt.Fprintf(&b, "\n%s", body)
	return requestID.ReplaceAllString(sessionID.ReplaceAllString(b.String(), "{id}"), "{uuid}")
}
