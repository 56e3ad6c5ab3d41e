// Package browsertest tests the payer's page in a real browser: Debian's chromium, controlled by chromedp. It is a module of its own, so
// that the library's go.mod does not require chromedp.
//
//	apt-get install chromium
//	npm ci
//	go test ./...
package browsertest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/paypage"
	"github.com/caisse/checkout/simulator"
	"github.com/caisse/checkout/store/memory"
	"github.com/chromedp/cdproto/cdp"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// patience is how long a test waits for one step of the browser. It is long because the machine may be busy.
const patience = 40 * time.Second

var account = checkout.Account{ID: "acct_1"}

// clock is the system's clock, which a test can move ahead.
type clock struct {
	mu    sync.Mutex
	ahead time.Duration
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.ahead)
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead += d
}

// host serves a payer's page, a simulated card processor and a shop. Each has its own origin.
type host struct {
	*checkout.Checkouts
	t                  *testing.T
	clock              *clock
	page               *paypage.Page
	sim                *simulator.Simulator
	pages, cards, shop *httptest.Server
	mu                 sync.Mutex
	asked              []string                     // the payment IDs that Pay was called with
	before             func(checkout.Session) error // called before the simulator's Pay; if it returns an error, Pay returns that error
	slow               time.Duration                // how long Pay waits first
}

func newHost(t *testing.T, cfg simulator.Config) *host {
	t.Helper()
	h := &host{t: t, clock: new(clock)}
	var err error
	if h.Checkouts, err = checkout.New(memory.New(), checkout.Config{Clock: h.clock}); err != nil {
		t.Fatal(err)
	}
	// handler is a function because each handler is made after its server: it needs the URL of the server.
	server := func(handler func() http.Handler) *httptest.Server {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler().ServeHTTP(w, r) }))
		t.Cleanup(s.CloseClientConnections)
		t.Cleanup(s.Close)
		return s
	}
	h.pages = server(func() http.Handler { return http.StripPrefix("/pay", h.page) })
	h.cards = server(func() http.Handler { return http.StripPrefix("/card", h.sim.CardPage()) })
	h.shop = server(func() http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, `<!doctype html><html lang="en"><title>shop</title><link rel="icon" href="data:,"><h1>Shop %s</h1>`, r.URL.Path)
		})
	})
	cfg.Clock, cfg.CardURL = h.clock, h.cards.URL+"/card"
	cfg.Return = func(s checkout.Session) string { return h.page.Link(s) }
	if h.sim, err = simulator.New(h.Checkouts, cfg); err != nil {
		t.Fatal(err)
	}
	h.page, err = paypage.New(h.Checkouts, paypage.Config{
		Keys: [][]byte{[]byte("an example key of thirty-two byt")}, URL: h.pages.URL + "/pay", Pay: h.pay, Clock: h.clock,
		Merchant: func(checkout.Account) string { return "Chez Awa" }, Explain: simulator.Explain,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = h.sim.Run(ctx) }()
	t.Cleanup(func() { h.StopWaiting(); stop(); <-ended })
	return h
}

func (h *host) pay(ctx context.Context, s checkout.Session) (paypage.Next, error) {
	h.mu.Lock()
	h.asked = append(h.asked, s.PaymentID)
	before, slow := h.before, h.slow
	h.mu.Unlock()
	time.Sleep(slow)
	if before != nil {
		if err := before(s); err != nil {
			return paypage.Next{}, err
		}
	}
	return h.sim.Pay(ctx, s)
}

// askedFor returns the different payment IDs that Pay was called with.
func (h *host) askedFor() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Compact(slices.Sorted(slices.Values(h.asked)))
}

// create makes a session that is paid by phone. digits are the last two of the phone number. The simulator decides by them how the
// payment ends.
func (h *host) create(digits string, change ...func(*checkout.CreateParams)) checkout.Session {
	h.t.Helper()
	p := checkout.CreateParams{
		Account: account, Amount: 5000, Currency: "XOF", UserPhone: "+22507079876" + digits, Description: "Deux paniers d’attiéké",
		ClientReference: "N° 1047", SuccessURL: h.shop.URL + "/paid?s={CHECKOUT_SESSION_ID}", CancelURL: h.shop.URL + "/back",
	}
	for _, c := range change {
		c(&p)
	}
	s, _, err := h.Create(h.t.Context(), p)
	if err != nil {
		h.t.Fatal(err)
	}
	return s
}

// byCard changes a request into one that is paid by card.
func byCard(p *checkout.CreateParams) { p.PaymentMethod, p.UserPhone = checkout.Card, "" }

func (h *host) status(s checkout.Session) checkout.Status {
	h.t.Helper()
	now, err := h.Get(h.t.Context(), s.Account, s.ID)
	if err != nil {
		h.t.Fatal(err)
	}
	return now.Status
}

// browser is one tab. It records every request to a server, and every error and console message of the browser.
type browser struct {
	ctx context.Context
	t   *testing.T

	mu       sync.Mutex
	requests []string // URLs
	faults   []string // errors and console messages
}

