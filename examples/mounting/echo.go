package mounting

import (
	"net/http"

	"github.com/labstack/echo/v4"
)

// Echo mounts h in an echo server.
//
// WrapHandler always returns nil: h has answered, errors included, so the host's HTTPErrorHandler is not asked, and
// middleware that counts errors must look at Response().Status. Any covers the methods that echo knows. RouteNotFound
// covers the rest, which echo would answer with a 405 of its own.
func Echo(prefix string, h http.Handler) http.Handler {
	e := echo.New()
	e.GET("/", echo.WrapHandler(http.HandlerFunc(home)))
	mounted := echo.WrapHandler(http.StripPrefix(prefix, h))
	e.Any(prefix+"/v1/*", mounted)
	e.RouteNotFound(prefix+"/v1/*", mounted)
	return e
}
