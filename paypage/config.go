package paypage

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/caisse/checkout"
)

// DefaultMaxWaiting is how many open pages wait for a change at once, unless the host sets another number.
const DefaultMaxWaiting = 10_000

// DefaultPayTimeout is how long Pay may take, unless the host sets another time.
const DefaultPayTimeout = 20 * time.Second

const maxPayTimeout = 5 * time.Minute

// Config configures a [Page]. Keys, URL and Pay are required. The zero value of every other field works.
type Config struct {
	_ struct{} // keyed literals only

	// Keys encrypt the links: 32 random bytes each, kept secret. New links use the first key, and links of all keys are accepted. To
	// replace a key, first give every process the new key in second place, and then in first place. Remove the old key once all sessions
	// with a link of that key have ended.
	Keys [][]byte
	// URL is where the page is mounted, as payers see it: absolute, http or https, without query, fragment, user
	// information or a slash at its end.
	URL string
	// Pay asks the operator for the session's payment, or names the card processor's page. Session.PaymentID is the ID of the attempt.
	// Pay must ask the operator under that ID, and the operator must treat two requests under one ID as one payment, because Pay
	// is called with the same ID whenever the payer asks again.
	//
	// A [*Refused] says that the operator has refused this attempt for good and took nothing: the session stays open, and the payer may
	// try again with another payment ID. After any other error the page assumes that the operator may have been asked. The error is
	// logged, so it must not contain a secret. The host reports the later outcome of the payment with the transitions of
	// [checkout.Checkouts].
	//
	// The context of Pay ends after PayTimeout. It does not end when the payer leaves.
	Pay func(ctx context.Context, s checkout.Session) (Next, error)
	// PayTimeout is how long Pay may take, up to 5 minutes; 0 is 20 seconds. It should be below the server's WriteTimeout.
	PayTimeout time.Duration

	// Merchant returns the name by which payers know the merchant. If it is nil or returns "", the page shows none. It is called for
	// every page view.
	Merchant func(checkout.Account) string
	// Explain translates a reason for the payer into a language of Texts. The reason is a session's FailureReason or the Reason of a
	// Refused. If Explain returns "", the page shows no reason. If Explain is nil, the page shows reasons as they are.
	Explain func(language, reason string) string
	// Simulated makes every page say that no money moves. Pages of sessions in test mode always say so.
	Simulated bool

	// Texts has the words of the page by language tag in lower case, such as "fr". nil is "fr" [French] and "en" [English].
	Texts map[string]Texts
	// Language is shown to a payer who accepts none of Texts. "" is "fr" if Texts has it, and otherwise the first in alphabetical order.
	Language string
	// Template draws the page. nil is [DefaultTemplate], whose documentation says how to change it. New copies the template.
	Template *template.Template

	// MaxWaiting is how many open pages wait for a change at once; 0 is 10,000. Further pages ask every five seconds.
	MaxWaiting int
	// Clock gives the time, from which the page computes how long a session can still be paid. It must be the clock of Checkouts. nil is
	// the system's clock.
	Clock checkout.Clock
	// Logger gets a line (Error) for every page view and every click that fails, for every error of Pay, and for every panic. A failed
	// request of the script for changes is not logged: the script sends it again. Links, keys and phone numbers are never logged. nil
	// logs nothing.
	Logger *slog.Logger
}

// Next says where the payer goes after Pay. With the zero Next the payer stays on the page, and confirms on the phone.
type Next struct {
	_ struct{} // keyed literals only

	// URL is the card processor's page, to which the payer is sent: absolute, http or https, at most 4096 bytes. The processor should
	// send the payer back to [Page.Link]. "" sends the payer nowhere.
	URL string
}

// Refused is the error that Pay returns if the operator has refused the attempt for good: the operator took nothing, and never will under
// this payment ID. The session stays open.
type Refused struct {
	// Reason is for the payer; see Config.Explain. It may be "".
	Reason string
}

func (e *Refused) Error() string {
	if e.Reason == "" {
		return "paypage: payment refused"
	}
	return "paypage: payment refused: " + e.Reason
}

