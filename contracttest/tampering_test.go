package contracttest_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/caisse/checkout/store/memory"
	"github.com/google/uuid"
	"github.com/matryer/is"
)

// The tests of this file are controls: they show that the judges can refuse an answer. Each takes an answer that all judges accept,
// changes one thing, and fails if the judges still accept it.

// tampering changes one thing in an answer.
type tampering struct {
	of     string // the name of the answer, see genuine
	change func(a *answer, body map[string]any)
	only   string // the one judge that must refuse the change; "" is both validators
}

var tamperings = map[string]tampering{
	"a status that is not documented":                   {of: "created", change: func(a *answer, _ map[string]any) { a.status = 202 }},
	"a problem with the status of a success":            {of: "refused", change: func(a *answer, _ map[string]any) { a.status = 201 }},
	"a problem answered with the status of another one": {of: "refused", change: func(a *answer, _ map[string]any) { a.status = 422 }, only: "prose"},
	"another media type":                                {of: "created", change: header("Content-Type", "text/html")},
	"a problem as plain JSON":                           {of: "refused", change: header("Content-Type", "application/json")},
	"no Request-Id":                                     {of: "created", change: header("Request-Id", "")},
	"a Request-Id with a space":                         {of: "created", change: header("Request-Id", "a b")},
	"a Cache-Control that lets caches store":            {of: "created", change: header("Cache-Control", "max-age=60")},
	"no Location":                                       {of: "created", change: header("Location", "")},
	"a Location of something else":                      {of: "created", change: header("Location", "/v1/sessions/1")},
	"a replay that does not say so":                     {of: "replayed", change: header("Idempotent-Replayed", "")},
	"a replay that says no":                             {of: "replayed", change: header("Idempotent-Replayed", "false")},
	"no Retry-After":                                    {of: "unavailable", change: header("Retry-After", "")},
	"a Retry-After that is not a number":                {of: "unavailable", change: header("Retry-After", "soon")},
	"no WWW-Authenticate":                               {of: "unauthorized", change: header("WWW-Authenticate", "")},
	"no Allow":                                          {of: "no method", change: header("Allow", "")},
	"a header that is not documented":                   {of: "created", change: header("X-Powered-By", "Go"), only: "libopenapi-validator"},

	"a body that is not JSON":                    {of: "created", change: func(a *answer, _ map[string]any) { a.body = []byte(`{"id":`) }},
	"a member that is not documented":            {of: "created", change: set("account", "acct_1")},
	"no id":                                      {of: "created", change: set("id", nil)},
	"an id that is not a UUIDv7":                 {of: "created", change: set("id", "cs_ci_"+strings.Repeat("0", 32))},
	"a session with an unknown status":           {of: "created", change: set("status", "paid")},
	"an amount in a string":                      {of: "created", change: set("amount", "5000")},
	"an amount with a fraction":                  {of: "created", change: set("amount", 5000.5)},
	"an amount below the range":                  {of: "created", change: set("amount", 99)},
	"a fee below 0":                              {of: "created", change: set("transaction_fee", -1)},
	"a mobile money currency in lower case":      {of: "created", change: set("currency", "xof"), only: "prose"},
	"mobile money without a phone":               {of: "created", change: set("user_phone", nil), only: "prose"},
	"a phone with separators":                    {of: "created", change: set("user_phone", "+225 07987654")},
	"mobile money that names its payment method": {of: "created", change: set("payment_method", "mobile_money"), only: "prose"},
	"an empty description":                       {of: "created", change: set("description", "")},
	"a time in another zone":                     {of: "created", change: set("created_at", "2026-11-22T07:31:56+01:00"), only: "prose"},
	"a time to the nanosecond":                   {of: "created", change: set("created_at", "2026-11-22T07:31:56.123456789Z"), only: "prose"},
	"a day that is not in the calendar":          {of: "created", change: set("created_at", "2026-02-30T07:31:56Z")},
	"no completed_at":                            {of: "created", change: set("completed_at", nil)},
	"no failure_reason":                          {of: "created", change: set("failure_reason", nil)},
	"a card currency in upper case":              {of: "card", change: set("currency", "USD")},
	"a card without a customer":                  {of: "card", change: set("customer_id", nil), only: "prose"},
	"a card without URLs":                        {of: "card", change: set("success_url", nil), only: "prose"},
	"a page without a total":                     {of: "page", change: set("total_count", nil)},
	"a page without next_offset":                 {of: "page", change: set("next_offset", nil)},
	"a page of something else":                   {of: "page", change: set("sessions", []any{map[string]any{"id": "1"}})},
	"a cancellation that did not happen":         {of: "cancelled", change: set("status", "created"), only: "prose"},
	"a document that is not OpenAPI":             {of: "document", change: func(a *answer, _ map[string]any) { a.body = []byte("hello: world\n") }, only: "prose"},

	"a malformed ETag":               {of: "created", change: header("ETag", "3")},
	"no ETag":                        {of: "created", change: header("ETag", "")},
	"a late that is false":           {of: "created", change: set("late", false), only: "prose"},
	"a page without next_cursor":     {of: "page", change: set("next_cursor", nil)},
	"a page with another relation":   {of: "page", change: set("total_relation", "eq")},
	"a history without its creation": {of: "events", change: set("events", []any{})},
	"an event that is only an id":    {of: "events", change: set("events", []any{map[string]any{"id": "evt_1"}})},

	"a problem without code":                               {of: "refused", change: set("code", nil)},
	"a problem with the code of another":                   {of: "refused", change: set("code", "not_found"), only: "prose"},
	"a problem with an unknown code":                       {of: "refused", change: set("code", "teapot")},
	"a problem of another status":                          {of: "refused", change: set("status", 409), only: "prose"},
	"a problem without request_id":                         {of: "refused", change: set("request_id", nil)},
	"a problem with a member that is not documented":       {of: "refused", change: set("stack", "main.go:1")},
	"a validation that names no member":                    {of: "refused", change: set("errors", nil), only: "prose"},
	"a validation with an empty list":                      {of: "refused", change: set("errors", []any{})},
	"a validation with 33 entries":                         {of: "refused", change: set("errors", slices.Repeat([]any{fault("#/amount", "missing")}, 33))},
	"a fault with the code of a key reuse":                 {of: "refused", change: set("errors", []any{fault("#/amount", "differs")}), only: "prose"},
	"a fault with an unknown code":                         {of: "refused", change: set("errors", []any{fault("#/amount", "ugly")})},
	"a pointer that is not a fragment":                     {of: "refused", change: set("errors", []any{fault("/amount", "missing")})},
	"a pointer that is not escaped":                        {of: "refused", change: set("errors", []any{fault("#/tip~ é", "missing")})},
	"a key reuse with the code of a validation":            {of: "reused", change: set("errors", []any{fault("#/amount", "missing")}), only: "prose"},
	"a key reuse that names no member":                     {of: "reused", change: set("errors", nil), only: "prose"},
	"an internal error with a code that reveals the cause": {of: "internal", change: set("code", "database")},
}

