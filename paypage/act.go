package paypage

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/caisse/checkout"
)

// maxFormBytes bounds the body of a form. A form of the page has less than 80 bytes.
const maxFormBytes = 4 << 10

// The values of a form's field "do".
const (
	doPay    = "pay"
	doCancel = "cancel"
)

// form is a form that the payer has sent.
type form struct {
	do      string
	attempt string // "" if the page offered none
}

// readForm reads a form that this page made for this link, and that the browser sent from this page.
func (p *Page) readForm(v *visit) (form, bool) {
	if !p.ownOrigin(v.r) {
		return form{}, false
	}
	v.r.Body = http.MaxBytesReader(v.w, v.r.Body, maxFormBytes)
	if err := v.r.ParseForm(); err != nil {
		return form{}, false
	}
	attempt, genuine := p.keys.attempt(v.token, v.r.PostForm.Get("form"))
	f := form{do: v.r.PostForm.Get("do"), attempt: attempt}
	return f, genuine && (f.do == doCancel || f.do == doPay)
}

// ownOrigin reports whether a POST comes from the page itself, according to the browser. Over https browsers send Sec-Fetch-Site. Otherwise
// there is only Origin, which is "null" if a page with the policy no-referrer posts to itself (Fetch, "append a request Origin
// header"). In that case only the form protects the payer: it is bound to the link, and nobody can get a form without the link.
func (p *Page) ownOrigin(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "same-origin", "none": // none: the payer did it, with a reload for example
		return true
	case "":
		origin := r.Header.Get("Origin")
		return origin == "" || origin == "null" || strings.EqualFold(origin, p.origin)
	}
	return false
}

// act does what a form asks for, and then redirects to the page, so that a reload does not ask for it again.
func (p *Page) act(v *visit, f form) {
	if f.do == doCancel {
		if _, err := p.checkouts.Cancel(v.r.Context(), v.name.account, v.name.id); err != nil && !tooLate(err) {
			p.explainError(v, "cancel session", err)
			return
		}
		p.back(v, note{})
		return
	}
	if f.attempt == "" || !mayBegin(&v.session, f.attempt) {
		p.back(v, note{}) // the session has changed since the form was made; the page shows how it is now
		return
	}
	began, told, err := p.payOnce(v.r.Context(), &v.session, f.attempt)
	if err != nil && !tooLate(err) {
		p.explainError(v, "begin payment", err)
		return
	}
	if err == nil {
		v.session = began
	}
	p.back(v, told)
}

// tooLate reports whether err says that the session has already changed, so that it can no longer be paid or cancelled.
func tooLate(err error) bool {
	_, is := errors.AsType[*checkout.TransitionError](err)
	return is
}

// back redirects the payer to the page, with a note for the page to show.
func (p *Page) back(v *visit, n note) {
	v.w.Header().Set("Location", p.path+"/"+v.token+"?note="+p.keys.seal(n, &v.session))
	v.w.WriteHeader(http.StatusSeeOther)
}

type flightKey struct {
	name    name
	attempt string
}

// flight is a call of Pay under way.
type flight struct {
	done  chan struct{} // closed when the other fields are set
	began checkout.Session
	told  note
	err   error
}

// payOnce begins an attempt and calls Pay. Concurrent calls for one attempt share one call of Pay. The call goes on if the payer
// leaves, because a browser cancels the first request when the payer clicks twice.
func (p *Page) payOnce(ctx context.Context, s *checkout.Session, attempt string) (checkout.Session, note, error) {
	key := flightKey{name{s.Account, s.ID}, attempt}
	p.mu.Lock()
	f, underWay := p.flights[key]
	if !underWay {
		f = &flight{done: make(chan struct{}), err: errPanicked}
		p.flights[key] = f
	}
	p.mu.Unlock()
	if underWay {
		select {
		case <-f.done:
			return f.began, f.told, f.err
		case <-ctx.Done():
			return checkout.Session{}, note{}, ctx.Err()
		}
	}
	defer func() {
		p.mu.Lock()
		delete(p.flights, key)
		p.mu.Unlock()
		close(f.done)
	}()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), p.payTimeout)
	defer cancel()
	f.began, f.told, f.err = p.begin(ctx, s, attempt)
	return f.began, f.told, f.err
}

var errPanicked = errors.New("paypage: the call panicked")

// begin records the attempt in the session before the operator is asked. Otherwise, after a crash in between, the operator would have
// a payment that belongs to no session.
func (p *Page) begin(ctx context.Context, seen *checkout.Session, attempt string) (checkout.Session, note, error) {
	s, err := p.checkouts.Begin(ctx, seen.Account, seen.ID, attempt)
	if _, refused := errors.AsType[*checkout.ValidationError](err); refused {
		return *seen, note{kind: noteTooMany}, nil // the attempt's ID is valid, so the reason is MaxChanges
	}
	if err != nil {
		return checkout.Session{}, note{}, err
	}
	if s.Version > seen.Version+1 {
		// Another request has changed the session since it was read, and this attempt may have been refused meanwhile. The page shows the
		// session as it is now, and the payer decides.
		return s, note{}, nil
	}
	next, err := p.callPay(ctx, s)
	if refused, ok := errors.AsType[*Refused](err); ok {
		return s, note{kind: noteRefused, text: cut(refused.Reason, maxNoteText)}, nil
	}
	if err == nil && next.URL != "" {
		if u, parseErr := url.Parse(next.URL); parseErr != nil || !isWebURL(u) || len(next.URL) > maxNextURL {
			err = errors.New("paypage: Next.URL is no http or https URL, or too long")
		}
	}
	switch {
	case err != nil:
		p.log.LogAttrs(ctx, slog.LevelError, "asking for a payment failed", slog.Any("session", s), slog.Any("error", err))
		return s, note{kind: noteTrouble}, nil
	case next.URL != "":
		return s, note{kind: noteGo, text: next.URL}, nil
	}
	return s, note{}, nil
}

// callPay calls Pay. It turns a panic into an error after which the operator may or may not have been asked.
func (p *Page) callPay(ctx context.Context, s checkout.Session) (next Next, err error) {
	defer func() {
		if fault := recover(); fault != nil {
			err = fmt.Errorf("paypage: Pay panicked: %v", fault)
		}
	}()
	return p.pay(ctx, s)
}

// cut replaces invalid UTF-8 in a text. If the text is longer than n code points, cut shortens it to n, and the last one is an ellipsis.
func cut(s string, n int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + "…"
}
