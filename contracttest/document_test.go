package contracttest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// document is openapi.yaml, parsed, with its judges.
type document struct {
	raw        []byte
	model      *openapi3.T
	operations map[string]operation
	judges     []judge
}

type operation struct {
	method, path string
	spec         *openapi3.Operation
}

func loadDocument(t *testing.T) *document {
	t.Helper()
	raw, err := os.ReadFile("../openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	d, err := parseDocument(t, raw)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func parseDocument(t *testing.T, raw []byte) (*document, error) {
	t.Helper()
	model, err := openapi3.NewLoader().LoadFromData(raw)
	if err != nil {
		return nil, fmt.Errorf("kin-openapi: %w", err)
	}
	err = model.Validate(t.Context(), openapi3.IsOpenAPI31OrLater(), openapi3.EnableExamplesValidation(),
		openapi3.EnableSchemaDefaultsValidation(), openapi3.EnableSchemaFormatValidation(), openapi3.EnableSchemaPatternValidation())
	if err != nil {
		return nil, fmt.Errorf("kin-openapi: %w", err)
	}
	d := &document{raw: raw, model: model, operations: map[string]operation{}}
	for path, item := range model.Paths.Map() {
		for method, spec := range item.Operations() {
			if spec.OperationID == "" {
				return nil, fmt.Errorf("%s %s has no operationId", method, path)
			}
			d.operations[spec.OperationID] = operation{method, path, spec}
		}
	}
	kin, err := newKin(model)
	if err != nil {
		return nil, fmt.Errorf("kin-openapi: %w", err)
	}
	pb33f, err := newPB33F(raw)
	if err != nil {
		return nil, fmt.Errorf("libopenapi-validator: %w", err)
	}
	d.judges = []judge{kin, pb33f, prose{kin}}
	return d, nil
}

// createExamples returns the example bodies that the document has for a create, by name.
func (d *document) createExamples(t *testing.T) map[string]string {
	t.Helper()
	examples := map[string]string{}
	for name, example := range d.operations["createCheckout"].spec.RequestBody.Value.Content.Get("application/json").Examples {
		body, err := json.Marshal(example.Value.Value)
		if err != nil {
			t.Fatal(err)
		}
		examples[name] = string(body)
	}
	return examples
}

// promises returns every status, header, media type, code and fault that the document says an answer can have, one line each. The method
// answer.keeps returns those that an answer does have, in the same words.
func (d *document) promises() []string {
	var list []string
	for id, op := range d.operations {
		for status, response := range op.spec.Responses.Map() {
			list = append(list, id+" "+status)
			for name := range response.Value.Headers {
				list = append(list, id+" "+status+" header "+http.CanonicalHeaderKey(name))
			}
			for mediaType := range response.Value.Content {
				list = append(list, id+" "+status+" as "+mediaType)
				if mediaType != problemType {
					continue
				}
				for _, code := range codesOf(response.Value) {
					list = append(list, id+" "+status+" code "+code)
				}
			}
		}
	}
	for _, code := range words(d.model.Components.Schemas["Fault"].Value, "code") {
		list = append(list, "fault "+code)
	}
	// The statuses of a session are promised for mobile money only, because a card session never has the status created.
	for _, status := range words(d.model.Components.Schemas["Session"].Value, "status") {
		list = append(list, "mobile money session "+status)
	}
	slices.Sort(list)
	return list
}

// words returns the values of the enum of a schema's member.
func words(s *openapi3.Schema, member string) []string {
	var list []string
	for _, v := range s.Properties[member].Value.Enum {
		list = append(list, fmt.Sprint(v))
	}
	return list
}

// TestDocument proves that the document is valid, and that it names the codes of each problem. The other tests rely on that.
func TestDocument(t *testing.T) {
	t.Run("is a valid OpenAPI document, examples and defaults included", func(t *testing.T) {
		d := loadDocument(t)
		for _, j := range d.judges {
			if err := j.document(); err != nil {
				t.Errorf("%s: %v", j.name(), err)
			}
		}
	})

	t.Run("promises a code with every problem", func(t *testing.T) {
		d := loadDocument(t)
		for id, op := range d.operations {
			for status, response := range op.spec.Responses.Map() {
				_, ok := response.Value.Content[problemType]
				if ok != (status >= "400") {
					t.Errorf("%s %s is a problem: %t; want a problem if the status is 400 or more, and none otherwise", id, status, ok)
				}
				if ok && len(codesOf(response.Value)) == 0 {
					t.Errorf("%s %s names no code", id, status)
				}
			}
		}
	})

	t.Run("is refused with an example that its schema forbids", func(t *testing.T) {
		raw := string(loadDocument(t).raw)
		broken := strings.Replace(raw, "        status: completed\n        amount: 5000\n", "        status: paid\n        amount: 5000\n", 1)
		if broken == raw {
			t.Fatal("the text to replace is not in the document")
		}
		if _, err := parseDocument(t, []byte(broken)); err == nil {
			t.Error("a document with an invalid example was accepted")
		}
	})
}
