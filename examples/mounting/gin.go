package mounting

import (
	"net/http"

	"github.com/gin-gonic/gin"
)

// Gin mounts h in a gin engine.
//
// One catch-all leaves gin nothing to redirect: RedirectTrailingSlash, on by default, acts only where no route matches,
// and here /v1/checkouts/ matches. The NoMethod handler has no part either, since Any leaves out only methods that gin
// does not know; those, such as BREW, are 404 from gin, or go to the host's NoRoute.
//
// Gin refuses, by a panic, other routes beside a catch-all. A host with routes of its own under /v1 mounts h by
// [GinBeside].
func Gin(prefix string, h http.Handler) http.Handler {
	engine := gin.New()
	engine.GET("/", gin.WrapF(home))
	engine.Any(prefix+"/v1/*path", gin.WrapH(http.StripPrefix(prefix, h)))
	return engine
}

// GinBeside mounts h in a gin engine that has other routes under /v1. Paths there that are nobody's are then 404 from
// gin.
func GinBeside(prefix string, h http.Handler) http.Handler {
	engine := gin.New()
	engine.GET("/", gin.WrapF(home))
	engine.GET(prefix+"/v1/orders", gin.WrapF(home))
	mounted := gin.WrapH(http.StripPrefix(prefix, h))
	engine.Any(prefix+"/v1/checkouts", mounted)
	engine.Any(prefix+"/v1/checkouts/*path", mounted)
	engine.Any(prefix+"/v1/openapi.yaml", mounted)
	return engine
}
