package paypage_test

import (
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/paypage"
	"github.com/caisse/checkout/store/memory"
	"github.com/matryer/is"
)

func TestThePageSaysWhatIsPaidToWhom(t *testing.T) {
	is := is.New(t)
	h := newHost(t)
	s := h.create()
	for lang, words := range map[string][]string{
		"fr": {"À payer à", "Chez Awa", "5\u00a0000\u00a0F\u00a0CFA", "Deux paniers d'attiéké", "A-17", "+225••••••••54", "Payez avec votre téléphone", ">30:00<", ">Annuler<"},
		"en": {"Pay to", "Chez Awa", "5\u00a0000\u00a0F\u00a0CFA", "Deux paniers d'attiéké", "A-17", "+225••••••••54", "Pay with your phone", ">30:00<", ">Cancel<"},
	} {
		a := h.get(h.page.Link(s), "Accept-Language: "+lang)
		is.Equal(a.Code, 200)
		is.Equal(a.Header().Get("Content-Language"), lang)
		is.True(strings.Contains(a.body, `<html lang="`+lang+`">`))
		for _, w := range words {
			if !a.has(w) {
				t.Errorf("%s: the page does not show %q", lang, w)
			}
		}
	}
	is.Equal(send(t, h.page, "HEAD", h.page.Link(s), "").body, "")
}

// TestEveryStateOfASession checks what the page shows in each state, for one session with URLs of the shop and one without. Without URLs
// the page cannot redirect, so it shows its own text.
func TestEveryStateOfASession(t *testing.T) {
	noURLs := func(p *checkout.CreateParams) { p.SuccessURL, p.CancelURL = "", "" }
	states := []struct {
		name           string
		move           func(*host, checkout.Session) error
		heading        string
		form, shopLink bool   // what the page has
		redirect       string // the URL to which the page redirects, without the session's ID
	}{
		{"created", func(*host, checkout.Session) error { return nil }, "Pay with your phone", true, false, ""},
		{"pending", func(h *host, s checkout.Session) error {
			_, err := h.Begin(t.Context(), s.Account, s.ID, "X")
			return err
		}, "Confirm on your phone", true, false, ""},
		{"processing", func(h *host, s checkout.Session) error {
			_, err := h.Process(t.Context(), s.Account, s.ID, "X")
			return err
		}, "Payment in progress", false, false, ""},
		{"completed", func(h *host, s checkout.Session) error {
			_, err := h.Complete(t.Context(), s.Account, s.ID, "X")
			return err
		}, "Payment received", false, false, "https://shop.example/paid?s="},
		{"failed", func(h *host, s checkout.Session) error {
			_, err := h.Fail(t.Context(), s.Account, s.ID, "X", "solde insuffisant")
			return err
		}, "Payment refused", false, true, ""},
		{"cancelled", func(h *host, s checkout.Session) error { _, err := h.Cancel(t.Context(), s.Account, s.ID); return err }, "Payment cancelled", false, false, "https://shop.example/back?s="},
		{"expired", func(h *host, _ checkout.Session) error { h.clock.Advance(30 * time.Minute); return nil }, "Time is up", false, true, ""},
		{"late", func(h *host, s checkout.Session) error {
			h.clock.Advance(30 * time.Minute)
			_, err := h.Complete(t.Context(), s.Account, s.ID, "X")
			return err
		}, "Payment received", false, false, "https://shop.example/paid?s="},
	}
	for _, state := range states {
		t.Run(state.name, func(t *testing.T) {
			is := is.New(t)
			h := newHost(t)
			s, noURLsSession := h.create(), h.create(noURLs)
			link, noURLsLink := h.page.Link(s), h.page.Link(noURLsSession)
			is.NoErr(state.move(h, s))
			if state.name != "expired" && state.name != "late" {
				is.NoErr(state.move(h, noURLsSession))
			} else if state.name == "late" {
				_, err := h.Complete(t.Context(), noURLsSession.Account, noURLsSession.ID, "X")
				is.NoErr(err)
			}
			a := h.get(noURLsLink)
			is.Equal(a.Code, 200)
			is.Equal(a.heading(), state.heading)
			is.Equal(a.form() != "", state.form)
			if state.name == "failed" {
				is.True(a.has("solde insuffisant"))
			}
			a = h.get(link)
			if state.redirect != "" {
				is.Equal(a.Code, 303)
				is.Equal(a.location(), state.redirect+s.ID)
				return
			}
			is.Equal(a.Code, 200)
			is.Equal(a.has("Back to the shop"), state.shopLink)
			is.Equal(a.has(`href="https://shop.example/back?s=`+s.ID+`"`), state.shopLink)
		})
	}
}

