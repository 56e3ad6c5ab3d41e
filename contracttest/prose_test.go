package contracttest_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// prose is the judge of what the document says only in its descriptions: which members a dialect requires, which codes a problem can
// have (x-codes), and how exact a time is. A schema could say it too, but code generators refuse such schemas.
type prose struct{ kin }

func (prose) name() string { return "prose" }

func (p prose) document() error {
	for name, response := range p.model.Components.Responses {
		_, problem := response.Value.Content[problemType]
		if problem != (len(codesOf(response.Value)) > 0) {
			return fmt.Errorf("%s: a problem needs x-codes, and nothing else has them: problem %t, x-codes %v", name, problem, codesOf(response.Value))
		}
		for _, code := range codesOf(response.Value) {
			if !slices.Contains(words(p.model.Components.Schemas["Problem"].Value, "code"), code) {
				return fmt.Errorf("%s: the schema Problem does not have the code %s", name, code)
			}
		}
	}
	return nil
}

// codesOf returns the codes that a response's problem can have.
func codesOf(r *openapi3.Response) []string {
	list, _ := r.Extensions["x-codes"].([]any)
	var codes []string
	for _, code := range list {
		codes = append(codes, fmt.Sprint(code))
	}
	return codes
}

// request returns what the description of CreateCheckoutRequest forbids. It does not repeat what the schema forbids.
func (prose) request(r *http.Request) error {
	if r.Body == nil || r.Method != http.MethodPost || !strings.HasSuffix(r.URL.Path, "/v1/checkouts") {
		return nil
	}
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	var body map[string]any
	if json.Unmarshal(raw, &body) != nil {
		return nil
	}
	required := []string{"amount", "currency", "user_phone"}
	card := body["payment_method"] == "card"
	if card {
		required = []string{"amount", "currency", "success_url", "cancel_url"}
	}
	var errs []error
	for _, member := range required {
		if body[member] == nil || body[member] == "" {
			errs = append(errs, fmt.Errorf("the member %s is missing", member))
		}
	}
	if currency, ok := body["currency"].(string); ok && !card && currency != "XOF" {
		errs = append(errs, fmt.Errorf("mobile money in %s", currency))
	}
	return errors.Join(errs...)
}

func (p prose) answer(r *http.Request, a answer) error {
	switch a.mediaType() {
	case problemType:
		return p.problem(r, a)
	case "application/json":
		if input, err := p.input(r); err == nil && input.Route.Operation.OperationID == "cancelCheckout" {
			if got := bytes.Contains(a.body, []byte(`"status":"cancelled"`)); !got {
				return errors.New("the answer to a cancel shows a session that is not cancelled")
			}
		}
		return sessions(a)
	case "application/yaml":
		if !bytes.HasPrefix(a.body, []byte("openapi: 3.1.")) {
			return errors.New("the answer is not an OpenAPI 3.1 document")
		}
	}
	return nil
}

func (p prose) problem(r *http.Request, a answer) error {
	var body struct {
		Status int
		Code   string
		Errors *[]struct{ Code string }
	}
	if err := json.Unmarshal(a.body, &body); err != nil {
		return err
	}
	if body.Status != a.status {
		return fmt.Errorf("the problem has the status %d, and the answer %d", body.Status, a.status)
	}
	codes := []string{"method_not_allowed"}
	input, err := p.input(r)
	if err == nil {
		response := input.Route.Operation.Responses.Status(a.status)
		if response == nil {
			return fmt.Errorf("the operation has no status %d", a.status)
		}
		codes = codesOf(response.Value)
	}
	if !slices.Contains(codes, body.Code) {
		return fmt.Errorf("the code %s is not one of %v", body.Code, codes)
	}
	named := body.Code == "validation_failed" || body.Code == "idempotency_key_reused"
	if named != (body.Errors != nil) {
		return fmt.Errorf("a problem with the code %s has the member errors: %t", body.Code, body.Errors != nil)
	}
	if named {
		for _, fault := range *body.Errors {
			if (fault.Code == "differs") != (body.Code == "idempotency_key_reused") {
				return fmt.Errorf("a problem with the code %s has the fault %s", body.Code, fault.Code)
			}
		}
	}
	return nil
}

// sessions judges every session and every time in an answer, at any depth.
func sessions(a answer) error {
	var body any
	if err := json.Unmarshal(a.body, &body); err != nil {
		return err
	}
	var errs []error
	walk(body, func(object map[string]any) {
		if strings.HasPrefix(text(object["id"]), "cs_") {
			errs = append(errs, session(object))
		}
		for _, name := range []string{"created_at", "expires_at", "completed_at", "timestamp"} {
			if at, ok := object[name].(string); ok && !exactTime.MatchString(at) {
				errs = append(errs, fmt.Errorf("the time %s is not in UTC, to the microsecond: %s", name, at))
			}
		}
	})
	return errors.Join(errs...)
}

var exactTime = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z$`)

// session judges one session by the rules of its dialect.
func session(s map[string]any) error {
	required, currency := []string{"user_phone"}, "XOF"
	if s["payment_method"] != nil {
		required, currency = []string{"customer_id", "success_url", "cancel_url"}, strings.ToLower(text(s["currency"]))
	}
	for _, member := range required {
		if s[member] == nil {
			return fmt.Errorf("the session has no %s", member)
		}
	}
	card := s["payment_method"] == "card"
	switch {
	case s["payment_method"] != nil && !card:
		return errors.New("mobile money names its payment method")
	case s["currency"] != currency:
		return fmt.Errorf("the currency is %s", s["currency"])
	case card && s["status"] == "created":
		return errors.New("a card session has the status created")
	case s["late"] != nil && s["late"] != true:
		return errors.New("late is not true")
	}
	return nil
}

// walk calls f with every object within v.
func walk(v any, f func(map[string]any)) {
	switch v := v.(type) {
	case map[string]any:
		f(v)
		for _, member := range v {
			walk(member, f)
		}
	case []any:
		for _, item := range v {
			walk(item, f)
		}
	}
}
