package checkout

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"slices"
	"strconv"
	"sync"

	"github.com/caisse/checkout/idempotency"
	"github.com/caisse/checkout/internal/outage"
	"github.com/google/uuid"
)

//go:embed openapi.yaml
var openAPI []byte

// Handler serves the endpoint of the page and the routes that belong to it, as an [http.Handler]:
//
//	POST /v1/checkouts
//	GET  /v1/checkouts
//	GET  /v1/checkouts/{id}
//	POST /v1/checkouts/{id}/cancel
//	GET  /v1/checkouts/{id}/events
//	GET  /v1/openapi.yaml
//
// HEAD is answered wherever GET is.
//
// # Mounting
//
// Every other path is answered 404. So mount the handler where these paths reach it unchanged, or strip a prefix and name it in
// HandlerConfig.BasePath. Under an [http.ServeMux], use mux.Handle("/v1/", handler). The mux refuses this pattern together with
// "GET /" because the two conflict; "GET /{$}" works. The handler sets Request.Pattern to the route, so that middleware can name
// its metrics by route.
//
// It needs no router and no middleware: it authenticates, bounds the body, and recovers from a panic of a store or an
// authenticator. Time-outs are for the server to set (ReadHeaderTimeout, ReadTimeout), CORS and rate limits for the host.
//
// # Answers
//
//	200  the session, the page of a list or the events; also a create that found its session (Idempotent-Replayed: true)
//	201  the session that this request created, with its Location
//	304  the session is as the client has it (If-None-Match)
//	400  the request is not valid; the body names the faults, 32 at most
//	401  no credentials, or bad ones
//	404  no such session of this account, or no such path
//	405  the path exists, with other methods (Allow)
//	409  the session can no longer be cancelled
//	413  the body is larger than HandlerConfig.MaxBodyBytes
//	415  the body is not sent as application/json
//	422  the idempotency key was used for another request
//	500  a fault of the host or of this library; the log has its cause
//	503  the store or the authenticator fails, or MaxInFlight is reached; a retry with the same key is safe (Retry-After)
//
// An error is a problem of RFC 9457, with a code that a client may act on. It names members and repeats no value. Every answer
// has a Request-Id: that of the request, if it had a usable one, or a new one. With it, a person who handles a complaint finds the
// line in the log.
//
// A GET of one session with "Prefer: wait=60" (RFC 7240) and If-None-Match is answered when the session has changed, or after 60
// seconds.
//
// # Memory
//
// Answers reuse their memory. A wrapper of the [http.ResponseWriter] must not keep the slice that its Write gets, as [io.Writer]
// says.
type Handler struct {
	checkouts *Checkouts
	auth      Authenticator
	policy    idempotency.Policy
	basePath  string
	maxBody   int64
	inFlight  chan struct{} // holds one value for each request that uses the store; nil: no limit
	waiting   chan struct{} // holds one value for each request that waits for a change
	log       *slog.Logger

	checkoutURL func(Session) string // nil: none
	outage      outage.Outage
	writers     sync.Pool // of *jsonWriter
}

// ServeHTTP implements [http.Handler]. The whole answer is made before its first byte is written, so that an error on the way can
// still become a status.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := requestID(r)
	a, err := h.answer(w, r)
	if err != nil {
		p := problemOf(err)
		if p.Status >= http.StatusInternalServerError && err != errOverloaded {
			h.logFailure(r, id, p, err)
		}
		p.RequestID = id
		a = problemAnswer(p)
	}
	fields := append(append(make([]field, 0, 8), a.header...), field{"Cache-Control", "no-store"})
	if a.status != http.StatusNotModified { // RFC 9110, section 15.4.5
		fields = append(fields,
			field{"Content-Length", strconv.Itoa(len(a.body))},
			field{"Content-Type", a.contentType})
	}
	fields = append(fields, field{"Request-Id", id}, field{"X-Content-Type-Options", "nosniff"})
	setAll(w.Header(), fields)
	w.WriteHeader(a.status)
	if r.Method != http.MethodHead && a.status != http.StatusNotModified {
		w.Write(a.body) // an error means that the client has gone
	}
	h.release(a)
}

// setAll is header.Set for each field, with one allocation for all of them.
func setAll(header http.Header, fields []field) {
	values := make([]string, len(fields))
	for i, f := range fields {
		values[i] = f.value
		header[f.name] = values[i : i+1 : i+1]
	}
}

// logFailure logs the cause of a failure, which the client does not get. If the client has gone, nobody needs an alarm, so the level is
// only Info. While the store does not answer, the first request that fails is logged and the others are counted.
func (h *Handler) logFailure(r *http.Request, id string, p problem, err error) {
	level := slog.LevelError
	gone := errors.Is(r.Context().Err(), context.Canceled)
	if gone {
		level = slog.LevelInfo
	}
	if errors.Is(err, ErrUnavailable) && (gone && h.outage.Ongoing() || !gone && !h.outage.Failed()) {
		return // if the client has gone, the request never begins an outage, because the only line about the outage would be Info
	}
	h.log.LogAttrs(r.Context(), level, "checkout request failed", slog.String("request_id", id),
		slog.String("method", r.Method), slog.String("route", routeOf(r.URL).pattern()),
		slog.Int("status", p.Status), slog.String("code", p.Code), slog.Any("error", err))
}

// logRecovery logs the end of an outage, once.
func (h *Handler) logRecovery(r *http.Request) {
	if lasted, failures, ended := h.outage.Answered(); ended {
		h.log.LogAttrs(r.Context(), slog.LevelInfo, "checkout requests succeed again", slog.Duration("failed_for", lasted), slog.Int("failed", failures))
	}
}