// TestAMerchantsURLIsNeverChangedButForThePlaceholder proves that the page replaces {CHECKOUT_SESSION_ID} in a merchant's URL, and keeps
// every other ASCII character. A change of their encoding, for example, could break a signature in the URL.
func TestAMerchantsURLIsNeverChangedButForThePlaceholder(t *testing.T) {
	for _, given := range []string{
		"https://shop.example", "https://shop.example/?", "HTTP://Shop.Example:80/a/../b//c?x=1&y=%7B%7D#frag",
		"https://shop.example/'(a)*!$&+,;=:@/{x}|^~[]?q='\u00e9", "https://shop.example/{CHECKOUT_SESSION_ID}/x?{CHECKOUT_SESSION_ID}={checkout_session_id}#{CHECKOUT_SESSION_ID}",
		"https://shop.example/%7BCHECKOUT_SESSION_ID%7D?a=%2f%2F&b=+%20&&", "https://élan.example/?s=1",
	} {
		t.Run(given, func(t *testing.T) {
			is := is.New(t)
			h := newHost(t)
			s := h.create(func(p *checkout.CreateParams) { p.SuccessURL, p.CancelURL = given, given })
			failed := h.create(func(p *checkout.CreateParams) { p.SuccessURL, p.CancelURL = given, given })
			link, failedLink := h.page.Link(s), h.page.Link(failed)
			cancelPage := h.get(link)
			_, err := h.Complete(t.Context(), s.Account, s.ID, "X")
			is.NoErr(err)
			want := strings.ReplaceAll(s.SuccessURL, "{CHECKOUT_SESSION_ID}", s.ID)
			// A header can hold ASCII only. Other characters are percent-encoded, as every browser does.
			header := strings.NewReplacer("é", "%C3%A9").Replace(want)
			is.Equal(h.get(link).location(), header)
			is.Equal(h.press(link, cancelPage, "pay").Header().Get("Refresh"), "0; url="+header)
			_, err = h.Fail(t.Context(), failed.Account, failed.ID, "X", "no")
			is.NoErr(err)
			is.True(h.get(failedLink).has(`href="` + strings.ReplaceAll(failed.CancelURL, "{CHECKOUT_SESSION_ID}", failed.ID) + `"`))
		})
	}
}

// TestNobodyElseCanSendAPayerAnywhere adds queries to a link. None of them may send the payer to another site, not even the note of another
// session.
func TestNobodyElseCanSendAPayerAnywhere(t *testing.T) {
	is := is.New(t)
	h := newHost(t)
	other := h.create(card)
	h.answer = func(checkout.Session) (paypage.Next, error) { return paypage.Next{URL: "https://evil.example/"}, nil }
	a := h.submit(h.page.Link(other), h.get(h.page.Link(other)), "pay")
	note := a.location()[strings.Index(a.location(), "note=")+5:]

	s := h.create(card)
	for _, query := range []string{"note=" + note, "note=https://evil.example/", "url=https://evil.example/", "note=", "v=x", "note=" + strings.Repeat("A", 64)} {
		a := h.get(h.page.Link(s) + "?" + query)
		is.Equal(a.Code, 200)
		is.Equal(a.Header().Get("Refresh"), "")
		is.True(!strings.Contains(a.body, "evil"))
	}
}

