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

// TestPitfalls proves what the comments of package mounting warn of. If a new version of a router behaves differently, this test fails,
// and the comment must change.
func TestPitfalls(t *testing.T) {
	t.Run("ServeMux panics if GET / is registered beside /v1/", func(t *testing.T) {
		is := is.New(t)
		defer func() { is.True(recover() != nil) }()
		mux := http.NewServeMux()
		mux.Handle("GET /", http.NotFoundHandler())
		mux.Handle("/v1/", handlerFor(t, ""))
	})

	t.Run("gin panics if another route is registered beside the catch-all", func(t *testing.T) {
		is := is.New(t)
		defer func() { is.True(recover() != nil) }()
		engine := gin.New()
		engine.GET("/v1/orders", func(*gin.Context) {})
		engine.Any("/v1/*path", gin.WrapH(handlerFor(t, "")))
	})

	t.Run("gin serves the host's own route if GinBeside mounts the handler", func(t *testing.T) {
		is := is.New(t)
		w := httptest.NewRecorder()
		mounting.GinBeside("", handlerFor(t, "")).ServeHTTP(w, httptest.NewRequest("GET", "/v1/orders", nil))
		is.Equal(w.Body.String(), "the host's own page\n")
	})

	t.Run("gin with a route for each path answers some requests itself", func(t *testing.T) {
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
			is.Equal(w.Code, tt.status)                // the status is gin's own
			is.Equal(w.Header().Get("Request-Id"), "") // the handler sets this header, so it was not called
		}
	})

	t.Run("a prefix that is cut only from URL.Path breaks escaped paths", func(t *testing.T) {
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
			{"only URL.Path", cut, 404},
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
