package browsertest

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/paypage"
	"github.com/caisse/checkout/simulator"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// axe returns the script of the accessibility checker axe-core, which npm ci installs.
func axe(t *testing.T) string {
	t.Helper()
	script, err := os.ReadFile(filepath.Join("node_modules", "axe-core", "axe.min.js"))
	if err != nil {
		t.Fatalf("%v: run npm ci here first", err)
	}
	return string(script)
}

// violations returns the elements of the page that violate a rule of axe, in the form "rule: element". It returns only what axe can decide:
// it leaves out the elements that a person has to review.
func (b *browser) violations(script string) []string {
	b.t.Helper()
	if _, err := ask[string](b, script+`;""`); err != nil {
		b.t.Fatalf("axe: %v", err)
	}
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	found, err := chromedp.Run(ctx, chromedp.Evaluate[string](
		`axe.run(document).then(r => JSON.stringify(r.violations.flatMap(v => v.nodes.map(n => v.id + ": " + n.html + " " + n.failureSummary))))`,
		chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("axe: %v", err)
	}
	var list []string
	if err := json.Unmarshal([]byte(found), &list); err != nil {
		b.t.Fatal(err)
	}
	return list
}

// linksByState makes sessions in the states that a payer can see, and returns their links by the name of the state. It leaves out the page that
// a payer sees for a moment on the way to another site.
func linksByState(t *testing.T, h *host) map[string]string {
	t.Helper()
	noURLs := func(p *checkout.CreateParams) { p.SuccessURL, p.CancelURL = "", "" }
	links := map[string]string{"not found": h.pages.URL + "/pay/x"}
	add := func(name string, change func(*checkout.CreateParams), move func(checkout.Session) error) {
		s := h.create("03", change)
		links[name] = h.page.Link(s)
		if move != nil {
			if err := move(s); err != nil {
				t.Fatal(err)
			}
		}
	}
	ctx := t.Context()
	add("pay", noURLs, nil)
	add("pay by card", func(p *checkout.CreateParams) { p.PaymentMethod, p.UserPhone = checkout.Card, "" }, nil)
	add("pay in test mode", func(p *checkout.CreateParams) { p.Account.Test = true }, nil)
	add("waiting for a payment that the host has begun", noURLs, func(s checkout.Session) error { _, err := h.Begin(ctx, account, s.ID, "X"); return err })
	add("processing", noURLs, func(s checkout.Session) error { _, err := h.Process(ctx, account, s.ID, "X"); return err })
	add("completed", noURLs, func(s checkout.Session) error { _, err := h.Complete(ctx, account, s.ID, "X"); return err })
	add("failed", func(*checkout.CreateParams) {}, func(s checkout.Session) error {
		_, err := h.Fail(ctx, account, s.ID, "X", simulator.ReasonFunds)
		return err
	})
	add("cancelled", noURLs, func(s checkout.Session) error { _, err := h.Cancel(ctx, account, s.ID); return err })
	expires := func(p *checkout.CreateParams) { p.ExpiresIn = 5 * time.Minute } // the other sessions expire after 30 minutes
	add("expired", expires, func(s checkout.Session) error {
		h.clock.advance(6 * time.Minute)
		if status := h.status(s); status != checkout.StatusExpired {
			return fmt.Errorf("the session is %s, want expired", status)
		}
		return nil
	})
	return links
}

// TestAccessibility runs axe over the pages of linksByState, and over two pages after a click: in both languages, in light and dark
// colours.
func TestAccessibility(t *testing.T) {
	script := axe(t)
	h := newHost(t, simulator.Config{Interactive: true})
	links := linksByState(t, h)
	for _, language := range []string{"fr", "en"} {
		b := openBrowser(t, language)
		check := func(t *testing.T) {
			t.Helper()
			for _, scheme := range []string{"light", "dark"} {
				b.run(call(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
					{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"},
				}}))
				for _, violation := range b.violations(script) {
					t.Errorf("%s: %s", scheme, violation)
				}
			}
		}
		for name, link := range links {
			t.Run(language+"/"+name, func(t *testing.T) {
				b.open(link)
				check(t)
			})
		}
		t.Run(language+"/waiting", func(t *testing.T) {
			b.open(h.page.Link(h.create("54")))
			b.click(payButton)
			b.sees(map[string]string{"fr": "Confirmez", "en": "Confirm"}[language])
			check(t)
		})
		t.Run(language+"/refused", func(t *testing.T) {
			h.mu.Lock()
			h.before = func(checkout.Session) error { return &paypage.Refused{Reason: simulator.ReasonPIN} }
			h.mu.Unlock()
			defer func() { h.mu.Lock(); h.before = nil; h.mu.Unlock() }()
			b.open(h.page.Link(h.create("54")))
			b.click(payButton)
			b.sees(map[string]string{"fr": "pas passé", "en": "did not go through"}[language])
			check(t)
		})
	}
}

