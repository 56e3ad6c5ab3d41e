package mounting_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caisse/checkout/examples/mounting"
	"github.com/gin-gonic/gin"
	"github.com/matryer/is"
)

// TestPitfalls shows what the comments warn of. Where a router has changed its mind, the comment has to.
func TestPitfalls(t *testing.T) {
	t.Run("ServeMux panics when GET / stands beside /v1/", func(t *testing.T) {
		is := is.New(t)
		defer func() { is.True(recover() != nil) }()
		mux := http.NewServeMux()
		mux.Handle("GET /", http.NotFoundHandler())
		mux.Handle("/v1/", handlerFor(t, ""))
	})

	t.Run("gin panics when another route stands beside the catch-all", func(t *testing.T) {
		is := is.New(t)
		defer func() { is.True(recover() != nil) }()
		engine := gin.New()
		engine.GET("/v1/orders", func(*gin.Context) {})
		engine.Any("/v1/*path", gin.WrapH(handlerFor(t, "")))
	})

	t.Run("gin serves the host's own route where the handler stands beside it", func(t *testing.T) {
		is := is.New(t)
		w := httptest.NewRecorder()
		mounting.GinBeside("", handlerFor(t, "")).ServeHTTP(w, httptest.NewRequest("GET", "/v1/orders", nil))
		is.Equal(w.Body.String(), "the host's own page\n")
	})

	t.Run("gin with a route for each path redirects and answers in its own words", func(t *testing.T) {
		is := is.New(t)
		engine := gin.New()
		mounted := gin.WrapH(handlerFor(t, ""))
		engine.GET("/v1/checkouts", mounted)
		engine.POST("/v1/checkouts", mounted)
		for _, tt := range []struct {
			method, path string
			status       int
		}{
			{"GET", "/v1/checkouts/", 301},
			{"POST", "/v1/checkouts/", 307},
			{"HEAD", "/v1/checkouts", 404},
			{"DELETE", "/v1/checkouts", 404},
		} {
			w := httptest.NewRecorder()
			engine.ServeHTTP(w, httptest.NewRequest(tt.method, tt.path, nil))
			is.Equal(w.Code, tt.status)                // of gin
			is.Equal(w.Header().Get("Request-Id"), "") // the handler was not asked
		}
	})

	t.Run("cutting a prefix off URL.Path alone loses escaped paths", func(t *testing.T) {
		h := handlerFor(t, "/pay")
		cut := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.URL.Path = strings.TrimPrefix(r.URL.Path, "/pay")
			h.ServeHTTP(w, r)
		})
		for _, tt := range []struct {
			name   string
			strip  http.Handler
			status int
		}{
			{"http.StripPrefix", http.StripPrefix("/pay", h), 401},
			{"URL.Path alone", cut, 404},
		} {
			t.Run(tt.name, func(t *testing.T) {
				is := is.New(t)
				w := httptest.NewRecorder()
				tt.strip.ServeHTTP(w, httptest.NewRequest("GET", "/pay/v1/checkouts/a%2Fb", nil))
				is.Equal(w.Code, tt.status)
			})
		}
	})
}
