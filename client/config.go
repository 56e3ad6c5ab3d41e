package client

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// Defaults of [Config].
const (
	DefaultMaxAttempts = 10
	DefaultMaxElapsed  = 2 * time.Minute
	DefaultTimeout     = 30 * time.Second
	DefaultLongPoll    = 50 * time.Second
	DefaultUserAgent   = "caisse-checkout-go/1"
)

// Config configures a [Client]. The zero Config works.
type Config struct {
	_ struct{} // keyed literals only

	// HTTPClient sends the requests. Its Transport and Jar are used, its Timeout and CheckRedirect are not. nil is a new client with
	// the settings of [http.DefaultTransport] and up to 64 idle connections.
	HTTPClient *http.Client
	// MaxAttempts is the greatest number of tries of one request. 0 is 10, and 1 never retries.
	MaxAttempts int
	// MaxElapsed bounds the time from the first try to the beginning of the last one. 0 is 2 minutes. The context's deadline may be
	// earlier.
	MaxElapsed time.Duration
	// Timeout is how long one try may take, including the answer. 0 is 30 seconds. [Client.Wait] adds the time for which it has asked
	// the server to wait.
	Timeout time.Duration
	// LongPoll is how long [Client.Wait] asks the server to wait in one request, in whole seconds from 1 to 60. 0 is 50 seconds, because
	// many proxies cut a connection that is silent for 60.
	LongPoll time.Duration
	// UserAgent is sent with every request; "" is "caisse-checkout-go/1".
	UserAgent string
	// AllowPlaintext accepts a base URL of http:// on a host other than this machine. The token and the payers' phone
	// numbers then cross the network in the clear.
	AllowPlaintext bool
	// Logger gets a line for every retry (Warn), with its cause. nil logs nothing.
	Logger *slog.Logger
}

// ConfigError is one fault of the arguments of [New]. New joins all that it finds.
type ConfigError struct {
	// Field is the argument or field at fault, such as "Config.Timeout", "baseURL" or "token".
	Field  string
	Reason string
}

func (e *ConfigError) Error() string { return "client: " + e.Field + " " + e.Reason }

// withDefaults returns cfg with its defaults filled in. The error joins a *ConfigError for each fault.
func (cfg Config) withDefaults() (Config, error) {
	var errs []error
	fault := func(field, reason string) {
		errs = append(errs, &ConfigError{Field: "Config." + field, Reason: reason})
	}
	if cfg.HTTPClient == nil {
		cfg.HTTPClient = &http.Client{Transport: newTransport()}
	}
	own := *cfg.HTTPClient
	own.Timeout = 0
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	cfg.HTTPClient = &own
	if cfg.MaxAttempts == 0 {
		cfg.MaxAttempts = DefaultMaxAttempts
	}
	if cfg.MaxAttempts < 0 {
		fault("MaxAttempts", "must be 0 or more")
	}
	for _, d := range []struct {
		name      string
		value     *time.Duration
		byDefault time.Duration
	}{
		{"MaxElapsed", &cfg.MaxElapsed, DefaultMaxElapsed},
		{"Timeout", &cfg.Timeout, DefaultTimeout},
		{"LongPoll", &cfg.LongPoll, DefaultLongPoll},
	} {
		if *d.value == 0 {
			*d.value = d.byDefault
		}
		if *d.value < 0 {
			fault(d.name, "must be 0 or more")
		}
	}
	if cfg.LongPoll > 0 && (cfg.LongPoll > 60*time.Second || cfg.LongPoll%time.Second != 0) {
		fault("LongPoll", "must be 0, or 1 to 60 whole seconds")
	}
	if cfg.UserAgent == "" {
		cfg.UserAgent = DefaultUserAgent
	}
	if strings.Trim(cfg.UserAgent, " ") != cfg.UserAgent || !isVisible(strings.ReplaceAll(cfg.UserAgent, " ", "")) {
		fault("UserAgent", "must have visible ASCII characters, and spaces between them")
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return cfg, errors.Join(errs...)
}

// newTransport returns the standard library's transport, with enough idle connections for many concurrent requests to one host.
func newTransport() http.RoundTripper {
	t, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return http.DefaultTransport // the program has replaced it on purpose
	}
	t = t.Clone()
	t.MaxIdleConnsPerHost = 64
	return t
}

// parseBaseURL checks the URL and returns it without a slash at its end.
func parseBaseURL(s string, allowPlaintext bool) (string, error) {
	fault := func(reason string) (string, error) {
		return "", &ConfigError{Field: "baseURL", Reason: reason} // without the URL, which may contain a password
	}
	u, err := url.Parse(s)
	switch {
	case err != nil, u.Scheme != "http" && u.Scheme != "https", u.Hostname() == "":
		return fault("must be an absolute URL of http or https, such as https://api.example.com")
	case u.User != nil:
		return fault("must not have user info")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return fault("must not have a query or a fragment")
	case u.Scheme == "http" && !allowPlaintext && !isThisMachine(u.Hostname()):
		return fault("must be https, or the token would cross the network in the clear (see Config.AllowPlaintext)")
	}
	return fmt.Sprintf("%s://%s%s", u.Scheme, u.Host, strings.TrimRight(u.EscapedPath(), "/")), nil
}

func isThisMachine(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

// isVisible reports whether s consists of one or more visible ASCII characters.
func isVisible(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return s != ""
}
