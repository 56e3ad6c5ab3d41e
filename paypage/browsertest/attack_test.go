package browsertest

import (
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/simulator"
)

// evilSite starts a web site of an attacker, which shows body, and returns its URL. The attacker may know a payer's link, as the merchant
// does, and with the link the hidden value of the form.
func evilSite(t *testing.T, body string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprintf(w, `<!doctype html><html lang="en"><title>evil</title><link rel="icon" href="data:,"><h1>Evil</h1>%s`, body)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// TestAnotherSiteCannotPay proves that a form on another site cannot pay with a payer's link. The other site has another port on the same
// machine. So browsers call the request "same-site", and it is still cross-origin.
func TestAnotherSiteCannotPay(t *testing.T) {
	h := newHost(t, simulator.Config{})
	s := h.create("54")
	b := openBrowser(t, "en")
	b.open(h.page.Link(s))
	form := b.value(`document.querySelector("input[name=form]").value`)
	for what, attributes := range map[string]string{
		"by a form":                    "",
		"by a form without a referrer": `rel="noreferrer"`,
	} {
		t.Run(what, func(t *testing.T) {
			b.open(evilSite(t, `<form method="post" `+attributes+` action="`+html.EscapeString(h.page.Link(s))+`">
				<input name="form" value="`+html.EscapeString(form)+`"><button name="do" value="pay">x</button></form>`))
			b.click(payButton)
			b.sees("Request refused")
			if h.status(s) != checkout.StatusCreated || len(h.askedFor()) > 0 {
				t.Errorf("another site has begun a payment: the session is %s", h.status(s))
			}
		})
	}
}

// TestAnotherSiteCannotFrameThePage proves that the browser refuses to show the page in a frame. In a frame an attacker could make the
// payer click a hidden button.
func TestAnotherSiteCannotFrameThePage(t *testing.T) {
	h := newHost(t, simulator.Config{})
	s := h.create("54")
	b := openBrowser(t, "en")
	b.open(evilSite(t, `<iframe src="`+html.EscapeString(h.page.Link(s))+`"></iframe>`))
	b.sees("Evil")
	complaints := func() string {
		b.mu.Lock()
		defer b.mu.Unlock()
		return strings.Join(b.faults, "\n")
	}
	for deadline := time.Now().Add(patience); !strings.Contains(complaints(), "frame-ancestors"); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the browser does not refuse to frame the page: %s", complaints())
		}
	}
}

// TestHostileTextsDoNothing proves that the browser shows the HTML of a merchant as text and runs nothing of it.
func TestHostileTextsDoNothing(t *testing.T) {
	h := newHost(t, simulator.Config{})
	hostile := `"><img src=x onerror="window.ran=1"><script>window.ran=1</script>{{.Form}}`
	s := h.create("54", func(p *checkout.CreateParams) {
		p.Description, p.ClientReference = hostile, `</dd></dl><form action="https://evil.example/">`+hostile
		p.CancelURL = h.shop.URL + `/back?'(x)'=javascript:alert(1)`
	})
	b := openBrowser(t, "en")
	b.open(h.page.Link(s))
	b.sees("Pay with your phone")
	if shown := b.value(`document.querySelector("dd").textContent`); shown != hostile {
		t.Errorf("the page shows %q, want the merchant's text", shown)
	}
	if n := b.value(`String(document.forms.length+document.images.length)`); n != "1" {
		t.Errorf("the page has %s forms and images, want 1", n)
	}
	if ran := b.value(`String(window.ran)`); ran != "undefined" {
		t.Error("a script of the merchant ran")
	}
	if _, err := h.Fail(t.Context(), s.Account, s.ID, "", hostile); err != nil {
		t.Fatal(err)
	}
	b.sees("Payment refused")
	if to := b.value(`document.querySelector("a").getAttribute("href")`); to != s.CancelURL {
		t.Errorf("the link to the shop is %q, want %q", to, s.CancelURL)
	}
	b.click(`a`)
	b.sees("Shop /back")
	b.checkNoFaults(h)
}
