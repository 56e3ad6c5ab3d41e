package main

import (
	"net/http"
	"strings"
)

// stage is the screen of the demonstration: the shop in one frame, the phone in the other.
func stage(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_ = pages.ExecuteTemplate(w, "stage.html", nil) // a visitor who is gone needs no page
}

// framed lets the payer's page stand in a frame of this demonstration, so that the phone has room beside it. Leave it out in
// your own program: a payer's page that others can frame can be made to be clicked unseen.
func framed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(&framedWriter{ResponseWriter: w}, r)
	})
}

type framedWriter struct {
	http.ResponseWriter
	told bool
}

func (w *framedWriter) WriteHeader(status int) {
	h := w.Header()
	h.Del("X-Frame-Options")
	h.Set("Content-Security-Policy", strings.Replace(h.Get("Content-Security-Policy"), "frame-ancestors 'none'", "frame-ancestors 'self'", 1))
	w.told = true
	w.ResponseWriter.WriteHeader(status)
}

func (w *framedWriter) Write(p []byte) (int, error) {
	if !w.told {
		w.WriteHeader(http.StatusOK)
	}
	return w.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *framedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