// New makes a Page over checkouts. The error joins a [*checkout.ConfigError] for each fault of cfg, and one if checkouts is nil. New
// checks the template only if there is no other fault.
func New(checkouts *checkout.Checkouts, cfg Config) (*Page, error) {
	p := &Page{
		checkouts:  checkouts,
		pay:        cfg.Pay,
		payTimeout: cmp.Or(cfg.PayTimeout, DefaultPayTimeout),
		merchant:   cfg.Merchant,
		explain:    cfg.Explain,
		simulated:  cfg.Simulated,
		clock:      cfg.Clock,
		log:        cfg.Logger,
		flights:    make(map[flightKey]*flight),
	}
	if f, ok := p.clock.(checkout.ClockFunc); p.clock == nil || ok && f == nil {
		p.clock = checkout.ClockFunc(time.Now)
	}
	if p.log == nil {
		p.log = slog.New(slog.DiscardHandler)
	}
	var errs []error
	fault := func(field, reason string) {
		errs = append(errs, &checkout.ConfigError{Field: field, Reason: reason})
	}
	if checkouts == nil {
		fault("Checkouts", "must not be nil")
	}
	if len(cfg.Keys) == 0 {
		fault("paypage.Config.Keys", "must have at least one key")
	}
	for i, key := range cfg.Keys {
		switch {
		case len(key) != keySize:
			fault(fmt.Sprintf("paypage.Config.Keys[%d]", i), fmt.Sprintf("must have %d bytes", keySize))
		case !slices.ContainsFunc(key, func(b byte) bool { return b != key[0] }):
			fault(fmt.Sprintf("paypage.Config.Keys[%d]", i), "must be random, and has the same byte throughout")
		}
	}
	if u, err := url.Parse(cfg.URL); err != nil || !isWebURL(u) || u.User != nil || u.RawQuery != "" || u.ForceQuery ||
		u.Fragment != "" || strings.HasSuffix(cfg.URL, "/") {
		fault("paypage.Config.URL", "must be an absolute http or https URL without query, fragment, user information or a slash at its end")
	} else {
		p.url, p.path, p.origin = cfg.URL, u.EscapedPath(), originOf(u)
	}
	if cfg.Pay == nil {
		fault("paypage.Config.Pay", "must not be nil")
	}
	if cfg.PayTimeout < 0 || cfg.PayTimeout > maxPayTimeout {
		fault("paypage.Config.PayTimeout", "must be 0 to "+maxPayTimeout.String())
	}
	if cfg.MaxWaiting < 0 {
		fault("paypage.Config.MaxWaiting", "must be 0 or more")
	}
	texts := cfg.Texts
	if texts == nil {
		texts = map[string]Texts{"fr": French(), "en": English()}
	}
	for _, tag := range slices.Sorted(maps.Keys(texts)) {
		errs = append(errs, checkTexts(tag, texts[tag])...)
	}
	switch _, found := texts[cfg.Language]; {
	case len(texts) == 0:
		fault("paypage.Config.Texts", "must be nil or have a language")
	case cfg.Language != "" && !found:
		fault("paypage.Config.Language", "must be one of Texts")
	default:
		p.fallback = fallbackLanguage(cfg.Language, texts)
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}

	p.waiting = make(chan struct{}, cmp.Or(cfg.MaxWaiting, DefaultMaxWaiting))
	var err error
	if p.keys, err = newKeyring(cfg.Keys); err != nil {
		return nil, err
	}
	if p.languages, p.policy, err = drawers(cfg.Template, texts); err != nil {
		return nil, &checkout.ConfigError{Field: "paypage.Config.Template", Reason: "cannot be used: " + err.Error()}
	}
	return p, nil
}

func fallbackLanguage(wanted string, texts map[string]Texts) string {
	if wanted != "" {
		return wanted
	}
	if _, french := texts["fr"]; french {
		return "fr"
	}
	return slices.Min(slices.Collect(maps.Keys(texts)))
}

// isWebURL reports whether a browser may be redirected to u.
func isWebURL(u *url.URL) bool {
	return (u.Scheme == "https" || u.Scheme == "http") && u.Hostname() != ""
}

// originOf returns the origin of a URL as browsers write it, without the scheme's default port.
func originOf(u *url.URL) string {
	host := strings.ToLower(u.Host)
	if port := u.Port(); u.Scheme == "https" && port == "443" || u.Scheme == "http" && port == "80" {
		host = strings.TrimSuffix(host, ":"+port)
	}
	return u.Scheme + "://" + host
}
