package paypage_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/paypage"
	"github.com/caisse/checkout/store/memory"
)

// pageURL is Config.URL of the pages of these tests.
const pageURL = "https://pay.example.com/pay"

var live = checkout.Account{ID: "acct_1"}

// key returns a valid key. Different seeds give different keys.
func key(seed byte) []byte {
	k := bytes.Repeat([]byte{seed}, 32)
	k[0] = ^seed
	return k
}

// clock is a [checkout.Clock] that moves only when a test advances it.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// host is a page with the Checkouts, the store and the clock that it uses.
type host struct {
	*checkout.Checkouts
	t     testing.TB
	clock *clock
	store *countingStore
	page  *paypage.Page

	mu     sync.Mutex
	asked  []checkout.Session                           // the sessions that Pay was called with
	answer func(checkout.Session) (paypage.Next, error) // what Pay returns; nil: the zero Next
}

// newHost makes a host with an empty store. The functions in change can change the configuration of the page.
func newHost(t testing.TB, change ...func(*paypage.Config)) *host {
	t.Helper()
	h := &host{t: t, clock: &clock{now: time.Date(2026, 11, 22, 7, 31, 56, 0, time.UTC)}, store: &countingStore{Store: memory.New()}}
	var err error
	if h.Checkouts, err = checkout.New(h.store, checkout.Config{Clock: h.clock}); err != nil {
		t.Fatal(err)
	}
	h.page = h.pageOver(h.Checkouts, change)
	return h
}

// otherProcess returns another page over the same store, as a second process of the host would have it.
func (h *host) otherProcess(change ...func(*paypage.Config)) *paypage.Page {
	h.t.Helper()
	checkouts, err := checkout.New(h.store, checkout.Config{Clock: h.clock})
	if err != nil {
		h.t.Fatal(err)
	}
	return h.pageOver(checkouts, change)
}

func (h *host) pageOver(checkouts *checkout.Checkouts, change []func(*paypage.Config)) *paypage.Page {
	h.t.Helper()
	cfg := paypage.Config{
		Keys: [][]byte{key(1)}, URL: pageURL, Pay: h.pay, Clock: h.clock, Merchant: func(checkout.Account) string { return "Chez Awa" },
	}
	for _, c := range change {
		c(&cfg)
	}
	page, err := paypage.New(checkouts, cfg)
	if err != nil {
		h.t.Fatal(err)
	}
	return page
}

// pay is Config.Pay.
func (h *host) pay(_ context.Context, s checkout.Session) (paypage.Next, error) {
	h.mu.Lock()
	h.asked = append(h.asked, s)
	answer := h.answer
	h.mu.Unlock()
	if answer != nil {
		return answer(s)
	}
	return paypage.Next{}, nil
}

// askedFor returns the different payment IDs that Pay was called with, in the order of their first call.
func (h *host) askedFor() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var ids []string
	seen := map[string]bool{}
	for _, s := range h.asked {
		if !seen[s.PaymentID] {
			ids = append(ids, s.PaymentID)
		}
		seen[s.PaymentID] = true
	}
	return ids
}

