package webhook

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/internal/outage"
	"github.com/caisse/checkout/internal/strictjson"
)

// HandlerConfig configures a [Handler]. The zero HandlerConfig works.
type HandlerConfig struct {
	_ struct{} // keyed literals only

	// BasePath is a prefix of the path that the host strips before it calls the handler. The handler adds it in the Location header. "" says
	// that the host strips nothing.
	BasePath string
	// MaxBodyBytes is the size of the largest body that is read; 0 is 64 KiB. A larger one is answered 413.
	MaxBodyBytes int64
	// Logger gets a line with the cause of every answer of 500 and 503. Of an outage of the store it gets only the first cause, and a line
	// at the end. nil logs nothing.
	Logger *slog.Logger
}

// Handler serves /v1/webhooks and the paths below it, with which a merchant manages its endpoints. Make it with [NewHandler]. As on
// the checkout endpoint, errors are problems (RFC 9457).
//
//	POST   /v1/webhooks
//	GET    /v1/webhooks
//	GET    /v1/webhooks/{id}
//	PATCH  /v1/webhooks/{id}
//	DELETE /v1/webhooks/{id}
//	POST   /v1/webhooks/{id}/rotate
//	POST   /v1/webhooks/{id}/test
//	GET    /v1/webhooks/{id}/deliveries
//	POST   /v1/webhooks/{id}/deliveries/{delivery}/retry
type Handler struct {
	webhooks *Webhooks
	auth     checkout.Authenticator
	config   HandlerConfig
	log      *slog.Logger
	outage   outage.Outage
}

// NewHandler returns a handler over w for the accounts that auth knows. Both are required.
func NewHandler(w *Webhooks, auth checkout.Authenticator, cfg HandlerConfig) (*Handler, error) {
	var errs []error
	if w == nil {
		errs = append(errs, errors.New("the webhooks are nil"))
	}
	if auth == nil {
		errs = append(errs, errors.New("the authenticator is nil"))
	}
	if cfg.MaxBodyBytes < 0 {
		errs = append(errs, errors.New("HandlerConfig.MaxBodyBytes must not be negative"))
	}
	if cfg.BasePath != "" && (!strings.HasPrefix(cfg.BasePath, "/") || strings.HasSuffix(cfg.BasePath, "/")) {
		errs = append(errs, errors.New("HandlerConfig.BasePath must begin with / and must not end with /"))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("webhook: %w", err)
	}
	if cfg.MaxBodyBytes == 0 {
		cfg.MaxBodyBytes = 64 << 10
	}
	h := &Handler{webhooks: w, auth: auth, config: cfg, log: cfg.Logger}
	if h.log == nil {
		h.log = slog.New(slog.DiscardHandler)
	}
	return h, nil
}

// answer is the answer to one request.
type answer struct {
	status   int
	body     any // nil: none
	location string
}

// call is one request.
type call struct {
	*http.Request
	account      checkout.Account
	id, delivery string
	body         []strictjson.Member
}

// route is a path and its methods.
type route struct {
	pattern string
	methods map[string]func(*Handler, *call) (answer, error)
}

var (
	routeAll        = route{"/v1/webhooks", map[string]func(*Handler, *call) (answer, error){"POST": (*Handler).create, "GET": (*Handler).list}}
	routeOne        = route{"/v1/webhooks/{id}", map[string]func(*Handler, *call) (answer, error){"GET": (*Handler).get, "PATCH": (*Handler).change, "DELETE": (*Handler).remove}}
	routeRotate     = route{"/v1/webhooks/{id}/rotate", map[string]func(*Handler, *call) (answer, error){"POST": (*Handler).rotate}}
	routeTest       = route{"/v1/webhooks/{id}/test", map[string]func(*Handler, *call) (answer, error){"POST": (*Handler).test}}
	routeDeliveries = route{"/v1/webhooks/{id}/deliveries", map[string]func(*Handler, *call) (answer, error){"GET": (*Handler).deliveries}}
	routeRetry      = route{"/v1/webhooks/{id}/deliveries/{delivery}/retry", map[string]func(*Handler, *call) (answer, error){"POST": (*Handler).retry}}
)

// find returns the route of a path, and the IDs in the path.
func find(path string) (r route, id, delivery string, ok bool) {
	rest, ok := strings.CutPrefix(path, "/v1/webhooks")
	if !ok {
		return route{}, "", "", false
	}
	parts := strings.Split(rest, "/")
	switch {
	case rest == "":
		return routeAll, "", "", true
	case len(parts) == 2 && parts[0] == "":
		return routeOne, parts[1], "", parts[1] != ""
	case len(parts) == 3 && parts[0] == "":
		for _, r := range []route{routeRotate, routeTest, routeDeliveries} {
			if strings.HasSuffix(r.pattern, "}/"+parts[2]) {
				return r, parts[1], "", true
			}
		}
	case len(parts) == 5 && parts[0] == "" && parts[2] == "deliveries" && parts[4] == "retry":
		return routeRetry, parts[1], parts[3], true
	}
	return route{}, "", "", false
}

