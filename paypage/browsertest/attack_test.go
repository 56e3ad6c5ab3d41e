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

// evil is a site that knows a payer's link and the form of its page, as the merchant does, and does with them what it is given.
func evil(t *testing.T, body string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprintf(w, `<!doctype html><html lang="en"><title>evil</title><link rel="icon" href="data:,"><h1>Evil</h1>%s`, body)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// The other site is on another port of the same machine, which browsers call the same site: cross-origin all the same.
func TestAnotherSiteCannotPay(t *testing.T) {
	h := newHost(t, simulator.Config{})
	s := h.create("54")
	b := openBrowser(t, "en")
	b.open(h.page.Link(s))
	form := b.value(`document.querySelector("input[name=form]").value`)
	for what, attributes := range map[string]string{
		"a form":                    "",
		"a form without a referrer": `rel="noreferrer"`,
	} {
		t.Run(what, func(t *testing.T) {
			b.open(evil(t, `<form method="post" `+attributes+` action="`+html.EscapeString(h.page.Link(s))+`">
				<input name="form" value="`+html.EscapeString(form)+`"><button name="do" value="pay">x</button></form>`))
			b.click(payButton)
			b.sees("Request refused")
			if h.status(s) != checkout.StatusCreated || len(h.askedFor()) > 0 {
				t.Errorf("another site has paid: the session is %s", h.status(s))
			}
		})
	}
}

func TestAnotherSiteCannotFrameThePage(t *testing.T) {
	h := newHost(t, simulator.Config{})
	s := h.create("54")
	b := openBrowser(t, "en")
	b.open(evil(t, `<iframe src="`+html.EscapeString(h.page.Link(s))+`"></iframe>`))
	b.sees("Evil")
	told := func() string {
		b.mu.Lock()
		defer b.mu.Unlock()
		return strings.Join(b.faults, "\n")
	}
	for deadline := time.Now().Add(patience); !strings.Contains(told(), "frame-ancestors"); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the browser does not refuse to frame the page: %s", told())
		}
	}
}

// What a merchant writes is shown, and does nothing.
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
		t.Errorf("shown is %q", shown)
	}
	if n := b.value(`String(document.forms.length+document.images.length)`); n != "1" {
		t.Errorf("there are %s forms and images", n)
	}
	if ran := b.value(`String(window.ran)`); ran != "undefined" {
		t.Error("it ran")
	}
	if _, err := h.Fail(t.Context(), s.Account, s.ID, "", hostile); err != nil {
		t.Fatal(err)
	}
	b.sees("Payment refused")
	if to := b.value(`document.querySelector("a").getAttribute("href")`); to != s.CancelURL {
		t.Errorf("the link is %q", to)
	}
	b.click(`a`)
	b.sees("Shop /back")
	b.clean(h)
}
