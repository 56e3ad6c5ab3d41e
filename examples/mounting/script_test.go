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

// step is one request of the script and what must come back.
type step struct {
	name   string
	method string
	path   string // {location} is the Location of the first create
	body   string
	key    string // Idempotency-Key
	edit   func(*http.Request)
	status int
	code   string            // of the problem; "" where none is expected
	header map[string]string // beside others
}

const (
	firstKey   = "0193f0c2-a7b4-7c5e-9d3a-1b2c3d4e5f60"
	secondKey  = "0193f0c2-a7b4-7c5e-9d3a-1b2c3d4e5f61"
	validBody  = `{"amount": 5000, "currency": "XOF", "user_phone": "+22507987654"}`
	faultyBody = `{"amount": 5000, "currency": "XOF", "user_phone": "+22507987654", "description": %q}`
	strangerID = "cs_ci_00000000000070008000000000000000"
)

// script is what a client may do, and what routers like to answer themselves. Each step sees what those before it left.
var script = []step{
	{name: "creates a session", method: "POST", path: "/v1/checkouts", body: validBody, key: firstKey, status: 201},
	{name: "finds it again under the same key", method: "POST", path: "/v1/checkouts", body: validBody, key: firstKey,
		status: 200, header: map[string]string{"Idempotent-Replayed": "true"}},
	{name: "refuses another request under the key", method: "POST", path: "/v1/checkouts",
		body: strings.Replace(validBody, "5000", "6000", 1), key: firstKey, status: 422, code: "idempotency_key_reused"},

	{name: "follows the Location", method: "GET", path: "{location}", status: 200},
	{name: "answers HEAD for a session", method: "HEAD", path: "{location}", status: 200},
	{name: "answers HEAD for a session that is not there", method: "HEAD", path: "/v1/checkouts/" + strangerID, status: 404,
		header: map[string]string{"Content-Type": "application/problem+json"}},
	{name: "knows no session of a stranger", method: "GET", path: "/v1/checkouts/" + strangerID, status: 404, code: "not_found"},
	{name: "lists", method: "GET", path: "/v1/checkouts?status=created&limit=1", status: 200},
	{name: "refuses a query", method: "GET", path: "/v1/checkouts?page=2", status: 400, code: "invalid_query"},
	{name: "cancels", method: "POST", path: "{location}/cancel", status: 200},
	{name: "cancels once more", method: "POST", path: "{location}/cancel", status: 200},
	{name: "serves the OpenAPI document to anybody", method: "GET", path: "/v1/openapi.yaml", status: 200,
		edit: withoutCredentials, header: map[string]string{"Content-Type": "application/yaml"}},

	{name: "wants credentials", method: "GET", path: "/v1/checkouts", status: 401, code: "unauthorized",
		edit: withoutCredentials, header: map[string]string{"WWW-Authenticate": "Bearer"}},
	{name: "wants a key", method: "POST", path: "/v1/checkouts", body: validBody, status: 400, code: "idempotency_key_missing"},
	{name: "wants JSON", method: "POST", path: "/v1/checkouts", body: validBody, key: secondKey, status: 415, code: "unsupported_media_type",
		edit: func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }},
	{name: "refuses a body that says it is too large", method: "POST", path: "/v1/checkouts", body: tooLarge, key: secondKey,
		status: 413, code: "payload_too_large"},
	{name: "refuses a body that turns out too large", method: "POST", path: "/v1/checkouts", body: tooLarge, key: secondKey,
		status: 413, code: "payload_too_large", edit: func(r *http.Request) { r.ContentLength = -1 }},
	{name: "says when to come back", method: "POST", path: "/v1/checkouts", body: fmt.Sprintf(faultyBody, storeDown), key: secondKey,
		status: 503, code: "unavailable", header: map[string]string{"Retry-After": "1"}},
	{name: "survives a panic of the store", method: "POST", path: "/v1/checkouts", body: fmt.Sprintf(faultyBody, storePanics), key: secondKey,
		status: 500, code: "internal"},
	{name: "makes a Request-Id", method: "GET", path: "/v1/nothing", status: 404, code: "not_found",
		edit: func(r *http.Request) { r.Header.Del("Request-Id") }},

	{name: "allows what the collection does", method: "DELETE", path: "/v1/checkouts", status: 405, code: "method_not_allowed",
		header: map[string]string{"Allow": "GET, HEAD, POST"}},
	{name: "allows what a session does", method: "PATCH", path: "{location}", status: 405, code: "method_not_allowed",
		header: map[string]string{"Allow": "GET, HEAD"}},
	{name: "allows what cancel does", method: "HEAD", path: "{location}/cancel", status: 405, header: map[string]string{"Allow": "POST"}},
	{name: "leaves OPTIONS to the host", method: "OPTIONS", path: "/v1/checkouts", status: 405, code: "method_not_allowed",
		header: map[string]string{"Allow": "GET, HEAD, POST"}},
	{name: "allows no method of its own making", method: "BREW", path: "/v1/checkouts", status: 405, code: "method_not_allowed",
		header: map[string]string{"Allow": "GET, HEAD, POST"}},

	{name: "has nothing at another path", method: "GET", path: "/v1/nothing", status: 404, code: "not_found"},
	{name: "has nothing below a session", method: "POST", path: "{location}/cancel/now", status: 404, code: "not_found"},
	{name: "takes no trailing slash", method: "POST", path: "/v1/checkouts/", body: validBody, key: secondKey, status: 404, code: "not_found"},
	{name: "takes no trailing slash after an id", method: "GET", path: "{location}/", status: 404, code: "not_found"},
	{name: "takes no other letter case", method: "GET", path: "/v1/Checkouts", status: 404, code: "not_found"},
	{name: "takes no doubled slash", method: "POST", path: "/v1//checkouts", body: validBody, key: secondKey, status: 404, code: "not_found"},
	{name: "takes no dot segment", method: "POST", path: "/v1/./checkouts", body: validBody, key: secondKey, status: 404, code: "not_found"},
	{name: "does not take an escaped slash for a slash", method: "POST", path: "/v1/checkouts/" + strangerID + "%2Fcancel",
		status: 405, code: "method_not_allowed", header: map[string]string{"Allow": "GET, HEAD"}},
	{name: "reads escaped letters", method: "GET", path: "/v1/%63heckouts?limit=1", status: 200},
}

