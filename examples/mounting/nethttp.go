package mounting

import (
	"io"
	"net/http"
)

// ServeMux mounts h beside the host's own routes in the standard library's router.
//
// The mux never passes on a path that is not clean: /v1//checkouts and /v1/./checkouts are answered with a redirect,
// 307, to the clean one. A host that minds gives h to http.Server by itself, where there is nothing else to route.
func ServeMux(prefix string, h http.Handler) http.Handler {
	mux := http.NewServeMux()
	// Not "GET /": it would match more paths than "/v1/" and fewer methods, a conflict that makes the mux panic.
	mux.HandleFunc("GET /{$}", home)
	// Without a method, so that 405 stays the handler's.
	mux.Handle(prefix+"/v1/", http.StripPrefix(prefix, h))
	return mux
}

// home stands for what else the host serves.
func home(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "the host's own page\n") }
