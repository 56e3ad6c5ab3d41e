package contracttest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"github.com/pb33f/libopenapi-validator/config"
	validation "github.com/pb33f/libopenapi-validator/errors"
)

// judge tells what the document says of an exchange. A request that a judge reads is used up.
type judge interface {
	name() string
	// document tells whether the document itself is one.
	document() error
	// request tells what the document forbids of a request.
	request(r *http.Request) error
	// answer tells what the document forbids of an answer to a request of an operation that it has.
	answer(r *http.Request, a answer) error
}

type kin struct {
	model  *openapi3.T
	router routers.Router
}

func newKin(model *openapi3.T) (kin, error) {
	router, err := gorillamux.NewRouter(model)
	return kin{model, router}, err
}

func (kin) name() string { return "kin-openapi" }

func (k kin) document() error {
	return k.model.Validate(context.Background(), openapi3.IsOpenAPI31OrLater(), openapi3.EnableExamplesValidation())
}

func (k kin) input(r *http.Request) (*openapi3filter.RequestValidationInput, error) {
	route, params, err := k.router.FindRoute(r)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", r.Method, r.URL.Path, err)
	}
	return &openapi3filter.RequestValidationInput{Request: r, PathParams: params, Route: route, Options: &openapi3filter.Options{
		IncludeResponseStatus:             true,
		RejectWhenRequestBodyNotSpecified: true,
		SkipSettingDefaults:               true,
		MultiError:                        true,
		AuthenticationFunc:                bearerOnly,
		SchemaValidationOptions:           formats,
	}}, nil
}

// formats are those of the document's strings; kin-openapi passes over a format that it was not given.
var formats = []openapi3.SchemaValidationOption{
	openapi3.EnableFormatValidation(),
	openapi3.WithStringFormatValidator("date-time", openapi3.NewCallbackValidator(func(s string) error {
		_, err := time.Parse(time.RFC3339Nano, s)
		return err
	})),
	openapi3.WithStringFormatValidator("uri", openapi3.NewCallbackValidator(func(s string) error {
		u, err := url.Parse(s)
		if err == nil && !u.IsAbs() {
			err = errors.New("is relative")
		}
		return err
	})),
	openapi3.WithStringFormatValidator("uri-reference", openapi3.NewCallbackValidator(func(s string) error {
		_, err := url.Parse(s)
		return err
	})),
}

func bearerOnly(_ context.Context, input *openapi3filter.AuthenticationInput) error {
	scheme, token, _ := strings.Cut(input.RequestValidationInput.Request.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, input.SecurityScheme.Scheme) || token == "" {
		return errors.New("no bearer token")
	}
	return nil
}

func (k kin) request(r *http.Request) error {
	input, err := k.input(r)
	if err != nil {
		return err
	}
	return openapi3filter.ValidateRequest(r.Context(), input)
}

func (k kin) answer(r *http.Request, a answer) error {
	input, err := k.input(r)
	if err != nil {
		return err
	}
	return openapi3filter.ValidateResponse(r.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: input,
		Status:                 a.status,
		Header:                 a.header,
		Body:                   io.NopCloser(bytes.NewReader(a.body)),
		Options:                input.Options,
	})
}

type pb33f struct{ validator.Validator }

func newPB33F(raw []byte) (judge, error) {
	document, err := libopenapi.NewDocument(raw)
	if err != nil {
		return nil, err
	}
	v, errs := validator.NewValidator(document,
		config.WithFormatAssertions(),
		config.WithStandardBodyDecoders(), // YAML is not read otherwise
		config.WithRejectUnsupportedBodyContent(),
		config.WithRejectUndeclaredRequestBody(),
		// Strict: a header or a parameter that the document does not name is refused, save headers of HTTP itself.
		// Bodies are closed by their schemas; strictness does not see through an allOf within a oneOf.
		config.WithStrictMode(),
		config.WithStrictIgnorePaths("$.body.**"),
		config.WithStrictIgnoredHeaders("authorization", "connection", "content-length", "content-type", "date"),
	)
	return pb33f{v}, errors.Join(errs...)
}

func (pb33f) name() string { return "libopenapi-validator" }

func (p pb33f) document() error {
	_, errs := p.ValidateDocument()
	return joined(errs)
}

func (p pb33f) request(r *http.Request) error {
	_, errs := p.ValidateHttpRequestSync(r)
	return joined(errs)
}

func (p pb33f) answer(r *http.Request, a answer) error {
	_, errs := p.ValidateHttpResponse(r, &http.Response{
		StatusCode: a.status,
		Header:     a.header,
		Body:       io.NopCloser(bytes.NewReader(a.body)),
		Request:    r,
	})
	return joined(errs)
}

func joined(list []*validation.ValidationError) error {
	var errs []error
	for _, e := range list {
		errs = append(errs, fmt.Errorf("%s: %s", e.Message, e.Reason))
		for _, s := range e.SchemaValidationErrors {
			errs = append(errs, fmt.Errorf("  %s: %s", s.KeywordLocation, s.Reason))
		}
	}
	return errors.Join(errs...)
}
