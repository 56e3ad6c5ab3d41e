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

// maxFormBytes bounds the body of a form. A form of the page has some 120 bytes.
const maxFormBytes = 4 << 10

// What a form asks for.
const (
	doPay    = "pay"
	doCancel = "cancel"
)

// form is what the payer has sent.
type form struct {
	do      string
	attempt string // "" where the page offered none
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

// ownOrigin reports whether a POST comes from the page itself, by what the browser says. Browsers say Sec-Fetch-Site over
// https. Otherwise Origin is left, and with it a no-referrer page that posts to itself sends "null" (Fetch, "append a
// request Origin header"). Then the form decides: it is bound to the link, and who does not have that cannot make it.
func (p *Page) ownOrigin(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "same-origin", "none": // none: the payer's own doing, such as a reload
		return true
	case "":
		origin := r.Header.Get("Origin")
		return origin == "" || origin == "null" || strings.EqualFold(origin, p.origin)
	}
	return false
}

// act does what a form asks for and sends the payer back to the page by a GET, so that a reload asks for nothing again.
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
		p.back(v, note{}) // the page has changed since the form was made, and says how it stands now
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

// tooLate reports whether the session had already become what the payer's wish does not fit.
func tooLate(err error) bool {
	_, is := errors.AsType[*checkout.TransitionError](err)
	return is
}

// back sends the payer to the page, with a note of what is to be said there.
func (p *Page) back(v *visit, n note) {
	v.w.Header().Set("Location", p.path+"/"+v.token+"?note="+p.keys.seal(n, &v.session))
	v.w.WriteHeader(http.StatusSeeOther)
}

type flightKey struct {
	name    name
	attempt string
}

// flight is a payment that is being asked for.
type flight struct {
	done  chan struct{} // closed when the rest is there
	began checkout.Session
	told  note
	err   error
}

// payOnce begins an attempt and asks Pay for it. Calls for one attempt at the same time share one call of Pay. It goes on
// when the payer leaves: a browser cuts the first of two clicks off.
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

// begin has the attempt in the session before the operator hears of it. The other way round, a crash in between would leave a
// payment that no session knows of.
func (p *Page) begin(ctx context.Context, seen *checkout.Session, attempt string) (checkout.Session, note, error) {
	s, err := p.checkouts.Begin(ctx, seen.Account, seen.ID, attempt)
	if _, refused := errors.AsType[*checkout.ValidationError](err); refused {
		return *seen, note{kind: noteTooMany}, nil // the attempt is of our making: only MaxChanges can be in its way
	}
	if err != nil {
		return checkout.Session{}, note{}, err
	}
	if s.Version > seen.Version+1 {
		// Others have changed the session since it was read, and this attempt may be one that was refused meanwhile. The
		// page says how things stand and lets the payer decide.
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

// callPay takes a panic of the host's code for an error that leaves open what became of the payment.
func (p *Page) callPay(ctx context.Context, s checkout.Session) (next Next, err error) {
	defer func() {
		if fault := recover(); fault != nil {
			err = fmt.Errorf("paypage: Pay panicked: %v", fault)
		}
	}()
	return p.pay(ctx, s)
}

// cut keeps the first n code points of valid text.
func cut(s string, n int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + "…"
}
