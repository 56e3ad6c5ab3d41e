package mounting

import (
	"io"
	"net/http"
)

// ServeMux mounts h beside the host's own routes in the standard library's router.
//
// The mux redirects a path that is not clean, such as /v1//checkouts or /v1/./checkouts, to the clean one, with 307. If that
// matters and there is nothing else to route, give h to http.Server directly.
func ServeMux(prefix string, h http.Handler) http.Handler {
	mux := http.NewServeMux()
	// Not "GET /": it matches more paths than "/v1/" and fewer methods. The mux panics because of such a conflict.
	mux.HandleFunc("GET /{$}", home)
	// Without a method, so that the handler answers 405.
	mux.Handle(prefix+"/v1/", http.StripPrefix(prefix, h))
	return mux
}

// home is an example of the host's own pages.
func home(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "the host's own page\n") }