// enter takes one of the MaxInFlight places of requests that use the store, or returns errOverloaded at once if there is none. A queue
// would only keep clients waiting until they give up. After enter has returned nil, the caller must call leave.
func (h *Handler) enter() error {
	if h.inFlight == nil {
		return nil
	}
	select {
	case h.inFlight <- struct{}{}:
		return nil
	default:
		return errOverloaded
	}
}

func (h *Handler) leave() {
	if h.inFlight != nil {
		<-h.inFlight
	}
}

// answer does what the request asks. A panic becomes an error with status 500, because the host's stores and authenticators may panic.
// Only http.ErrAbortHandler is passed on: it asks the server to cut the connection.
//
// The order of the checks is part of the contract. The path and the method come first, because they need no credentials. Then come
// the credentials, so that nobody without them learns anything else.
func (h *Handler) answer(w http.ResponseWriter, r *http.Request) (a answer, err error) {
	defer func() {
		if v := recover(); v == http.ErrAbortHandler {
			panic(v)
		} else if v != nil {
			err = fmt.Errorf("panic: %v\n%s", v, debug.Stack())
		}
	}()
	route := routeOf(r.URL)
	if route.kind == routeNone {
		return answer{}, errNoRoute
	}
	r.Pattern = h.basePath + route.pattern() // for middleware that names its metrics by route
	if allowed := route.methods(); !slices.Contains(allowed, r.Method) {
		return answer{}, methodNotAllowed(allowed)
	}
	if route.kind == routeOpenAPI {
		return answer{status: http.StatusOK, contentType: "application/yaml", body: openAPI}, nil
	}
	account, err := h.authenticate(r)
	if err != nil {
		return answer{}, err
	}
	switch {
	case route.kind == routeCancel:
		a, err = h.cancel(r, account, route.id)
	case route.kind == routeEvents:
		a, err = h.events(r, account, route.id)
	case route.kind == routeSession:
		a, err = h.get(r, account, route.id)
	case r.Method == http.MethodPost:
		a, err = h.create(w, r, account)
	default:
		a, err = h.list(r, account)
	}
	if err == nil {
		h.logRecovery(r)
	}
	return a, err
}

func (h *Handler) authenticate(r *http.Request) (Account, error) {
	account, err := h.auth.Authenticate(r)
	if errors.Is(err, ErrUnauthenticated) {
		return Account{}, ErrUnauthenticated
	}
	if err != nil {
		// The credentials could not be looked up. The cause is not wrapped: it might be, say, an ErrNotFound of the host's own
		// database, and must not be answered as one of ours.
		return Account{}, fmt.Errorf("authenticate: %w: %v", ErrUnavailable, err)
	}
	var f faults
	if f.account(account); f != nil {
		return Account{}, fmt.Errorf("the authenticator returned an account whose ID %s", f[0].Detail)
	}
	return account, nil
}

// create answers POST /v1/checkouts. It checks the media type, the body's size, the idempotency key, the JSON and its members, in
// this order, and reports all faults of the members at once. Only then does it use the store, so a request that is not valid costs
// no read and uses up no key.
func (h *Handler) create(w http.ResponseWriter, r *http.Request, account Account) (answer, error) {
	if err := checkMediaType(r.Header); err != nil {
		return answer{}, err
	}
	body, err := h.readBody(w, r)
	if err != nil {
		return answer{}, err
	}
	key, err := h.idempotencyKey(r)
	if err != nil {
		return answer{}, err
	}
	params, f, err := decodeCreate(body)
	if err != nil {
		return answer{}, err
	}
	params.Account, params.IdempotencyKey = account, key
	normal := params.normalize(&f)
	if err := f.err(); err != nil {
		return answer{}, err
	}
	if err := h.enter(); err != nil {
		return answer{}, err
	}
	defer h.leave()
	session, replayed, err := h.checkouts.create(r.Context(), normal)
	if err != nil {
		return answer{}, err
	}
	location := field{"Location", h.basePath + "/v1/checkouts/" + session.ID}
	if replayed {
		return h.sessionAnswer(http.StatusOK, &session, location, field{"Idempotent-Replayed", "true"})
	}
	return h.sessionAnswer(http.StatusCreated, &session, location)
}

func (h *Handler) cancel(r *http.Request, account Account, id string) (answer, error) {
	if err := h.enter(); err != nil {
		return answer{}, err
	}
	defer h.leave()
	session, err := h.checkouts.Cancel(r.Context(), account, id)
	if err != nil {
		return answer{}, err
	}
	return h.sessionAnswer(http.StatusOK, &session)
}

func (h *Handler) list(r *http.Request, account Account) (answer, error) {
	q, err := decodeQuery(r.URL.RawQuery)
	if err != nil {
		return answer{}, err
	}
	if err := h.enter(); err != nil {
		return answer{}, err
	}
	defer h.leave()
	page, err := h.checkouts.List(r.Context(), account, q)
	if err != nil {
		return answer{}, asQuery(err)
	}
	return h.pageAnswer(page)
}

func (h *Handler) events(r *http.Request, account Account, id string) (answer, error) {
	if err := h.enter(); err != nil {
		return answer{}, err
	}
	defer h.leave()
	events, err := h.checkouts.History(r.Context(), account, id)
	if err != nil {
		return answer{}, err
	}
	return h.eventsAnswer(events)
}

// requestID returns the request's own ID if it is usable, and otherwise a new one. Control characters in an ID could forge lines
// of the log, and a long ID could flood it.
func requestID(r *http.Request) string {
	if ids := r.Header["Request-Id"]; len(ids) == 1 && 1 <= len(ids[0]) && len(ids[0]) <= 128 && isVisibleASCII(ids[0]) {
		return ids[0]
	}
	id, err := uuid.NewV7()
	if err != nil {
		return uuid.NewString()
	}
	return id.String()
}
