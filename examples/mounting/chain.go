package mounting

import (
	"context"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"
)

// Timeout is how long [Chain] lets the handler work.
const Timeout = 10 * time.Second

// Chain puts middleware in front of h that hosts usually have. h needs none of it: h itself limits the size of the body, recovers from a
// panic of its store, and sets Request-Id on every answer.
//
// There are two time limits. The deadline in the context comes first. The stores obey it, and h answers 503 as the contract says, with
// Retry-After, Request-Id and a problem body. [http.TimeoutHandler] is for code that ignores its context. It answers in place of h, with
// 503 too, but with HTML and none of these headers. A client may retry after either answer, because the same idempotency key finds a
// session that was written meanwhile.
func Chain(h http.Handler, log *slog.Logger) http.Handler {
	h = http.MaxBytesHandler(h, 1<<20) // for the host's other routes; h's own limit is lower
	h = deadline(Timeout, h)
	h = http.TimeoutHandler(h, Timeout+5*time.Second, "")
	h = recoverPanics(log, h)
	return logRequests(log, h)
}

func deadline(d time.Duration, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), d)
		defer cancel()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// recoverPanics answers 500 for a handler that panicked. It passes http.ErrAbortHandler on, with which a handler asks the server to close
// the connection.
func recoverPanics(log *slog.Logger, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			v := recover()
			if v == nil {
				return
			}
			if v == http.ErrAbortHandler {
				panic(v)
			}
			log.Error("handler panicked", "panic", v, "stack", string(debug.Stack()))
			http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		}()
		next.ServeHTTP(w, r)
	})
}

// logRequests logs each request for a reader of the log, and nothing secret: no header except the answer's Request-Id, no query, no body.
func logRequests(log *slog.Logger, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		recorder := &statusRecorder{ResponseWriter: w, status: http.StatusOK}
		defer func() {
			log.Info("request", "method", r.Method, "path", r.URL.Path, "status", recorder.status,
				"request_id", w.Header().Get("Request-Id"))
		}()
		next.ServeHTTP(recorder, r)
	})
}

type statusRecorder struct {
	http.ResponseWriter
	status int
}

func (w *statusRecorder) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (w *statusRecorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }
