package main

import (
	"context"
	"html"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/matryer/is"
)

// browser is a customer's browser without JavaScript. It follows redirects.
type browser struct {
	t    *testing.T
	url  string
	http http.Client
}

// open runs the shop until the test ends, and returns a browser for it.
func open(t *testing.T, args ...string) *browser {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	out, in := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := run(ctx, args, in, t.Output())
		in.CloseWithError(err)
		ended <- err
	}()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil && err != http.ErrServerClosed {
			t.Errorf("the shop ended with %v", err)
		}
	})
	line := make([]byte, 100)
	n, err := out.Read(line)
	if err != nil {
		t.Fatal(err)
	}
	return &browser{t: t, url: strings.TrimSpace(string(line[:n])), http: http.Client{Timeout: 20 * time.Second}}
}

// at is the page that the browser shows.
type at struct {
	url, body string
	status    int
}

// do sends a form and returns the page that it leads to.
func (b *browser) do(method, where string, form url.Values) at {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), method, where, strings.NewReader(form.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header.Set("Accept-Language", "fr")
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	answer, err := b.http.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	if to, found := strings.CutPrefix(answer.Header.Get("Refresh"), "0; url="); found {
		return b.do("GET", to, nil)
	}
	return at{answer.Request.URL.String(), html.UnescapeString(string(body)), answer.StatusCode}
}

func (b *browser) get(path string) at { b.t.Helper(); return b.do("GET", b.url+path, nil) }

// until reloads a page until it contains the text, for at most 20 seconds.
func (b *browser) until(where, text string) at {
	b.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		a := b.do("GET", where, nil)
		if strings.Contains(a.body, text) {
			return a
		}
		if time.Now().After(deadline) {
			b.t.Fatalf("%s does not show %q within 20 seconds, but: %s", where, text, a.body)
		}
	}
}

// field returns the value of a form field of the page.
func field(a at, name string) string {
	m := regexp.MustCompile(`name="` + name + `" value="([^"]*)"`).FindStringSubmatch(a.body)
	if m == nil {
		return ""
	}
	return m[1]
}

// buy orders a product in the shop and returns the payer's page.
func (b *browser) buy(by string) (page at, order url.Values) {
	b.t.Helper()
	order = url.Values{"number": {field(b.get("/shop"), "number")}, "product": {"attieke"}, "by": {by}, "phone": {"+225 07 07 98 76 54"}}
	return b.do("POST", b.url+"/orders", order), order
}

// press presses a button of the payer's page.
func (b *browser) press(page at, do string) at {
	b.t.Helper()
	return b.do("POST", page.url, url.Values{"form": {field(page, "form")}, "do": {do}})
}

// answer waits until the simulated phone asks for the payment, and answers.
func (b *browser) answer(do, pin string) at {
	b.t.Helper()
	phone := b.until(b.url+"/phone", "à Chez Awa ?")
	return b.do("POST", b.url+"/phone", url.Values{"payment": {field(phone, "payment")}, "do": {do}, "pin": {pin}})
}

func TestTheShop(t *testing.T) {
	t.Run("sells a product by phone", func(t *testing.T) {
		is := is.New(t)
		b := open(t)
		is.True(strings.Contains(b.get("/").body, `src="/shop"`))
		page, order := b.buy("phone")
		is.True(strings.Contains(page.body, "Chez Awa"))
		is.True(strings.Contains(page.body, "5\u00a0000\u00a0F\u00a0CFA"))
		is.Equal(b.do("POST", b.url+"/orders", order).url, page.url) // a second click finds the same order
		waiting := b.press(page, "pay")
		is.True(strings.Contains(waiting.body, "Confirmez sur votre téléphone"))
		is.True(strings.Contains(b.answer("confirm", "1234").body, "Confirmé."))
		is.True(strings.Contains(b.until(page.url, "Merci, votre commande est payée").url, "/paid?session=cs_ci_"))
	})

	t.Run("sells a product by card", func(t *testing.T) {
		is := is.New(t)
		b := open(t)
		page, _ := b.buy("card")
		processor := b.press(page, "pay")
		is.True(strings.Contains(processor.body, "Simulated card processor"))
		b.do("POST", processor.url, url.Values{"do": {"pay"}})
		b.until(page.url, "Merci, votre commande est payée")
	})

	t.Run("says why a payment was refused on the phone", func(t *testing.T) {
		for answer, why := range map[[2]string]string{
			{"refuse", ""}: "vous avez refusé sur votre téléphone", {"confirm", "0000"}: "code secret erroné",
		} {
			b := open(t)
			page, _ := b.buy("phone")
			b.press(page, "pay")
			b.answer(answer[0], answer[1])
			b.until(page.url, why)
		}
	})

	t.Run("shows that the payer has cancelled", func(t *testing.T) {
		is := is.New(t)
		b := open(t)
		page, _ := b.buy("phone")
		is.True(strings.Contains(b.press(page, "cancel").url, "/cancelled?session="))
		b.until(page.url, "Paiement annulé")
	})

	t.Run("refuses a phone that cannot pay, and then accepts another", func(t *testing.T) {
		is := is.New(t)
		b := open(t)
		order := url.Values{"number": {field(b.get("/shop"), "number")}, "product": {"pagne"}, "by": {"phone"}, "phone": {"+33 6 12 34 56 78"}}
		a := b.do("POST", b.url+"/orders", order)
		is.Equal(a.status, 400)
		is.True(strings.Contains(a.body, "Numéro de téléphone refusé"))
		is.Equal(field(a, "number"), order.Get("number"))
		order.Set("phone", "+221 77 123 45 67")
		is.True(strings.Contains(b.do("POST", b.url+"/orders", order).body, "12\u00a0500"))
	})

	t.Run("refuses an invalid order, and does not find an unknown one", func(t *testing.T) {
		is := is.New(t)
		b := open(t)
		is.Equal(b.do("POST", b.url+"/orders", url.Values{"number": {"x"}}).status, 400)
		is.Equal(b.do("POST", b.url+"/orders", url.Values{"number": {field(b.get("/shop"), "number")}, "product": {"gold"}, "phone": {"+2250707987654"}}).status, 400)
		is.Equal(b.get("/paid?session=cs_ci_x").status, 404)
	})

	t.Run("keeps the session and the payer's link in a file", func(t *testing.T) {
		is := is.New(t)
		path := filepath.Join(t.TempDir(), "shop.db")
		var link string // without the address, which differs after a restart
		t.Run("before a restart", func(t *testing.T) {
			b := open(t, "-db", path)
			page, _ := b.buy("phone")
			link = strings.TrimPrefix(page.url, b.url)
		})
		b := open(t, "-db", path)
		is.True(strings.Contains(b.get(link).body, "Payez avec votre téléphone"))
	})
}