// header sets a header of the answer, or removes it if value is "".
func header(name, value string) func(*answer, map[string]any) {
	return func(a *answer, _ map[string]any) {
		a.header = a.header.Clone()
		if a.header.Del(name); value != "" {
			a.header.Set(name, value)
		}
	}
}

// set sets a member of the body, or removes it if value is nil.
func set(member string, value any) func(*answer, map[string]any) {
	return func(a *answer, body map[string]any) {
		if body[member] = value; value == nil {
			delete(body, member)
		}
		a.body, _ = json.Marshal(body)
	}
}

func fault(pointer, code string) map[string]any {
	return map[string]any{"pointer": pointer, "code": code, "detail": "is wrong"}
}

// genuine makes calls and returns them with the handler's answers, by name.
func genuine(t *testing.T, d *document) map[string]exchange {
	t.Helper()
	h := newHost(t, d, kept{}, memory.New(), nil)
	down := newHost(t, d, kept{}, failingStore{}, failures["credentials that cannot be read"].auth)
	broken := newHost(t, d, kept{}, failingStore{}, nil)
	key := "Idempotency-Key: " + uuid.NewString()
	all := map[string]exchange{}
	keep := func(name string, h *host, c call) answer {
		all[name] = exchange{c, send(t, c.request(t, d, h.url, false))}
		return all[name].answer
	}
	created := keep("created", h, call{operation: "createCheckout", header: []string{key}, body: withMember(mobileMoney, `"description": "Shoes"`)})
	keep("replayed", h, call{operation: "createCheckout", header: []string{key}, body: withMember(mobileMoney, `"description": "Shoes"`)})
	keep("reused", h, call{operation: "createCheckout", header: []string{key}, body: mobileMoney})
	keep("card", h, call{operation: "createCheckout", body: card})
	keep("refused", h, call{operation: "createCheckout", body: `{}`})
	keep("events", h, call{operation: "listCheckoutEvents", id: h.id(created)})
	keep("page", h, call{operation: "listCheckouts", query: "limit=1"})
	keep("cancelled", h, call{operation: "cancelCheckout", id: h.id(created)})
	keep("document", h, call{operation: "getOpenAPI"})
	keep("unauthorized", h, call{operation: "listCheckouts", header: []string{"Authorization:"}})
	keep("no method", h, call{operation: "listCheckouts", method: http.MethodDelete})
	keep("unavailable", down, call{operation: "listCheckouts"})
	keep("internal", broken, call{operation: "listCheckouts"})
	return all
}

