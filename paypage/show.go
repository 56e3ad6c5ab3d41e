package paypage

import (
	"fmt"
	"html"
	"html/template"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/caisse/checkout"
)

// State says what a page shows.
type State string

// The states of a page.
const (
	StatePay        State = "pay"        // the payer can pay
	StateWait       State = "wait"       // an attempt is under way
	StateProcessing State = "processing" // the operator holds the money
	StateCompleted  State = "completed"
	StateFailed     State = "failed"
	StateExpired    State = "expired"
	StateCancelled  State = "cancelled"
	StateLeave      State = "leave" // on the way to another site
	StateFault      State = "fault" // no session is shown
)

// View is what a template draws. All fields are plain text, which the template escapes, except Link.
type View struct {
	_ struct{} // keyed literals only

	State   State
	Heading string // what the page is about
	Message string // what the payer should know or do now
	// At most one of these is true. Alarming: something went wrong, or the session has ended unpaid. Busy: the payer has to wait.
	// Done: the session is paid.
	Alarming, Busy, Done bool
	Simulated            bool // Config.Simulated
	Test                 bool // the session is in test mode

	// These fields describe the payment. A field is "" if the session has no such value. In StateFault all of them are "".
	Merchant    string
	Amount      string
	Description string
	Reference   string
	Phone       string // masked
	Details     bool   // Description, Reference or Phone is not ""
	Left        string // how long the session can still be paid, as minutes:seconds or hours:minutes:seconds

	// Form is the value of the hidden field "form". The HTML form is sent by POST to the page's own URL, and its field "do" is "pay" or
	// "cancel". Form is "" if the payer can neither pay nor cancel.
	Form       string
	Pay        string // the text of the button that pays; "" if there is none
	Again      bool   // the button repeats the request for the same attempt
	Cancelable bool

	// Link is a complete attribute, href="…", for a link to another page, or "". It is an attribute so that the merchant's URL stays
	// exactly as it is.
	Link     template.HTMLAttr
	LinkText string

	// Wait identifies what the page shows. The script requests the page's URL with "/wait?seen=" and Wait. The answer is another value
	// as soon as the page would look different, or the same value after a while. Wait is "" if the page does not wait for a change.
	Wait string
	// Refresh makes a browser without script reload the page every five seconds.
	Refresh bool
}

const sessionIDPlace = "{CHECKOUT_SESSION_ID}"

// target returns a merchant's URL with the session's ID in place of {CHECKOUT_SESSION_ID}, and otherwise unchanged.
func target(url, sessionID string) string {
	return strings.ReplaceAll(url, sessionIDPlace, sessionID)
}

// show answers with the page of a session as it is now, or sends the payer to the shop or to the card processor.
func (p *Page) show(v *visit) {
	s := &v.session
	query := v.r.URL.Query()
	_, answered := query["note"]
	var n note
	if answered {
		n = p.keys.note(query.Get("note"), s)
	}
	leave := ""
	switch {
	case s.Status == checkout.StatusCompleted && s.SuccessURL != "":
		leave = target(s.SuccessURL, s.ID)
	case s.Status == checkout.StatusCancelled && s.CancelURL != "":
		leave = target(s.CancelURL, s.ID)
	case n.kind == noteGo && payable(s):
		leave = n.text
	}
	if leave != "" {
		// This answer may be the end of a chain of redirects after a form. Browsers apply form-action to every step of such a
		// chain, and it allows no other site. So the chain ends here, with a page that loads the other site by itself.
		if !answered {
			v.w.Header().Set("Location", headerURL(leave))
			v.w.WriteHeader(http.StatusSeeOther)
			return
		}
		v.w.Header().Set("Refresh", "0; url="+headerURL(leave))
	}
	view := p.view(v, n, leave)
	p.draw(v, http.StatusOK, &view)
}

// view returns the view of a visit's session.
func (p *Page) view(v *visit, n note, leave string) View {
	s, t := &v.session, &p.languages[v.lang].texts
	view := View{
		Amount:      amount(s, strings.HasPrefix(v.lang, "fr")),
		Description: s.Description,
		Reference:   s.ClientReference,
		Phone:       maskedPhone(s),
		Simulated:   p.simulated,
		Test:        s.Account.Test,
	}
	view.Details = view.Description != "" || view.Reference != "" || view.Phone != ""
	if p.merchant != nil {
		view.Merchant = p.merchant(s.Account)
	}
	places := &places{amount: view.Amount, phone: view.Phone}
	if leave != "" {
		view.State, view.Busy, view.Heading, view.Message = StateLeave, true, t.LeaveHeading, t.Leave
		view.Link, view.LinkText = href(leave), t.Continue
		if s.Status == checkout.StatusCompleted {
			view.Busy, view.Done, view.Heading, view.Message = false, true, t.CompletedHeading, places.fill(t.Completed)
		}
		return view
	}
	if payable(s) {
		view.Left = left(s.ExpiresAt.Sub(p.clock.Now()))
		p.offer(&view, v, n, places)
	} else {
		p.outcome(&view, v, places)
	}
	if payable(s) || s.Status == checkout.StatusProcessing {
		view.Wait = waitText(s)
		view.Refresh = view.State != StatePay
	}
	return view
}