// TestHeaders proves that pages, redirects, answers to the script and errors have the security headers.
func TestHeaders(t *testing.T) {
	h := newHost(t)
	s := h.create()
	link := h.page.Link(s)
	page := h.get(link)
	answers := map[string]answer{
		"page": page, "404": h.get(pageURL + "/x"), "form": h.submit(link, page, "pay"), "403": h.submit(link, page, "pay", "Sec-Fetch-Site: cross-site"),
		"405": send(t, h.page, "PUT", link, ""), "wait": h.get(link + "/wait?seen=x"), "HEAD": send(t, h.page, "HEAD", link, ""),
	}
	for what, a := range answers {
		header := a.Header()
		for name, want := range map[string]string{
			"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff",
			"X-Robots-Tag": "noindex, nofollow", "Vary": "Accept-Language", "Set-Cookie": "",
		} {
			if header.Get(name) != want {
				t.Errorf("%s: %s is %q, want %q", what, name, header.Get(name), want)
			}
		}
		policy := header.Get("Content-Security-Policy")
		for _, part := range []string{"default-src 'none'", "frame-ancestors 'none'", "form-action 'self'", "base-uri 'none'", "script-src 'sha256-", "style-src 'sha256-"} {
			if !strings.Contains(policy, part) {
				t.Errorf("%s: the policy lacks %s: %s", what, part, policy)
			}
		}
		for _, part := range []string{"unsafe", "*", "http"} {
			if strings.Contains(policy, part) {
				t.Errorf("%s: the policy has %s: %s", what, part, policy)
			}
		}
	}
	if a := answers["405"]; a.Code != 405 || a.Header().Get("Allow") != "GET, HEAD, POST" {
		t.Errorf("PUT: status %d, Allow %q", a.Code, a.Header().Get("Allow"))
	}
}

// TestAPostThatThePageDidNotSendIsRefused proves that another site cannot pay or cancel for a payer, and that the page accepts its own
// forms from all browsers.
func TestAPostThatThePageDidNotSendIsRefused(t *testing.T) {
	h := newHost(t)
	s := h.create()
	link := h.page.Link(s)
	page := h.get(link)
	otherForm := h.get(h.page.Link(h.create())).form()
	body := func(form string) string { return url.Values{"form": {form}, "do": {"pay"}}.Encode() }
	refused := map[string]answer{
		"cross-site":                  h.submit(link, page, "pay", "Sec-Fetch-Site: cross-site"),
		"same-site":                   h.submit(link, page, "pay", "Sec-Fetch-Site: same-site"),
		"unknown value":               h.submit(link, page, "pay", "Sec-Fetch-Site: x"),
		"other origin":                h.submit(link, page, "pay", "Sec-Fetch-Site: ", "Origin: https://evil.example"),
		"other port":                  h.submit(link, page, "pay", "Sec-Fetch-Site: ", "Origin: https://pay.example.com:8443"),
		"other scheme":                h.submit(link, page, "pay", "Sec-Fetch-Site: ", "Origin: http://pay.example.com"),
		"no form":                     send(t, h.page, "POST", link, "do=pay"),
		"another link's form":         send(t, h.page, "POST", link, body(otherForm)),
		"a forged form":               send(t, h.page, "POST", link, body("6ba7b810-9dad-41d1-80b4-00c04fd430c8.AAAAAAAAAAAAAAAAAAAAAA")),
		"a form with another attempt": send(t, h.page, "POST", link, body("6ba7b810-9dad-41d1-80b4-00c04fd430c8"+page.form()[36:])),
		"an unknown button":           h.submit(link, page, "refund"),
		"JSON":                        send(t, h.page, "POST", link, `{"do":"pay"}`, "Content-Type: application/json"),
		"a body that is too long":     send(t, h.page, "POST", link, body(page.form())+strings.Repeat("&x=y", 10_000)),
		"cancel from another site":    h.submit(link, page, "cancel", "Sec-Fetch-Site: cross-site"),
	}
	for what, a := range refused {
		if a.Code != 403 || a.heading() != "Request refused" {
			t.Errorf("%s: status %d and heading %q, want 403", what, a.Code, a.heading())
		}
	}
	if now := h.now(s); now.Version != 1 || len(h.asked) > 0 {
		t.Errorf("a refused form has changed the session or called Pay: %v", now)
	}
	for what, a := range map[string]answer{
		"same-origin":                    h.submit(link, page, "pay"),
		"reload":                         h.submit(link, page, "pay", "Sec-Fetch-Site: none"),
		"browser without Sec-Fetch-Site": h.submit(link, page, "pay", "Sec-Fetch-Site: ", "Origin: null"), // browsers send null because of no-referrer
		"browser with Origin only":       h.submit(link, page, "pay", "Sec-Fetch-Site: ", "Origin: https://pay.example.com"),
		"browser with neither header":    h.submit(link, page, "pay", "Sec-Fetch-Site: "),
	} {
		if a.Code != 303 {
			t.Errorf("%s: status %d, want 303", what, a.Code)
		}
	}
}

