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

// judge compares requests and answers with the document. There are three: two validators that read its schemas, kin-openapi and
// libopenapi-validator, and prose, which knows what only its descriptions say. A judge may consume the body of a request.
type judge interface {
	name() string
	// document returns an error if the document itself is not valid.
	document() error
	// request returns an error if the document forbids the request.
	request(r *http.Request) error
	// answer returns an error if the document forbids this answer to the request. The document must have the request's operation.
	answer(r *http.Request, a answer) error
}

// kin is the judge that uses kin-openapi.
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

// formats check the formats that the document uses for strings. kin-openapi ignores a format for which it has no check.
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

// pb33f is the judge that uses libopenapi-validator.
type pb33f struct{ validator.Validator }

func newPB33F(raw []byte) (judge, error) {
	document, err := libopenapi.NewDocument(raw)
	if err != nil {
		return nil, err
	}
	v, errs := validator.NewValidator(document,
		config.WithFormatAssertions(),
		config.WithStandardBodyDecoders(), // without them it cannot read YAML
		config.WithRejectUnsupportedBodyContent(),
		config.WithRejectUndeclaredRequestBody(),
		// The strict mode refuses headers and parameters that the document does not have, apart from the headers of HTTP itself.
		// It must ignore bodies, because it does not understand an allOf within a oneOf. The schemas forbid unknown members themselves.
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
