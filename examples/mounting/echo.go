package mounting

import (
	"net/http"

	"github.com/labstack/echo/v4"
)

// Echo mounts h in an echo server.
//
// WrapHandler always returns nil, because h has answered, with an error or not. So the host's HTTPErrorHandler is not called, and
// middleware that counts errors must look at Response().Status. Any is for the methods that echo knows. RouteNotFound is for
// other methods, which echo would answer with its own 405.
func Echo(prefix string, h http.Handler) http.Handler {
	e := echo.New()
	e.GET("/", echo.WrapHandler(http.HandlerFunc(home)))
	mounted := echo.WrapHandler(http.StripPrefix(prefix, h))
	e.Any(prefix+"/v1/*", mounted)
	e.RouteNotFound(prefix+"/v1/*", mounted)
	return e
}
