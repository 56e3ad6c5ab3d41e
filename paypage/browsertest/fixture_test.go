// Package browsertest drives the payer's page in a real browser: Debian's chromium, by chromedp. It is a module of its own, so
// that what drives a browser stays out of the library's go.mod.
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

// patience is how long a browser may take for one step. The machine may be busy.
const patience = 40 * time.Second

var account = checkout.Account{ID: "acct_1"}

// clock is the system's, moved ahead by hand.
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

// host is a payer's page on one origin, a card processor on another and a shop on a third.
type host struct {
	*checkout.Checkouts
	t                  *testing.T
	clock              *clock
	page               *paypage.Page
	sim                *simulator.Simulator
	pages, cards, shop *httptest.Server
	mu                 sync.Mutex
	asked              []string // the payment IDs that Pay was called with
	before             func(checkout.Session) error
	slow               time.Duration
}

func newHost(t *testing.T, cfg simulator.Config) *host {
	t.Helper()
	h := &host{t: t, clock: new(clock)}
	var err error
	if h.Checkouts, err = checkout.New(memory.New(), checkout.Config{Clock: h.clock}); err != nil {
		t.Fatal(err)
	}
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

// askedFor are the distinct payments that were asked for.
func (h *host) askedFor() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Compact(slices.Sorted(slices.Values(h.asked)))
}

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

func byCard(p *checkout.CreateParams) { p.PaymentMethod, p.UserPhone = checkout.Card, "" }

func (h *host) status(s checkout.Session) checkout.Status {
	h.t.Helper()
	now, err := h.Get(h.t.Context(), s.Account, s.ID)
	if err != nil {
		h.t.Fatal(err)
	}
	return now.Status
}

// browser is one window on one profile, and what went wrong in it.
type browser struct {
	ctx context.Context
	t   *testing.T

	mu       sync.Mutex
	requests []string
	faults   []string
}

// openBrowser starts a chromium of its own.
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
		_ = chromedp.Cancel(b.ctx) // which waits for the browser to end, however it does
		stop()
		os.RemoveAll(profile)
	})
	return b
}

func newTab(t *testing.T, parent context.Context, language string) *browser {
	t.Helper()
	b := &browser{t: t}
	var cancel context.CancelFunc
	b.ctx, cancel = chromedp.NewContext(parent, chromedp.WithListener(b.hear))
	t.Cleanup(cancel)
	err := chromedp.Do(b.ctx, call(network.Enable, network.EnableParams{}), call(cdplog.Enable, cdp.Empty{}), call(runtime.Enable, cdp.Empty{}),
		call(network.SetExtraHTTPHeaders, network.SetExtraHTTPHeadersParams{Headers: network.Headers{"Accept-Language": language}}),
		chromedp.EmulateViewport(360, 740))
	if err != nil {
		t.Fatalf("chromium: %v", err)
	}
	return b
}

// call makes a command of the protocol a step.
func call[P, R any](command cdp.Command[P, R], params P) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, command, params)
		return err
	})
}

func (b *browser) hear(event any) {
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

// clean fails the test if the browser had anything to complain of, or asked another server than those of the host.
func (b *browser) clean(h *host) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, f := range b.faults {
		b.t.Errorf("the browser complains: %s", f)
	}
	for _, r := range b.requests {
		if !strings.HasPrefix(r, h.pages.URL) && !strings.HasPrefix(r, h.cards.URL) && !strings.HasPrefix(r, h.shop.URL) {
			b.t.Errorf("the browser asked %s", r)
		}
	}
}

func (b *browser) run(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.t.Fatalf("browser: %v", err)
	}
}

// ask runs an expression in the page.
func ask[T any](b *browser, expression string) (T, error) {
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	return chromedp.Run(ctx, chromedp.Evaluate[T](expression))
}

func (b *browser) open(url string) { b.t.Helper(); b.run(chromedp.Navigate(url)) }

// sees waits until the page's first heading has a text.
func (b *browser) sees(text string) {
	b.t.Helper()
	last := ""
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		heading, err := ask[string](b, `(document.querySelector("h1")||{}).textContent||""`)
		if err == nil && strings.Contains(heading, text) { // an error is a page that is being left
			return
		}
		last = heading
	}
	b.t.Fatalf("the page never says %q, but %q at %s", text, last, b.at())
}

func (b *browser) at() string { b.t.Helper(); return b.value(`location.href`) }

func (b *browser) text() string { b.t.Helper(); return b.value(`document.body.innerText`) }

func (b *browser) value(expression string) string {
	b.t.Helper()
	value, err := ask[string](b, expression)
	if err != nil {
		b.t.Fatalf("browser: %v", err)
	}
	return value
}

// back presses the back button.
func (b *browser) back() {
	b.t.Helper()
	if _, err := ask[string](b, `history.back(),""`); err != nil {
		b.t.Fatalf("browser: %v", err)
	}
}

const (
	payButton    = chromedp.CSS(`button[value=pay]`)
	cancelButton = chromedp.CSS(`button[value=cancel]`)
)

// click clicks, and waits until the page that comes of it is there, which may look like the one before.
func (b *browser) click(selector chromedp.CSS) {
	b.t.Helper()
	b.leaves(chromedp.Click(selector))
}

// leaves takes a step that leads to another page, and waits for that.
func (b *browser) leaves(step chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	const birth = `performance.timeOrigin+" "+document.readyState`
	before, _, _ := strings.Cut(b.value(birth), " ")
	b.run(step)
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		now, err := ask[string](b, birth)
		if born, state, _ := strings.Cut(now, " "); err == nil && born != before && state == "complete" {
			return
		}
	}
	b.t.Fatalf("no other page comes after %s", b.at())
}

var errNoRoute = errors.New("no route to the operator")
