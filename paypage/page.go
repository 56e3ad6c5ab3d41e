package paypage

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/caisse/checkout"
)

// Page is the payer's page, an [http.Handler]. Make one with [New] and mount it at Config.URL, with the prefix stripped:
//
//	mux.Handle("/pay/", http.StripPrefix("/pay", page))
//
// It is safe for concurrent use, starts no goroutine and needs no closing.
type Page struct {
	checkouts  *checkout.Checkouts
	keys       keyring
	url        string
	path       string // the path of url
	origin     string // the origin of url
	pay        func(context.Context, checkout.Session) (Next, error)
	payTimeout time.Duration
	merchant   func(checkout.Account) string
	explain    func(language, reason string) string
	simulated  bool
	languages  map[string]*drawer
	fallback   string
	policy     string        // Content-Security-Policy
	waiting    chan struct{} // contains one value for each request that waits
	clock      checkout.Clock
	log        *slog.Logger

	mu      sync.Mutex
	flights map[flightKey]*flight
}

// Link returns the URL of the page of s, or "" if s can no longer be paid. A session always has the same link, as long as the first of
// Config.Keys is the same. It fits HandlerConfig.CheckoutURL. Whoever has the link can pay and cancel the session, so keep it out of
// logs.
func (p *Page) Link(s checkout.Session) string {
	if !payable(&s) {
		return ""
	}
	return p.url + "/" + p.keys.token(name{s.Account, s.ID})
}

// payable reports whether a payment of s can still begin or be asked for again.
func payable(s *checkout.Session) bool {
	return s.Status == checkout.StatusCreated || s.Status == checkout.StatusPending
}

// visit is one request for a session's page.
type visit struct {
	w       http.ResponseWriter
	r       *http.Request
	token   string
	name    name
	lang    string
	session checkout.Session // as it is now; set once it has been read
}

// ServeHTTP implements [http.Handler].
func (p *Page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", p.policy)
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Vary", "Accept-Language")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("X-Robots-Tag", "noindex, nofollow")
	v := &visit{w: w, r: r, lang: p.language(r)}
	defer func() {
		if fault := recover(); fault != nil {
			if fault == http.ErrAbortHandler {
				panic(fault)
			}
			p.log.LogAttrs(r.Context(), slog.LevelError, "payer's page panicked", slog.Any("panic", fault),
				slog.String("session", v.name.id), slog.String("stack", string(debug.Stack())))
			p.explainFault(v, http.StatusInternalServerError)
		}
	}()
	p.serve(v)
}

func (p *Page) serve(v *visit) {
	token, rest, nested := strings.Cut(strings.TrimPrefix(v.r.URL.Path, "/"), "/")
	wait := nested && rest == "wait"
	var genuine bool
	if v.name, genuine = p.keys.name(token); !genuine || nested && !wait {
		p.explainFault(v, http.StatusNotFound)
		return
	}
	v.token = token
	reads := v.r.Method == http.MethodGet || v.r.Method == http.MethodHead
	if !reads && (wait || v.r.Method != http.MethodPost) {
		v.w.Header().Set("Allow", "GET, HEAD, POST")
		if wait {
			v.w.Header().Set("Allow", "GET, HEAD")
		}
		p.explainFault(v, http.StatusMethodNotAllowed)
		return
	}
	if wait {
		p.wait(v)
		return
	}
	var form form
	if !reads {
		if form, genuine = p.readForm(v); !genuine {
			p.explainFault(v, http.StatusForbidden)
			return
		}
	}
	var err error
	if v.session, err = p.checkouts.Get(v.r.Context(), v.name.account, v.name.id); err != nil {
		p.explainError(v, "read session", err)
		return
	}
	if reads {
		p.show(v)
		return
	}
	p.act(v, form)
}

func (p *Page) language(r *http.Request) string {
	return negotiate(r.Header.Get("Accept-Language"), func(tag string) bool { return p.languages[tag] != nil }, p.fallback)
}

// explainError answers with a page about an error of Checkouts.
func (p *Page) explainError(v *visit, doing string, err error) {
	if errors.Is(err, checkout.ErrNotFound) {
		p.explainFault(v, http.StatusNotFound)
		return
	}
	status := http.StatusInternalServerError
	if errors.Is(err, checkout.ErrUnavailable) || errors.Is(err, checkout.ErrOutcomeUnknown) || errors.Is(err, checkout.ErrConflict) ||
		v.r.Context().Err() != nil {
		status = http.StatusServiceUnavailable
	}
	if v.r.Context().Err() == nil { // if the payer has gone, it is no failure
		p.log.LogAttrs(v.r.Context(), slog.LevelError, "payer's page failed", slog.String("doing", doing),
			slog.String("session", v.name.id), slog.Int("status", status), slog.Any("error", err))
	}
	p.explainFault(v, status)
}

// explainFault answers with a page that says what is wrong. It shows nothing of a session.
func (p *Page) explainFault(v *visit, status int) {
	t := &p.languages[v.lang].texts
	view := View{State: StateFault, Alarming: true, Heading: t.TroubleHeading, Message: t.Unavailable}
	switch status {
	case http.StatusNotFound:
		view.Heading, view.Message = t.NotFoundHeading, t.NotFound
	case http.StatusForbidden, http.StatusMethodNotAllowed:
		view.Heading, view.Message = t.ForeignHeading, t.Foreign
	case http.StatusServiceUnavailable:
		v.w.Header().Set("Retry-After", "5")
	}
	if v.token != "" {
		view.Link, view.LinkText = href(p.path+"/"+v.token), t.BackToPage
	}
	p.draw(v, status, &view)
}
