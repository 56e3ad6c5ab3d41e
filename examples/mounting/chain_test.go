package mounting_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caisse/checkout/examples/mounting"
	"github.com/matryer/is"
)

// TestChain shows what a client gets behind the host's middleware when a timeout, a body limit or a panic ends its request, and proves that
// the log has no secret.
func TestChain(t *testing.T) {
	t.Run("answers a problem when the store takes too long", func(t *testing.T) {
		h := handlerFor(t, "")
		synctest.Test(t, func(t *testing.T) {
			is := is.New(t)
			w := post(t.Context(), chain(h), fmt.Sprintf(faultyBody, storeHangs))
			is.Equal(w.Code, 503)
			is.Equal(w.Header().Get("Retry-After"), "1")
			is.Equal(w.Header().Get("Content-Type"), "application/problem+json")
			problem := problemIn(t, w)
			is.Equal(problem["code"], "unavailable")
			is.Equal(problem["request_id"], w.Header().Get("Request-Id"))
		})
	})

	t.Run("lets http.TimeoutHandler answer if the store ignores its context", func(t *testing.T) {
		h := handlerFor(t, "")
		synctest.Test(t, func(t *testing.T) {
			is := is.New(t)
			body := fmt.Sprintf(faultyBody, storeIgnoresContext)
			w := post(t.Context(), chain(h), body)
			is.Equal(w.Code, 503)
			for _, lost := range []string{"Retry-After", "Request-Id", "Content-Type", "Cache-Control"} {
				is.Equal(w.Header().Get(lost), "") // the handler would have set this header
			}
			is.True(strings.HasPrefix(w.Body.String(), "<html>"))

			// The handler went on after this answer. The client's retry finds the session that it wrote.
			time.Sleep(2 * time.Hour)
			w = post(t.Context(), h, body)
			is.Equal(w.Code, 200)
			is.Equal(w.Header().Get("Idempotent-Replayed"), "true")
		})
	})

	t.Run("answers a problem with 413 if the host's body limit is lower", func(t *testing.T) {
		is := is.New(t)
		w := post(t.Context(), http.MaxBytesHandler(handlerFor(t, ""), 16), validBody)
		is.Equal(w.Code, 413)
		is.Equal(problemIn(t, w)["code"], "payload_too_large")
	})

	t.Run("answers 500 for a handler that panics, and logs why", func(t *testing.T) {
		is := is.New(t)
		var log bytes.Buffer
		w := httptest.NewRecorder()
		mounting.Chain(panicking("a fault of the host"), slog.New(slog.NewTextHandler(&log, nil))).
			ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		is.Equal(w.Code, 500)
		is.True(strings.Contains(log.String(), "a fault of the host"))
		is.True(!strings.Contains(w.Body.String(), "a fault of the host"))
	})

	t.Run("lets a handler cut the connection", func(t *testing.T) {
		is := is.New(t)
		defer func() { is.Equal(recover(), http.ErrAbortHandler) }()
		chain(panicking(http.ErrAbortHandler)).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
		t.Error("the panic did not reach the server")
	})

	t.Run("logs the request and no secret", func(t *testing.T) {
		is := is.New(t)
		var log bytes.Buffer
		w := post(t.Context(), mounting.Chain(handlerFor(t, ""), slog.New(slog.NewTextHandler(&log, nil))), validBody)
		is.Equal(w.Code, 201)
		is.True(strings.Contains(log.String(), "method=POST path=/v1/checkouts status=201 request_id="+w.Header().Get("Request-Id")))
		for _, secret := range []string{token, firstKey, "22507987654"} {
			is.True(!strings.Contains(log.String(), secret))
		}
	})
}

func chain(h http.Handler) http.Handler {
	return mounting.Chain(h, slog.New(slog.DiscardHandler))
}

func panicking(v any) http.Handler {
	return http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(v) })
}

func post(ctx context.Context, h http.Handler, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(ctx, "POST", "/v1/checkouts", strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Idempotency-Key", firstKey)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func problemIn(t *testing.T, w *httptest.ResponseRecorder) map[string]any {
	t.Helper()
	is := is.New(t)
	var problem map[string]any
	is.NoErr(json.Unmarshal(w.Body.Bytes(), &problem))
	return problem
}
