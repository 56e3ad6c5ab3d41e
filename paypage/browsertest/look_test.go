package browsertest

import (
	"context"
	"encoding/json"
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

// axe is the accessibility checker, as npm ci puts it there.
func axe(t *testing.T) string {
	t.Helper()
	script, err := os.ReadFile(filepath.Join("node_modules", "axe-core", "axe.min.js"))
	if err != nil {
		t.Fatalf("%v: run npm ci here first", err)
	}
	return string(script)
}

// objections are what axe finds wrong with the page as it is: "rule: element", with nothing left out but what is only advice on
// things that cannot be decided by a program.
func (b *browser) objections(script string) []string {
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

// states are sessions in every state that a payer can see, and what their pages say.
func states(t *testing.T, h *host) map[string]string {
	t.Helper()
	plain := func(p *checkout.CreateParams) { p.SuccessURL, p.CancelURL = "", "" }
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
	add("pay", plain, nil)
	add("pay by card", func(p *checkout.CreateParams) { p.PaymentMethod, p.UserPhone = checkout.Card, "" }, nil)
	add("pay in test mode", func(p *checkout.CreateParams) { p.Account.Test = true }, nil)
	add("waiting for another's payment", plain, func(s checkout.Session) error { _, err := h.Begin(ctx, account, s.ID, "X"); return err })
	add("processing", plain, func(s checkout.Session) error { _, err := h.Process(ctx, account, s.ID, "X"); return err })
	add("completed", plain, func(s checkout.Session) error { _, err := h.Complete(ctx, account, s.ID, "X"); return err })
	add("failed", func(*checkout.CreateParams) {}, func(s checkout.Session) error {
		_, err := h.Fail(ctx, account, s.ID, "X", simulator.ReasonFunds)
		return err
	})
	add("cancelled", plain, func(s checkout.Session) error { _, err := h.Cancel(ctx, account, s.ID); return err })
	return links
}

func TestAccessibility(t *testing.T) {
	script := axe(t)
	h := newHost(t, simulator.Config{Interactive: true})
	links := states(t, h)
	for _, language := range []string{"fr", "en"} {
		b := openBrowser(t, language)
		check := func(t *testing.T) {
			t.Helper()
			for _, scheme := range []string{"light", "dark"} {
				b.run(call(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
					{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"},
				}}))
				for _, o := range b.objections(script) {
					t.Errorf("%s: %s", scheme, o)
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

// A checker that finds nothing anywhere would prove nothing.
func TestTheCheckersCanFail(t *testing.T) {
	script := axe(t)
	h := newHost(t, simulator.Config{})
	b := openBrowser(t, "en")
	b.open(h.page.Link(h.create("03")))
	if _, err := ask[string](b, `document.querySelector(".amount").style.color="#eee";document.documentElement.removeAttribute("lang");""`); err != nil {
		t.Fatal(err)
	}
	found := strings.Join(b.objections(script), "\n")
	if !strings.Contains(found, "html-has-lang") || !strings.Contains(found, "color-contrast") {
		t.Errorf("axe finds nothing wrong with what is wrong: %s", found)
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
	for deadline := time.Now().Add(patience); time.Now().Before(deadline) && !strings.Contains(complaints(), "exception"); time.Sleep(20 * time.Millisecond) {
	}
	for _, part := range []string{"script-src", "img-src", "console.error", "exception"} {
		if !strings.Contains(complaints(), part) {
			t.Errorf("the browser's complaints lack %s: %s", part, complaints())
		}
	}
	if ran := b.value(`String(window.ran)`); ran != "undefined" {
		t.Errorf("a script that was put into the page ran")
	}
}

func TestNothingIsCutOffAt320Pixels(t *testing.T) {
	h := newHost(t, simulator.Config{})
	long := h.create("03", func(p *checkout.CreateParams) {
		p.Amount, p.Description, p.ClientReference = 9007199254740991, strings.Repeat("W", 200), strings.Repeat("X", 255)
	})
	links := states(t, h)
	links["long"] = h.page.Link(long)
	for _, language := range []string{"fr", "en"} {
		b := openBrowser(t, language)
		b.run(chromedp.EmulateViewport(320, 568))
		for name, link := range links {
			b.open(link)
			if widest := b.value(`String(Math.max(...[...document.querySelectorAll("*")].map(e=>e.getBoundingClientRect().right),document.documentElement.scrollWidth)<=320)`); widest != "true" {
				t.Errorf("%s/%s: the page is wider than the screen", language, name)
			}
			small := b.value(`[...document.querySelectorAll("button,.out a")].filter(e=>e.getBoundingClientRect().height<44).map(e=>e.textContent).join()`)
			if small != "" {
				t.Errorf("%s/%s: too small for a thumb: %s", language, name, small)
			}
		}
	}
}

func TestByKeyboard(t *testing.T) {
	h := newHost(t, simulator.Config{Interactive: true})
	b := openBrowser(t, "en")
	b.open(h.page.Link(h.create("54")))
	b.sees("Pay with your phone")
	b.run(chromedp.KeyEvent("\t"))
	if on := b.value(`document.activeElement.textContent`); !strings.HasPrefix(on, "Pay ") {
		t.Fatalf("the first stop is %q", on)
	}
	b.run(chromedp.KeyEvent("\r"))
	b.sees("Confirm on your phone")
	// Once the state changes, the focus is on what has changed, so that a screen reader says it.
	h.sim.Answer(h.askedFor()[0], false, simulator.ReasonDeclined)
	b.sees("Payment refused")
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		on := b.value(`document.activeElement.textContent`)
		if on == "Payment refused" {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the focus is on %q", on)
		}
	}
	b.clean(h)
}

// Screenshots of the page as docs/ has them. With UPDATE_SCREENSHOTS set they are written there, else only taken, since fonts and
// browsers differ from machine to machine.
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
				t.Errorf("the picture has %d bytes", len(picture))
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
		b.clean(h)
	}
}