// create makes a session that a payer pays by phone. The functions in change can change the request.
func (h *host) create(change ...func(*checkout.CreateParams)) checkout.Session {
	h.t.Helper()
	p := checkout.CreateParams{
		Account: live, Amount: 5000, Currency: "XOF", UserPhone: "+2250707987654", Description: "Deux paniers d'attiéké",
		SuccessURL: "https://shop.example/paid?s={CHECKOUT_SESSION_ID}", CancelURL: "https://shop.example/back?s={CHECKOUT_SESSION_ID}",
		ClientReference: "A-17",
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

// card changes a request into one that is paid by card.
func card(p *checkout.CreateParams) {
	p.PaymentMethod, p.Currency, p.UserPhone, p.Amount = checkout.Card, "USD", "", 123450
}

// now returns the session as it is now.
func (h *host) now(s checkout.Session) checkout.Session {
	h.t.Helper()
	now, err := h.Get(h.t.Context(), s.Account, s.ID)
	if err != nil {
		h.t.Fatal(err)
	}
	return now
}

// answer is the answer that a browser gets.
type answer struct {
	*httptest.ResponseRecorder
	body string
}

func (a answer) location() string { return a.Header().Get("Location") }

var formValue = regexp.MustCompile(`name="form" value="([^"]*)"`)

// form returns the hidden value of the page's form, or "" if the page has no form.
func (a answer) form() string {
	m := formValue.FindStringSubmatch(a.body)
	if m == nil {
		return ""
	}
	return html.UnescapeString(m[1])
}

// has reports whether the HTML of the page contains a text, after the decoding of character references.
func (a answer) has(text string) bool {
	return strings.Contains(html.UnescapeString(a.body), text)
}

var headingOf = regexp.MustCompile(`<h1[^>]*>([^<]*)</h1>`)

func (a answer) heading() string {
	m := headingOf.FindStringSubmatch(a.body)
	if m == nil {
		return ""
	}
	return html.UnescapeString(m[1])
}

// send sends a request to a page that is mounted at its URL. Headers have the form "Name: value". An empty value removes a header.
func send(t testing.TB, page http.Handler, method, link, body string, headers ...string) answer {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, link, strings.NewReader(body))
	r.Header.Set("Accept-Language", "en")
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Set(name, value)
		if value == "" {
			r.Header.Del(name)
		}
	}
	w := httptest.NewRecorder()
	if strings.HasPrefix(r.URL.Path, "/pay/") {
		page = http.StripPrefix("/pay", page)
	}
	page.ServeHTTP(w, r)
	return answer{w, w.Body.String()}
}

func (h *host) get(link string, headers ...string) answer {
	h.t.Helper()
	return send(h.t, h.page, http.MethodGet, link, "", headers...)
}

// submit sends the form of a page with the value of one of its buttons: "pay" or "cancel".
func (h *host) submit(link string, page answer, do string, headers ...string) answer {
	h.t.Helper()
	return send(h.t, h.page, http.MethodPost, link, url.Values{"form": {page.form()}, "do": {do}}.Encode(), headers...)
}

// press sends a form as submit does. Then it follows a redirect to the page, as a browser does.
func (h *host) press(link string, page answer, do string) answer {
	h.t.Helper()
	a := h.submit(link, page, do)
	if a.Code != http.StatusSeeOther {
		return a
	}
	return h.get("https://pay.example.com" + a.location())
}

// countingStore counts the calls of Get, Update and Events. It can make Get and Update fail.
type countingStore struct {
	checkout.Store
	feedReads atomic.Int64 // calls of Events

	mu            sync.Mutex
	reads, writes int
	getError      error  // the error of every Get
	updateError   error  // the error of every Update. With ErrOutcomeUnknown the session is written, with any other error it is not
	afterGet      func() // called after every Get, unless getError is set
}

func (s *countingStore) Get(ctx context.Context, account checkout.Account, id string) (checkout.Session, error) {
	s.mu.Lock()
	s.reads++
	err, after := s.getError, s.afterGet
	s.mu.Unlock()
	if err != nil {
		return checkout.Session{}, err
	}
	session, err := s.Store.Get(ctx, account, id)
	if after != nil {
		after()
	}
	return session, err
}

func (s *countingStore) Update(ctx context.Context, session checkout.Session) error {
	s.mu.Lock()
	s.writes++
	err := s.updateError
	s.mu.Unlock()
	if err != nil && !errors.Is(err, checkout.ErrOutcomeUnknown) {
		return err
	}
	return cmp.Or(s.Store.Update(ctx, session), err)
}

func (s *countingStore) Events(ctx context.Context, after checkout.Cursor, limit int) ([]checkout.Event, error) {
	s.feedReads.Add(1)
	return s.Store.Events(ctx, after, limit)
}

func (s *countingStore) counts() (reads, writes int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reads, s.writes
}

// postWithContext sends a form. When ctx ends, the payer has left.
func postWithContext(ctx context.Context, t *testing.T, page http.Handler, link, body string) {
	t.Helper()
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, link, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	http.StripPrefix("/pay", page).ServeHTTP(httptest.NewRecorder(), r)
}
