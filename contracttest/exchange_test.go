package contracttest_test

import (
	"cmp"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/uuid"
)

const problemType = "application/problem+json"

// call is a request to an operation of the document. By default it has the live account's token and every header that the operation
// requires, and no body.
type call struct {
	operation string
	method    string   // "" is the operation's own
	id        string   // the session's or endpoint's ID, if the path has one
	delivery  string   // the delivery's ID, if the path has one
	query     string   // encoded, without "?"
	header    []string // "Name: value" replaces the default; the same name twice sends two headers; "Name:" removes the default
	body      string
	chunked   bool // send the body without a declared length
}

// request builds the request of the call. If documented is true, the request has the operation's method, even if the call has another
// one. So the judges find the operation.
func (c call) request(t *testing.T, d *document, base string, documented bool) *http.Request {
	t.Helper()
	op, ok := d.operations[c.operation]
	if !ok {
		t.Fatalf("the document has no operation %s", c.operation)
	}
	method := op.method
	if c.method != "" && !documented {
		method = c.method
	}
	id := c.id
	if id == "any" && strings.HasPrefix(op.path, "/v1/webhooks") {
		id = noWebhook
	}
	target := base + strings.Replace(op.path, "{id}", url.PathEscape(id), 1)
	target = strings.Replace(target, "{delivery}", cmp.Or(c.delivery, noDelivery), 1)
	if c.query != "" {
		target += "?" + c.query
	}
	var body io.Reader
	if c.body != "" {
		body = strings.NewReader(c.body)
		if c.chunked {
			body = io.MultiReader(body)
		}
	}
	r, err := http.NewRequestWithContext(t.Context(), method, target, body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+liveToken)
	switch c.operation {
	case "createCheckout":
		r.Header.Set("Idempotency-Key", uuid.NewString())
		fallthrough
	case "createWebhook", "updateWebhook":
		r.Header.Set("Content-Type", "application/json")
	}
	var own []string
	for _, h := range c.header {
		name, value, _ := strings.Cut(h, ":")
		if !slices.Contains(own, name) {
			own = append(own, name)
			r.Header.Del(name)
		}
		if value != "" {
			r.Header.Add(name, strings.TrimPrefix(value, " "))
		}
	}
	return r
}

// answer is an answer of the handler.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// object returns the body of the answer, which must be a JSON object.
func (a answer) object(t *testing.T) map[string]any {
	t.Helper()
	var object map[string]any
	if err := json.Unmarshal(a.body, &object); err != nil {
		t.Fatalf("%v in %q", err, a.body)
	}
	return object
}

func (a answer) mediaType() string {
	mediaType, _, _ := strings.Cut(a.header.Get("Content-Type"), ";")
	return mediaType
}

// keeps returns the promises of the document that the answer keeps, in the same words as document.promises.
func (a answer) keeps(t *testing.T, operation string) []string {
	t.Helper()
	prefix := operation + " " + strconv.Itoa(a.status)
	list := []string{prefix, prefix + " as " + a.mediaType()}
	for name := range a.header {
		list = append(list, prefix+" header "+name)
	}
	switch a.mediaType() {
	case problemType:
		problem := a.object(t)
		list = append(list, prefix+" code "+text(problem["code"]))
		faults, _ := problem["errors"].([]any)
		for _, fault := range faults {
			list = append(list, "fault "+text(fault.(map[string]any)["code"]))
		}
	case "application/json":
		session := a.object(t)
		if session["payment_method"] == nil {
			list = append(list, "mobile money session "+text(session["status"]))
		}
	}
	return list
}

func text(v any) string { s, _ := v.(string); return s }