// TestTheCheckersCanFail puts faults into a page, and proves that axe and checkNoFaults would report them. Tests with a checker that never
// reports anything would prove nothing.
func TestTheCheckersCanFail(t *testing.T) {
	script := axe(t)
	h := newHost(t, simulator.Config{})
	b := openBrowser(t, "en")
	b.open(h.page.Link(h.create("03")))
	if _, err := ask[string](b, `document.querySelector(".amount").style.color="#eee";document.documentElement.removeAttribute("lang");""`); err != nil {
		t.Fatal(err)
	}
	found := strings.Join(b.violations(script), "\n")
	if !strings.Contains(found, "html-has-lang") || !strings.Contains(found, "color-contrast") {
		t.Errorf("axe does not report the missing language and the low contrast, only: %s", found)
	}

	if _, err := ask[string](b, `var s=document.createElement("script");s.textContent="window.ran=1";document.body.append(s);
		var i=new Image;i.src="http://127.0.0.1:9/x.png";console.error("x");setTimeout(function(){null.x});String(window.ran)`); err != nil {
		t.Fatal(err)
	}
	complaints := func() string {
		b.mu.Lock()
		defer b.mu.Unlock()
		return strings.Join(b.faults, "\n")
	}
	for _, part := range []string{"script-src", "img-src", "console.error", "exception"} {
		for deadline := time.Now().Add(patience); !strings.Contains(complaints(), part); time.Sleep(20 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("the browser does not report %s, only: %s", part, complaints())
			}
		}
	}
	if ran := b.value(`String(window.ran)`); ran != "undefined" {
		t.Errorf("the browser ran a script that the policy forbids")
	}
}

// TestNothingIsCutOffAt320Pixels proves that the page fits on the narrowest phone, also with the longest texts, and that its buttons are
// high enough for a thumb.
func TestNothingIsCutOffAt320Pixels(t *testing.T) {
	h := newHost(t, simulator.Config{})
	long := h.create("03", func(p *checkout.CreateParams) {
		p.Amount, p.Description, p.ClientReference = 9007199254740991, strings.Repeat("W", 200), strings.Repeat("X", 255)
	})
	links := linksByState(t, h)
	links["long"] = h.page.Link(long)
	for _, language := range []string{"fr", "en"} {
		b := openBrowser(t, language)
		b.run(chromedp.EmulateViewport(320, 568))
		for name, link := range links {
			b.open(link)
			if fits := b.value(`String(Math.max(...[...document.querySelectorAll("*")].map(e=>e.getBoundingClientRect().right),document.documentElement.scrollWidth)<=320)`); fits != "true" {
				t.Errorf("%s/%s: the page is wider than the screen", language, name)
			}
			small := b.value(`[...document.querySelectorAll("button,.out a")].filter(e=>e.getBoundingClientRect().height<44).map(e=>e.textContent).join()`)
			if small != "" {
				t.Errorf("%s/%s: less than 44 pixels high: %s", language, name, small)
			}
		}
	}
}

// TestByKeyboard proves that a payer can pay without a mouse or a touch screen.
func TestByKeyboard(t *testing.T) {
	h := newHost(t, simulator.Config{Interactive: true})
	b := openBrowser(t, "en")
	b.open(h.page.Link(h.create("54")))
	b.sees("Pay with your phone")
	b.run(chromedp.KeyEvent("\t"))
	if on := b.value(`document.activeElement.textContent`); !strings.HasPrefix(on, "Pay ") {
		t.Fatalf("the first Tab leads to %q, want the button that pays", on)
	}
	b.run(chromedp.KeyEvent("\r"))
	b.sees("Confirm on your phone")
	// When the state changes, the page moves the focus to the new heading, so that a screen reader reads it.
	h.sim.Answer(h.askedFor()[0], false, simulator.ReasonDeclined)
	b.sees("Payment refused")
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		on := b.value(`document.activeElement.textContent`)
		if on == "Payment refused" {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the focus is on %q, want the heading", on)
		}
	}
	b.checkNoFaults(h)
}

// TestScreenshots takes the screenshots of docs/. It writes them there only if UPDATE_SCREENSHOTS is set. It does not compare them with the
// files, because fonts and browsers differ between machines.
func TestScreenshots(t *testing.T) {
	for _, language := range []string{"fr", "en"} {
		h := newHost(t, simulator.Config{Interactive: true})
		s := h.create("54")
		b := openBrowser(t, language)
		b.run(chromedp.EmulateViewport(360, 700, chromedp.EmulateScale(2)),
			call(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-reduced-motion", Value: "reduce"}}}))
		dir := t.TempDir()
		if os.Getenv("UPDATE_SCREENSHOTS") != "" {
			dir = filepath.Join("..", "..", "docs")
		}
		shoot := func(name string) {
			t.Helper()
			ctx, cancel := context.WithTimeout(b.ctx, patience)
			defer cancel()
			picture, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
			if err != nil {
				t.Fatal(err)
			}
			if len(picture) < 10_000 {
				t.Errorf("the screenshot has only %d bytes", len(picture))
			}
			if err := os.WriteFile(filepath.Join(dir, name), picture, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		b.open(h.page.Link(s))
		shoot("paypage-" + language + ".png")
		b.click(payButton)
		b.sees(map[string]string{"fr": "Confirmez", "en": "Confirm"}[language])
		shoot("paypage-" + language + "-waiting.png")
		b.checkNoFaults(h)
	}
}