type exchange struct {
	call   call
	answer answer
}

// TestEachJudgeRefusesATamperedAnswer first proves that every judge accepts the genuine answers. Then it proves that each tampered answer
// is refused: by both validators, or by the judge that its tampering names.
func TestEachJudgeRefusesATamperedAnswer(t *testing.T) {
	d := loadDocument(t)
	all := genuine(t, d)
	for name, e := range inOrder(all) {
		for _, j := range d.judges {
			if err := j.answer(e.call.request(t, d, "http://localhost", true), e.answer); err != nil {
				t.Fatalf("%s refuses the genuine answer %s: %v", j.name(), name, err)
			}
		}
	}
	for name, tampering := range inOrder(tamperings) {
		e, ok := all[tampering.of]
		if !ok {
			t.Fatalf("genuine has no answer %s", tampering.of)
		}
		for _, j := range d.judges {
			if tampering.only != "" && tampering.only != j.name() || tampering.only == "" && j.name() == "prose" {
				continue
			}
			t.Run(name+" by "+j.name(), func(t *testing.T) {
				a := e.answer
				var body map[string]any
				if strings.Contains(a.mediaType(), "json") {
					body = a.object(t)
				}
				tampering.change(&a, body)
				if err := j.answer(e.call.request(t, d, "http://localhost", true), a); err == nil {
					t.Errorf("%s accepts %d %v %s", j.name(), a.status, a.header, a.body)
				}
			})
		}
	}
}

// TestABrokenPromiseIsFound proves that TestContract fails for a promise that no answer keeps, and that every new status, code or header
// of the document becomes a promise.
func TestABrokenPromiseIsFound(t *testing.T) {
	d := loadDocument(t)
	promises := d.promises()
	all := kept{}
	for _, p := range promises {
		all[p] = true
	}

	t.Run("none is broken if all are kept", func(t *testing.T) {
		is := is.New(t)
		is.Equal(len(all.broken(promises)), 0)
		is.True(len(promises) > 200) // the promises must come from the document
	})

	t.Run("each promise that no answer keeps is named", func(t *testing.T) {
		for _, p := range promises {
			delete(all, p)
			if got := all.broken(promises); !slices.Equal(got, []string{p}) {
				t.Errorf("without %s, the broken promises are %v", p, got)
			}
			all[p] = true
		}
	})

	additions := map[string]struct{ old, new, promise string }{
		"a status": {
			"        '422':\n", "        '409':\n          $ref: '#/components/responses/InvalidTransition'\n        '422':\n",
			"createCheckout 409",
		},
		"a code of a problem": {
			"x-codes: [invalid_query]", "x-codes: [invalid_query, invalid_json]",
			"listCheckouts 400 code invalid_json",
		},
		"a code of one of several problems": {
			"x-codes: [validation_failed, invalid_json, idem", "x-codes: [invalid_query, validation_failed, invalid_json, idem",
			"createCheckout 400 code invalid_query",
		},
		"a header": {
			"        WWW-Authenticate:\n", "        Allow:\n          $ref: '#/components/headers/Allow'\n        WWW-Authenticate:\n",
			"getCheckout 401 header Allow",
		},
		"a fault": {
			"unknown_field, differs]", "unknown_field, ugly, differs]",
			"fault ugly",
		},
		"a status of a session": {
			"enum: [created, pending,", "enum: [refunded, created, pending,",
			"mobile money session refunded",
		},
	}
	for name, g := range inOrder(additions) {
		t.Run("an addition to the document is a new promise: "+name, func(t *testing.T) {
			is := is.New(t)
			raw := strings.Replace(string(d.raw), g.old, g.new, 1)
			is.True(raw != string(d.raw)) // the text to replace must be in the document
			more, err := parseDocument(t, []byte(raw))
			is.NoErr(err)
			is.True(slices.Contains(all.broken(more.promises()), g.promise))
		})
	}
}