// TestWaiting checks when the page answers the request by which its script waits for a change. The query "seen" is the version and the
// status that the payer sees.
func TestWaiting(t *testing.T) {
	t.Run("answers as soon as the session changes", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			is := is.New(t)
			h := newSystemClockHost(t)
			s := h.create()
			link := h.page.Link(s)
			began := time.Now()
			got := make(chan answer)
			go func() { got <- h.get(link + "/wait?seen=1.created") }()
			time.Sleep(3 * time.Second)
			_, err := h.Begin(t.Context(), s.Account, s.ID, "X")
			is.NoErr(err)
			is.Equal((<-got).body, "2.pending")
			is.Equal(time.Since(began), 3*time.Second)
			is.Equal(h.get(link+"/wait?seen=1.created").body, "2.pending") // it has changed already, so the answer comes at once
			is.Equal(h.get(link+"/wait").body, "2.pending")
		})
	})

	t.Run("answers after 25 seconds without a change, and at once after StopWaiting", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			is := is.New(t)
			h := newSystemClockHost(t)
			link := h.page.Link(h.create())
			began := time.Now()
			a := h.get(link + "/wait?seen=1.created")
			is.Equal(a.Code, 200)
			is.Equal(a.body, "1.created")
			is.Equal(time.Since(began), 25*time.Second)
			h.StopWaiting()
			is.Equal(h.get(link+"/wait?seen=1.created").body, "1.created")
			is.Equal(time.Since(began), 25*time.Second)
		})
	})

	t.Run("answers at the moment when the session expires", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			is := is.New(t)
			h := newSystemClockHost(t)
			s := h.create(func(p *checkout.CreateParams) { p.ExpiresIn = 5 * time.Minute })
			link := h.page.Link(s)
			time.Sleep(5*time.Minute - 10*time.Second)
			is.Equal(h.get(link+"/wait?seen=1.created").body, "1.expired")
			is.True(time.Now().Equal(s.ExpiresAt))
		})
	})

	t.Run("answers at once if MaxWaiting requests are waiting", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			is := is.New(t)
			h := newSystemClockHost(t, func(c *paypage.Config) { c.MaxWaiting = 1 })
			link := h.page.Link(h.create())
			go h.get(link + "/wait?seen=1.created")
			synctest.Wait()
			began := time.Now()
			is.Equal(h.get(link+"/wait?seen=1.created").body, "1.created")
			is.Equal(time.Since(began), time.Duration(0))
			time.Sleep(time.Minute) // the first wait ends
		})
	})

	t.Run("costs one read of the session for each request, and less than three reads of the feed a second for all", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			is := is.New(t)
			h := newSystemClockHost(t)
			link := h.page.Link(h.create())
			go h.get(link + "/wait?seen=1.created") // the first wait also finds the end of the feed
			time.Sleep(time.Second)
			synctest.Wait()
			before, _ := h.store.counts()
			feedBefore := h.store.feedReads.Load()
			const pages, seconds = 1000, 20
			for range pages {
				go h.get(link + "/wait?seen=1.created")
			}
			time.Sleep(seconds * time.Second)
			synctest.Wait()
			reads, _ := h.store.counts()
			is.Equal(reads-before, pages)
			feedReads := h.store.feedReads.Load() - feedBefore
			is.True(0 < feedReads && feedReads < 3*seconds)
			time.Sleep(time.Minute) // all waits end
		})
	})
}

// newSystemClockHost makes a host that uses the system's clock. In a bubble of synctest that clock is fake.
func newSystemClockHost(t *testing.T, change ...func(*paypage.Config)) *host {
	t.Helper()
	h := &host{t: t, store: &countingStore{Store: memory.New()}}
	var err error
	if h.Checkouts, err = checkout.New(h.store, checkout.Config{}); err != nil {
		t.Fatal(err)
	}
	h.page = h.pageOver(h.Checkouts, append(change, func(c *paypage.Config) { c.Clock = nil }))
	return h
}
