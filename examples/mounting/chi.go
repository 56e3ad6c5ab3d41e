package mounting

import (
	"net/http"

	"github.com/go-chi/chi/v5"
)

// Chi mounts h in a chi router.
//
// Mount does not change r.URL, so h sees the whole path, with its escapes. The path still has the prefix, so StripPrefix removes it.
//
// If chi does not know a method, such as BREW, it answers 405 without calling h. After chi.RegisterMethod, which is global, it would call h.
func Chi(prefix string, h http.Handler) http.Handler {
	r := chi.NewRouter()
	r.Get("/", home)
	r.Mount(prefix+"/v1", http.StripPrefix(prefix, h))
	return r
}
