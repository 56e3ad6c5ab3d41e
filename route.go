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
	routeOpenAPI
)

// route is a path of the contract.
type route struct {
	kind routeKind
	id   string
}

// routeOf reads the path segment by segment as it was sent, so that an escaped slash does not make two of one.
func routeOf(u *url.URL) route {
	rest, ok := strings.CutPrefix(u.EscapedPath(), "/v1/")
	if !ok {
		return route{}
	}
	segments := strings.Split(rest, "/")
	for i, s := range segments {
		unescaped, err := url.PathUnescape(s)
		if err != nil || unescaped == "" {
			return route{}
		}
		segments[i] = unescaped
	}
	switch {
	case len(segments) == 1 && segments[0] == "openapi.yaml":
		return route{kind: routeOpenAPI}
	case segments[0] != "checkouts":
		return route{}
	case len(segments) == 1:
		return route{kind: routeSessions}
	case len(segments) == 2:
		return route{kind: routeSession, id: segments[1]}
	case len(segments) == 3 && segments[2] == "cancel":
		return route{kind: routeCancel, id: segments[1]}
	}
	return route{}
}

// methods are those that the route answers.
func (r route) methods() []string {
	switch r.kind {
	case routeSessions:
		return []string{http.MethodGet, http.MethodHead, http.MethodPost}
	case routeCancel:
		return []string{http.MethodPost}
	}
	return []string{http.MethodGet, http.MethodHead}
}
