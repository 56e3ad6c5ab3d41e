package main

import (
	"net/http"
	"strings"
)

// stage is the screen of the demonstration: the shop in one frame, the phone in the other.
func stage(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_ = pages.ExecuteTemplate(w, "stage.html", nil) // an error means that the visitor has gone
}

// framed allows the payer's page in a frame of this demonstration, so that the phone is beside it. Leave it out in your own
// program: another site could put a page that can be framed under something else, and make a payer click on it (clickjacking).
func framed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(&framedWriter{ResponseWriter: w}, r)
	})
}

type framedWriter struct {
	http.ResponseWriter
	wroteHeader bool
}

func (w *framedWriter) WriteHeader(status int) {
	h := w.Header()
	h.Del("X-Frame-Options")
	h.Set("Content-Security-Policy", strings.Replace(h.Get("Content-Security-Policy"), "frame-ancestors 'none'", "frame-ancestors 'self'", 1))
	w.wroteHeader = true
	w.ResponseWriter.WriteHeader(status)
}

func (w *framedWriter) Write(p []byte) (int, error) {
	if !w.wroteHeader {
		w.WriteHeader(http.StatusOK)
	}
	return w.ResponseWriter.Write(p)
}

// Unwrap is for http.ResponseController.
func (w *framedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
