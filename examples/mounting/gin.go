package mounting

import (
	"net/http"

	"github.com/gin-gonic/gin"
)

// Gin mounts h in a gin engine.
//
// With one catch-all route gin redirects nothing: RedirectTrailingSlash, which is on by default, acts only if no route matches. Any
// is for the methods that gin knows. For others, such as BREW, gin answers 404 or calls the host's NoRoute.
//
// Gin panics if there are other routes beside a catch-all. A host with routes of its own under /v1 mounts h with [GinBeside].
func Gin(prefix string, h http.Handler) http.Handler {
	engine := gin.New()
	engine.GET("/", gin.WrapF(home))
	engine.Any(prefix+"/v1/*path", gin.WrapH(http.StripPrefix(prefix, h)))
	return engine
}

// GinBeside mounts h in a gin engine that has other routes under /v1. For paths under /v1 without a route gin then answers 404.
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