// openBrowser starts a chromium process with a new profile, and opens a tab.
func openBrowser(t *testing.T, language string) *browser {
	t.Helper()
	profile, err := os.MkdirTemp("", "browsertest")
	if err != nil {
		t.Fatal(err)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath("chromium"), chromedp.UserDataDir(profile), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.WindowSize(360, 740),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("hide-scrollbars", true),
		chromedp.Flag("accept-lang", language))
	ctx, stop := chromedp.NewExecAllocator(context.Background(), options...)
	b := newTab(t, ctx, language)
	t.Cleanup(func() {
		_ = chromedp.Cancel(b.ctx) // waits until the browser has ended
		stop()
		os.RemoveAll(profile)
	})
	return b
}

// newTab opens a tab in the browser of parent.
func newTab(t *testing.T, parent context.Context, language string) *browser {
	t.Helper()
	b := &browser{t: t}
	var cancel context.CancelFunc
	b.ctx, cancel = chromedp.NewContext(parent, chromedp.WithListener(b.record))
	t.Cleanup(cancel)
	err := chromedp.Do(b.ctx, call(network.Enable, network.EnableParams{}), call(cdplog.Enable, cdp.Empty{}), call(runtime.Enable, cdp.Empty{}),
		call(network.SetExtraHTTPHeaders, network.SetExtraHTTPHeadersParams{Headers: network.Headers{"Accept-Language": language}}),
		chromedp.EmulateViewport(360, 740))
	if err != nil {
		t.Fatalf("chromium: %v", err)
	}
	return b
}

// call makes an action of chromedp from a command of the DevTools protocol.
func call[P, R any](command cdp.Command[P, R], params P) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, command, params)
		return err
	})
}

// record is called with every event of the tab.
func (b *browser) record(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		if !strings.HasPrefix(e.Request.URL, "data:") {
			b.requests = append(b.requests, e.Request.URL)
		}
	case *runtime.EventConsoleAPICalled:
		b.faults = append(b.faults, fmt.Sprintf("console.%s", e.Type))
	case *runtime.EventExceptionThrown:
		b.faults = append(b.faults, "exception: "+e.ExceptionDetails.Text)
	case *cdplog.EventEntryAdded:
		b.faults = append(b.faults, fmt.Sprintf("%s: %s %s", e.Entry.Source, e.Entry.Text, e.Entry.URL))
	}
}

// checkNoFaults fails the test if the browser has reported an error or a console message, or has sent a request to a server that is not the
// host's.
func (b *browser) checkNoFaults(h *host) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, f := range b.faults {
		b.t.Errorf("the browser reports: %s", f)
	}
	for _, r := range b.requests {
		if !strings.HasPrefix(r, h.pages.URL) && !strings.HasPrefix(r, h.cards.URL) && !strings.HasPrefix(r, h.shop.URL) {
			b.t.Errorf("the browser has sent a request to %s", r)
		}
	}
}

// run runs actions. It fails the test if they fail or take longer than patience.
func (b *browser) run(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.t.Fatalf("browser: %v", err)
	}
}

// ask evaluates a JavaScript expression in the page.
func ask[T any](b *browser, expression string) (T, error) {
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	return chromedp.Run(ctx, chromedp.Evaluate[T](expression))
}

func (b *browser) open(url string) { b.t.Helper(); b.run(chromedp.Navigate(url)) }

// sees waits until the page's first heading contains a text.
func (b *browser) sees(text string) {
	b.t.Helper()
	last := ""
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		heading, err := ask[string](b, `(document.querySelector("h1")||{}).textContent||""`)
		if err == nil && strings.Contains(heading, text) { // an error means that the browser is loading another page
			return
		}
		last = heading
	}
	b.t.Fatalf("the heading never contains %q; it is %q at %s", text, last, b.at())
}

// at returns the URL of the page.
func (b *browser) at() string { b.t.Helper(); return b.value(`location.href`) }

func (b *browser) text() string { b.t.Helper(); return b.value(`document.body.innerText`) }

// value evaluates an expression as ask does, and fails the test on an error.
func (b *browser) value(expression string) string {
	b.t.Helper()
	value, err := ask[string](b, expression)
	if err != nil {
		b.t.Fatalf("browser: %v", err)
	}
	return value
}

// back presses the back button, and waits until another page is loaded.
func (b *browser) back() {
	b.t.Helper()
	b.runAndLoad(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := chromedp.Evaluate[string](`history.back(),""`)(ctx, t)
		return err
	}))
}

const (
	payButton    = chromedp.CSS(`button[value=pay]`)
	cancelButton = chromedp.CSS(`button[value=cancel]`)
)

// click clicks an element, and waits until the next page is loaded. Both pages may look the same.
func (b *browser) click(selector chromedp.CSS) {
	b.t.Helper()
	b.runAndLoad(chromedp.Click(selector))
}

// runAndLoad runs an action that loads another page, and waits until that page is loaded.
func (b *browser) runAndLoad(step chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	// performance.timeOrigin is the time of the load. So it differs between two pages with the same URL.
	const loaded = `performance.timeOrigin+" "+document.readyState`
	before, _, _ := strings.Cut(b.value(loaded), " ")
	b.run(step)
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		now, err := ask[string](b, loaded)
		if origin, state, _ := strings.Cut(now, " "); err == nil && origin != before && state == "complete" {
			return
		}
	}
	b.t.Fatalf("no other page is loaded after %s", b.at())
}

var errNoRoute = errors.New("no route to the operator")
