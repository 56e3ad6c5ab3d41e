package checkout

import (
	"net/http"
	"net/url"
	"strings"
)

type routeKind int

const (
	routeNone routeKind = iota
	routeSessions
	routeSession
	routeCancel
	routeEvents
	routeOpenAPI
)

// route is a path of the contract. The host may put a router before the handler, which may strip a prefix. But the handler reads the
// path itself, so it answers the same under every router.
type route struct {
	kind routeKind
	id   string
}

// routeOf splits the path as it was sent, and unescapes each segment by itself. So "/v1/checkouts/a%2Fcancel" is the session
// "a/cancel", which does not exist, and not the cancellation of "a". A path with an empty segment, such as one that ends with a
// slash, is no route.
func routeOf(u *url.URL) route {
	rest, ok := strings.CutPrefix(u.EscapedPath(), "/")
	segments := strings.Split(rest, "/")
	if !ok || len(segments) > 4 {
		return route{}
	}
	for i, s := range segments {
		unescaped, err := url.PathUnescape(s)
		if err != nil || unescaped == "" {
			return route{}
		}
		segments[i] = unescaped
	}
	switch {
	case len(segments) < 2 || segments[0] != "v1":
		return route{}
	case len(segments) == 2 && segments[1] == "openapi.yaml":
		return route{kind: routeOpenAPI}
	case segments[1] != "checkouts":
		return route{}
	case len(segments) == 2:
		return route{kind: routeSessions}
	case len(segments) == 3:
		return route{kind: routeSession, id: segments[2]}
	case segments[3] == "cancel":
		return route{kind: routeCancel, id: segments[2]}
	case segments[3] == "events":
		return route{kind: routeEvents, id: segments[2]}
	}
	return route{}
}

// pattern returns the path with "{id}" in place of the session's ID. It contains nothing that the client chose, so it is safe in logs
// and in names of metrics.
func (r route) pattern() string {
	switch r.kind {
	case routeSessions:
		return "/v1/checkouts"
	case routeSession:
		return "/v1/checkouts/{id}"
	case routeCancel:
		return "/v1/checkouts/{id}/cancel"
	case routeEvents:
		return "/v1/checkouts/{id}/events"
	case routeOpenAPI:
		return "/v1/openapi.yaml"
	}
	return ""
}

// methods returns the methods that the route answers, as the Allow header lists them.
func (r route) methods() []string {
	switch r.kind {
	case routeSessions:
		return []string{http.MethodGet, http.MethodHead, http.MethodPost}
	case routeCancel:
		return []string{http.MethodPost}
	}
	return []string{http.MethodGet, http.MethodHead}
}