// ServeHTTP implements [http.Handler].
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	requestID := r.Header.Get("Request-Id")
	if len(r.Header["Request-Id"]) != 1 || len(requestID) < 1 || len(requestID) > 128 || strings.ContainsFunc(requestID, func(c rune) bool { return c <= ' ' || c > '~' }) {
		requestID = uuid.NewString()
	}
	a, err := h.recovered(w, r)
	if err == nil {
		if lasted, failures, ended := h.outage.Answered(); ended {
			h.log.LogAttrs(r.Context(), slog.LevelInfo, "webhook requests succeed again", slog.Duration("failed_for", lasted), slog.Int("failed", failures))
		}
	}
	contentType := "application/json"
	header := w.Header()
	if err != nil {
		p := problemOf(err)
		if p.Status >= 500 && (!errors.Is(err, checkout.ErrUnavailable) || h.outage.Failed()) {
			h.log.LogAttrs(r.Context(), slog.LevelError, "webhook request failed", slog.String("request_id", requestID),
				slog.String("method", r.Method), slog.String("route", r.Pattern), slog.String("code", p.Code), slog.Any("error", err))
		}
		for name, value := range p.header {
			header.Set(name, value)
		}
		p.RequestID = requestID
		a, contentType = answer{status: p.Status, body: p}, "application/problem+json"
	}
	header.Set("Cache-Control", "no-store")
	header.Set("Request-Id", requestID)
	header.Set("X-Content-Type-Options", "nosniff")
	if a.location != "" {
		header.Set("Location", h.config.BasePath+a.location)
	}
	if a.body == nil {
		w.WriteHeader(a.status)
		return
	}
	text, err := json.Marshal(a.body)
	if err != nil { // only a time after the year 9999 cannot be encoded, and no answer has one
		panic(err)
	}
	header.Set("Content-Type", contentType)
	header.Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(a.status)
	if r.Method != http.MethodHead {
		w.Write(text)
	}
}

// recovered calls answer, and turns a panic of the store or of the authenticator into an error, which is answered 500.
func (h *Handler) recovered(w http.ResponseWriter, r *http.Request) (a answer, err error) {
	defer func() {
		if value := recover(); value != nil {
			if value == http.ErrAbortHandler {
				panic(value)
			}
			err = fmt.Errorf("panic: %v\n%s", value, debug.Stack())
		}
	}()
	return h.answer(w, r)
}

// answer checks a request and answers it. It checks in the order of the contract: path and method, credentials, media type and body.
func (h *Handler) answer(w http.ResponseWriter, r *http.Request) (answer, error) {
	path := r.URL.EscapedPath()
	route, id, delivery, ok := find(path)
	if !ok {
		return answer{}, &problem{Status: 404, Code: "not_found", Detail: "there is nothing at this path"}
	}
	r.Pattern = h.config.BasePath + route.pattern
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	do := route.methods[method]
	if do == nil {
		var allowed []string
		for _, m := range []string{"GET", "HEAD", "POST", "PATCH", "DELETE"} {
			if route.methods[m] != nil || m == "HEAD" && route.methods["GET"] != nil {
				allowed = append(allowed, m)
			}
		}
		return answer{}, &problem{Status: 405, Code: "method_not_allowed", Detail: "this path answers " + strings.Join(allowed, ", "),
			header: map[string]string{"Allow": strings.Join(allowed, ", ")}}
	}
	account, err := h.auth.Authenticate(r)
	switch {
	case errors.Is(err, checkout.ErrUnauthenticated):
		return answer{}, &problem{Status: 401, Code: "unauthorized", Detail: "valid credentials are required: Authorization: Bearer <token>",
			header: map[string]string{"WWW-Authenticate": "Bearer"}}
	case err != nil:
		return answer{}, fmt.Errorf("authenticate: %w: %v", checkout.ErrUnavailable, err)
	case account.ID == "":
		return answer{}, errors.New("the authenticator returned an account without an ID")
	}
	c := &call{Request: r, account: account, id: id, delivery: delivery}
	if route.pattern == routeAll.pattern && method == "POST" || method == "PATCH" {
		if c.body, err = h.readBody(w, r); err != nil {
			return answer{}, err
		}
	}
	return do(h, c)
}
