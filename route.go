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

// route is a path of the contract.
type route struct {
	kind routeKind
	id   string
}

// routeOf reads the path segment by segment as it was sent, so that an escaped slash does not make two of one.
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

// pattern is the path without what the client chose.
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
