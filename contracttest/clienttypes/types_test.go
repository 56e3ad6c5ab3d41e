package clienttypes_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caisse/checkout/client"
	"github.com/getkin/kin-openapi/openapi3"
	"github.com/matryer/is"
)

const problemType = "application/problem+json"

// webhookCodes are codes that only the webhook operations answer. Package client does not have these operations.
var webhookCodes = []string{"too_many_endpoints", "endpoint_exists"}

// TestTheClientsTypesAreTheDocuments proves that package client has every member, parameter, status and code that openapi.yaml has for
// checkouts, except the parameter offset, and no other. The types are written by hand. Without this test they could differ from the document.
func TestTheClientsTypesAreTheDocuments(t *testing.T) {
	model, err := openapi3.NewLoader().LoadFromFile("../../openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	paths := model.Paths
	problems := problemsOf(paths)
	answer := func(t *testing.T, method, path, status string) *openapi3.Schema {
		t.Helper()
		item := paths.Find(path)
		if item == nil || item.GetOperation(method) == nil {
			t.Fatalf("the document has no %s %s", method, path)
		}
		response := item.GetOperation(method).Responses.Value(status)
		if response == nil {
			t.Fatalf("%s %s has no %s", method, path, status)
		}
		return response.Value.Content.Get("application/json").Schema.Value
	}
	for _, test := range []struct {
		method, path, status string
		is                   any
	}{
		{"POST", "/v1/checkouts", "201", client.Session{}},
		{"POST", "/v1/checkouts", "200", client.Session{}},
		{"GET", "/v1/checkouts/{id}", "200", client.Session{}},
		{"POST", "/v1/checkouts/{id}/cancel", "200", client.Session{}},
		{"GET", "/v1/checkouts", "200", client.Page{}},
		{"GET", "/v1/checkouts/{id}/events", "200", struct {
			Events []client.Event `json:"events"`
		}{}},
	} {
		t.Run(test.method+" "+test.path+" "+test.status, func(t *testing.T) {
			sameMembers(t, "", answer(t, test.method, test.path, test.status), reflect.TypeOf(test.is))
		})
	}
	t.Run("problems", func(t *testing.T) {
		if len(problems) < 9 {
			t.Errorf("the document has only %d problems, want at least 9", len(problems))
		}
		sameMembers(t, "", &openapi3.Schema{AnyOf: problems}, reflect.TypeFor[client.Error]())
	})
	t.Run("the body of a create", func(t *testing.T) {
		is := is.New(t)
		full := client.Params{Amount: 1, Currency: "a", PaymentMethod: "a", UserPhone: "a", SuccessURL: "a", CancelURL: "a",
			Description: "a", ExpiresIn: time.Second, ClientReference: "a", Metadata: map[string]string{"a": "a"}}
		allSet(t, full)
		text, err := json.Marshal(full)
		is.NoErr(err)
		var sent map[string]any
		is.NoErr(json.Unmarshal(text, &sent))
		body := paths.Find("/v1/checkouts").Post.RequestBody.Value.Content.Get("application/json").Schema.Value
		is.Equal(slices.Sorted(maps.Keys(sent)), slices.Sorted(maps.Keys(members(body))))
	})
	t.Run("the parameters of a list", func(t *testing.T) {
		is := is.New(t)
		full := client.Query{Status: "a", ClientReference: "a", PaymentID: "a", UserPhone: "a", CreatedAfter: time.Unix(1, 0),
			CreatedBefore: time.Unix(1, 0), Limit: 1, Cursor: "a"}
		allSet(t, full)
		sent := queryOf(t, full)
		sent.Add("offset", "") // the client uses cursors instead of this parameter
		var documented []string
		for _, parameter := range paths.Find("/v1/checkouts").Get.Parameters {
			if parameter.Value.In == "query" {
				documented = append(documented, parameter.Value.Name)
			}
		}
		slices.Sort(documented)
		is.Equal(slices.Sorted(maps.Keys(sent)), documented)
	})
	t.Run("statuses and codes", func(t *testing.T) {
		is := is.New(t)
		constants := constantsOf(t, "../../client")
		any := &openapi3.Schema{AnyOf: problems}
		codes := enumOf(any, "code")
		for _, part := range parts(any) {
			if errors := part.Properties["errors"]; errors != nil {
				codes = append(codes, enumOf(errors.Value.Items.Value, "code")...)
			}
		}
		codes = slices.DeleteFunc(codes, func(code string) bool { return slices.Contains(webhookCodes, code) })
		is.Equal(constants["Code"], sorted(codes))
		session := answer(t, "GET", "/v1/checkouts/{id}", "200")
		is.Equal(constants["Status"], sorted(enumOf(session, "status")))
	})
}

// problemsOf returns the schemas of all problems, apart from those of webhook operations.
func problemsOf(paths *openapi3.Paths) (problems openapi3.SchemaRefs) {
	for path, item := range paths.Map() {
		if strings.HasPrefix(path, "/v1/webhooks") {
			continue
		}
		for _, operation := range item.Operations() {
			for _, response := range operation.Responses.Map() {
				if content := response.Value.Content.Get(problemType); content != nil {
					problems = append(problems, content.Schema)
				}
			}
		}
	}
	return problems
}

// sameMembers fails unless an object of the document and a struct have the same members, with the same types, at every depth. at is the
// path to the object, for messages.
func sameMembers(t *testing.T, at string, schema *openapi3.Schema, of reflect.Type) {
	t.Helper()
	documented := members(schema)
	known := map[string]reflect.Type{}
	for i := range of.NumField() {
		name, _, _ := strings.Cut(of.Field(i).Tag.Get("json"), ",")
		if name != "" && name != "-" {
			known[name] = of.Field(i).Type
		}
	}
	for name, property := range documented {
		field, ok := known[name]
		if !ok {
			t.Errorf("%s/%s is in the document and not in %s", at, name, of)
			continue
		}
		sameType(t, at+"/"+name, property, field)
	}
	for name := range known {
		if documented[name] == nil {
			t.Errorf("%s/%s is in %s and not in the document", at, name, of)
		}
	}
}

func sameType(t *testing.T, at string, schema *openapi3.Schema, of reflect.Type) {
	t.Helper()
	if of.Kind() == reflect.Pointer {
		of = of.Elem()
	}
	var want string
	switch {
	case of == reflect.TypeFor[time.Time](), of.Kind() == reflect.String:
		want = "string"
	case of.Kind() == reflect.Int64, of.Kind() == reflect.Int:
		want = "integer"
	case of.Kind() == reflect.Bool:
		want = "boolean"
	case of.Kind() == reflect.Map:
		want = "object"
	case of.Kind() == reflect.Struct:
		sameMembers(t, at, schema, of)
		return
	case of.Kind() == reflect.Slice:
		if schema.Items == nil {
			t.Errorf("%s is a list in %s and not in the document", at, of)
			return
		}
		sameType(t, at+"[]", schema.Items.Value, of.Elem())
		return
	}
	if types := typesOf(schema); !slices.Contains(types, want) {
		t.Errorf("%s is %v in the document and %s in the client", at, types, of)
	}
}

// members returns the properties of an object, including those of the schemas that it is composed of.
func members(s *openapi3.Schema) map[string]*openapi3.Schema {
	all := map[string]*openapi3.Schema{}
	for _, part := range parts(s) {
		for name, property := range part.Properties {
			if known := all[name]; known == nil || typesOf(known) == nil {
				all[name] = property.Value
			}
		}
	}
	return all
}

// enumOf returns the values that the document lists for a member of an object.
func enumOf(s *openapi3.Schema, name string) (values []string) {
	for _, part := range parts(s) {
		if property := part.Properties[name]; property != nil {
			for _, alternative := range parts(property.Value) {
				for _, v := range append(slices.Clone(alternative.Enum), alternative.Const) {
					if text, ok := v.(string); ok {
						values = append(values, text)
					}
				}
			}
		}
	}
	return values
}

func sorted(values []string) []string {
	slices.Sort(values)
	return slices.Compact(values)
}

// parts returns the schema and all schemas that it is composed of.
func parts(s *openapi3.Schema) []*openapi3.Schema {
	all := []*openapi3.Schema{s}
	for _, refs := range []openapi3.SchemaRefs{s.AllOf, s.AnyOf, s.OneOf} {
		for _, ref := range refs {
			all = append(all, parts(ref.Value)...)
		}
	}
	return all
}

func typesOf(s *openapi3.Schema) (types []string) {
	for _, part := range parts(s) {
		if part.Type != nil {
			types = append(types, part.Type.Slice()...)
		}
	}
	return types
}

// allSet fails if an exported field of v is zero. So a field that is added to the client must be set in this test too.
func allSet(t *testing.T, v any) {
	t.Helper()
	s := reflect.ValueOf(v)
	for i := range s.NumField() {
		if s.Type().Field(i).IsExported() && s.Field(i).IsZero() {
			t.Errorf("%s is not set", s.Type().Field(i).Name)
		}
	}
}

// queryOf returns the query that the client sends for q.
func queryOf(t *testing.T, q client.Query) (sent url.Values) {
	t.Helper()
	c, err := client.New("https://api.example.com", "sk_1", client.Config{
		MaxAttempts: 1,
		HTTPClient: &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			sent = r.URL.Query()
			return nil, http.ErrHandlerTimeout
		})},
	})
	if err != nil {
		t.Fatal(err)
	}
	c.ListPage(t.Context(), q)
	return sent
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// constantsOf returns the values of the string constants of package client whose names begin with Code or Status: sorted, by that prefix.
func constantsOf(t *testing.T, dir string) map[string][]string {
	t.Helper()
	values := map[string][]string{}
	for _, file := range []string{"errors.go", "session.go"} {
		parsed, err := parser.ParseFile(token.NewFileSet(), dir+"/"+file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || len(spec.Values) != 1 {
				return true
			}
			literal, ok := spec.Values[0].(*ast.BasicLit)
			if !ok || literal.Kind != token.STRING {
				return true
			}
			for _, prefix := range []string{"Code", "Status"} {
				if strings.HasPrefix(spec.Names[0].Name, prefix) {
					value, _ := strconv.Unquote(literal.Value)
					values[prefix] = append(values[prefix], value)
				}
			}
			return true
		})
	}
	for _, v := range values {
		slices.Sort(v)
	}
	return values
}
