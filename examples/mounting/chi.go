package mounting

import (
	"net/http"

	"github.com/go-chi/chi/v5"
)

// Chi mounts h in a chi router.
//
// Mount changes chi's own notion of the path and leaves r.URL as the client sent it, so h sees /v1/… whole, and a
// path with escapes (chi routes by URL.RawPath where there is one) arrives with them. A prefix is therefore still
// there, and StripPrefix takes it off.
//
// A method that chi does not know, such as BREW, is answered by chi itself with a bare 405, before any route is looked
// at; chi.RegisterMethod, which is global, would let it through.
func Chi(prefix string, h http.Handler) http.Handler {
	r := chi.NewRouter()
	r.Get("/", home)
	r.Mount(prefix+"/v1", http.StripPrefix(prefix, h))
	return r
}