var tooLarge = strings.Repeat(" ", 64<<10) + validBody

func withoutCredentials(r *http.Request) { r.Header.Del("Authorization") }

// client plays the script against one server.
type client struct {
	http     *http.Client
	base     *url.URL // with the prefix of the mounting
	prefix   string
	location string
}

// play returns what each step got, in a form that is the same for the same answer. differs tells the statuses that this
// mounting is known to answer otherwise.
func (c *client) play(t *testing.T, differs map[string]int) map[string]string {
	t.Helper()
	transcript := make(map[string]string)
	for _, s := range script {
		t.Run(s.name, func(t *testing.T) {
			is := is.New(t)
			resp, body := c.send(t, s)
			if status, ok := differs[s.name]; ok {
				is.Equal(resp.StatusCode, status) // known to differ
				return
			}
			transcript[s.name] = c.transcribe(resp, body)

			is.Equal(resp.StatusCode, s.status)
			is.True(resp.Header.Get("Request-Id") != "")
			for name, value := range s.header {
				is.Equal(resp.Header.Get(name), value) // header
			}
			if s.code != "" {
				is.Equal(resp.Header.Get("Content-Type"), "application/problem+json")
				is.True(bytes.Contains(body, fmt.Appendf(nil, `"code":%q`, s.code)))
				is.True(bytes.Contains(body, fmt.Appendf(nil, `"request_id":%q`, resp.Header.Get("Request-Id"))))
			}
			if s.method == http.MethodHead {
				is.Equal(len(body), 0)
				is.True(resp.ContentLength > 0) // tells the length of what GET answers
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
		is.True(c.location != "") // an earlier step got a Location
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

// transcribe writes an answer down whole but for what no two answers share and what is the connection's own.
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