// offer sets the text, the form and the buttons for a session that can be paid.
func (p *Page) offer(view *View, v *visit, n note, places *places) {
	s, t := &v.session, &p.languages[v.lang].texts
	card := s.PaymentMethod == checkout.Card
	view.Cancelable = true
	attempt := ""
	switch {
	case unbegun(s):
		attempt = attemptAfter(s, "")
		view.State, view.Heading, view.Message = StatePay, pick(card, t.PayCardHeading, t.PayPhoneHeading), places.fill(pick(card, t.PayCard, t.PayPhone))
		view.Pay = places.fill(t.Pay)
	case n.kind == noteRefused:
		attempt = attemptAfter(s, s.PaymentID)
		view.State, view.Heading, view.Pay, view.Alarming = StatePay, t.RefusedHeading, t.TryAgain, true
		view.Message = p.because(v.lang, n.text, t.Refused, t.RefusedUnsaid, places)
	default:
		view.State, view.Busy = StateWait, true
		view.Heading, view.Message = pick(card, t.WaitCardHeading, t.WaitPhoneHeading), places.fill(pick(card, t.WaitCard, t.WaitPhone))
		if begunHere(s) {
			attempt = s.PaymentID
			view.Pay, view.Again = pick(card, t.AgainCard, t.AgainPhone), true
		}
	}
	switch n.kind {
	case noteTrouble:
		view.Heading, view.Message, view.Alarming, view.Busy = t.TroubleHeading, t.Trouble, true, false
	case noteTooMany:
		view.Heading, view.Message, view.Alarming, view.Busy = t.RefusedHeading, t.TooMany, true, false
		attempt, view.Pay = "", ""
		p.backToShop(view, v)
	}
	view.Form = p.keys.form(v.token, attempt)
}

// outcome sets the text about a session that can no longer be paid.
func (p *Page) outcome(view *View, v *visit, places *places) {
	s, t := &v.session, &p.languages[v.lang].texts
	switch s.Status {
	case checkout.StatusProcessing:
		view.State, view.Busy, view.Heading, view.Message = StateProcessing, true, t.ProcessingHeading, places.fill(t.Processing)
	case checkout.StatusCompleted:
		view.State, view.Done, view.Heading, view.Message = StateCompleted, true, t.CompletedHeading, places.fill(t.Completed)
	case checkout.StatusExpired:
		view.State, view.Alarming, view.Heading, view.Message = StateExpired, true, t.ExpiredHeading, t.Expired
		p.backToShop(view, v)
	case checkout.StatusCancelled:
		view.State, view.Alarming, view.Heading, view.Message = StateCancelled, true, t.CancelledHeading, t.Cancelled
	default:
		view.State, view.Heading, view.Alarming = StateFailed, t.FailedHeading, true
		view.Message = p.because(v.lang, s.FailureReason, t.Failed, t.FailedUnsaid, places)
		p.backToShop(view, v)
	}
}

func (p *Page) backToShop(view *View, v *visit) {
	if v.session.CancelURL != "" {
		view.Link, view.LinkText = href(target(v.session.CancelURL, v.session.ID)), p.languages[v.lang].texts.BackToShop
	}
}

// because returns the text said, with the reason in it. If there is no reason to show, it returns the text unsaid.
func (p *Page) because(lang, reason, said, unsaid string, places *places) string {
	if p.explain != nil && reason != "" {
		reason = p.explain(lang, reason)
	}
	if reason == "" {
		return unsaid
	}
	places.reason = reason
	return places.fill(said)
}

func pick(first bool, a, b string) string {
	if first {
		return a
	}
	return b
}

// left formats a time as minutes:seconds, or hours:minutes:seconds from an hour on.
func left(d time.Duration) string {
	seconds := max(0, int64(d/time.Second))
	b := make([]byte, 0, 8)
	if seconds >= 3600 {
		b = append(strconv.AppendInt(b, seconds/3600, 10), ':')
		b = twoDigits(b, seconds/60%60)
	} else {
		b = strconv.AppendInt(b, seconds/60, 10)
	}
	return string(twoDigits(append(b, ':'), seconds%60))
}

func twoDigits(b []byte, n int64) []byte { return append(b, byte('0'+n/10), byte('0'+n%10)) }

// waitText identifies what a page shows. A page changes with the version and the status.
func waitText(s *checkout.Session) string {
	return strconv.FormatInt(s.Version, 10) + "." + string(s.Status)
}

// href returns the attribute of a link with the URL exactly as it is. html/template would encode some allowed characters, such as
// quotes and parentheses. The URL is http or https, which the validation of sessions and of Next has checked, or a path of the
// page's own.
func href(url string) template.HTMLAttr {
	return template.HTMLAttr(`href="` + html.EscapeString(url) + `"`)
}

// headerURL returns a URL for a header. It percent-encodes all bytes that are not visible ASCII characters, as every browser would do.
func headerURL(url string) string {
	clean := true
	for i := range len(url) {
		clean = clean && ' ' < url[i] && url[i] <= '~'
	}
	if clean {
		return url
	}
	var b strings.Builder
	for i := range len(url) {
		if c := url[i]; ' ' < c && c <= '~' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}
