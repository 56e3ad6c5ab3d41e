package paypage_test

import (
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/paypage"
	"github.com/matryer/is"
)

// TestClicksInThreeProcessesBeginOneAttempt sends 16 clicks at once to three processes. One of them already has the host's next key. All
// must ask for the same payment. Otherwise a double click could make two payments.
func TestClicksInThreeProcessesBeginOneAttempt(t *testing.T) {
	const tabs = 16
	for range 20 {
		h := newHost(t)
		s := h.create()
		link := h.page.Link(s)
		body := url.Values{"form": {h.get(link).form()}, "do": {"pay"}}.Encode()
		pages := []*paypage.Page{h.page, h.otherProcess(), h.otherProcess(func(c *paypage.Config) { c.Keys = [][]byte{key(2), key(1)} })}
		var wg sync.WaitGroup
		for i := range tabs {
			wg.Go(func() {
				if a := send(t, pages[i%len(pages)], "POST", link, body); a.Code != 303 {
					t.Errorf("status %d, want 303", a.Code)
				}
			})
		}
		wg.Wait()
		if ids := h.askedFor(); len(ids) != 1 || h.now(s).Version != 2 || h.now(s).PaymentID != ids[0] {
			t.Fatalf("Pay was called for the attempts %q, want one; the session is %v", ids, h.now(s))
		}
	}
}

// TestClicksAtOnceShareOneCall proves that clicks that come while Pay is running wait for that call, and that each of them sends the payer to
// the card processor.
func TestClicksAtOnceShareOneCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		h := newHost(t)
		release := make(chan struct{})
		h.answer = func(checkout.Session) (paypage.Next, error) {
			<-release
			return paypage.Next{URL: "https://cards.example/1"}, nil
		}
		s := h.create(card)
		link := h.page.Link(s)
		page := h.get(link)
		answers := make(chan answer, 5)
		for range cap(answers) {
			go func() { answers <- h.submit(link, page, "pay") }()
		}
		synctest.Wait() // all clicks have arrived, and wait until Pay returns
		close(release)
		for range cap(answers) {
			a := <-answers
			is.Equal(a.Code, 303)
			is.Equal(h.get("https://pay.example.com"+a.location()).Header().Get("Refresh"), "0; url=https://cards.example/1")
		}
		is.Equal(len(h.asked), 1)
	})
}

// TestRefusalsInTwoProcessesOfferOneNextAttempt clicks in two processes at once, again and again, and the operator refuses each time. Both
// pages must offer the same next attempt. Otherwise two attempts could be open at once.
func TestRefusalsInTwoProcessesOfferOneNextAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		h := newHost(t)
		s := h.create()
		link := h.page.Link(s)
		pages := []*paypage.Page{h.page, h.otherProcess()}
		form := h.get(link).form()
		for attempt := 1; attempt <= 3; attempt++ {
			release := make(chan struct{})
			h.answer = func(checkout.Session) (paypage.Next, error) {
				<-release
				return paypage.Next{}, &paypage.Refused{}
			}
			answers := make([]answer, len(pages))
			var clicks sync.WaitGroup
			for i, page := range pages {
				clicks.Go(func() { answers[i] = send(t, page, "POST", link, "do=pay&form="+form) })
			}
			synctest.Wait() // both processes have called Pay
			close(release)
			clicks.Wait()
			is.Equal(len(h.asked), 2*attempt)
			is.Equal(len(h.askedFor()), attempt)
			first := send(t, pages[0], "GET", "https://pay.example.com"+answers[0].location(), "")
			second := send(t, pages[1], "GET", "https://pay.example.com"+answers[1].location(), "")
			is.True(first.has("Try again"))
			is.Equal(first.form(), second.form())
			form = first.form()
		}
	})
}

// TestAClickThatWasOvertakenAsksForNothing stops a click after it has read the session. Meanwhile the operator refuses the same attempt in
// another process, and the payer begins the next attempt there. The first click must not call Pay for the refused attempt. Otherwise
// two attempts would be open, and the payer could pay twice.
func TestAClickThatWasOvertakenAsksForNothing(t *testing.T) {
	is := is.New(t)
	h := newHost(t)
	s := h.create()
	link := h.page.Link(s)
	first := h.get(link)
	h.store.afterGet = sync.OnceFunc(func() { // the click below has read the session, and has not yet called Begin
		h.store.mu.Lock()
		h.store.afterGet = nil
		h.store.mu.Unlock()
		h.answer = func(checkout.Session) (paypage.Next, error) { return paypage.Next{}, &paypage.Refused{} }
		other := h.otherProcess()
		a := send(t, other, "POST", link, "do=pay&form="+first.form())
		refused := send(t, other, "GET", "https://pay.example.com"+a.location(), "")
		h.answer = nil
		send(t, other, "POST", link, "do=pay&form="+refused.form())
	})
	a := h.submit(link, first, "pay")
	is.Equal(a.Code, 303)
	is.Equal(len(h.asked), 2) // the other process has made both calls
	is.True(h.asked[0].PaymentID != h.asked[1].PaymentID)

	// More clicks of the payer do not begin a third attempt.
	page := h.get(link)
	for range 3 {
		page = h.press(link, page, "pay")
	}
	is.Equal(len(h.askedFor()), 2)
}

// TestEverySessionHasItsOwnAttempts proves that no two sessions get the same payment ID, in live and test mode. Otherwise the operator
// would take two payments for one.
func TestEverySessionHasItsOwnAttempts(t *testing.T) {
	is := is.New(t)
	h := newHost(t)
	seen := map[string]bool{}
	for i := range 100 {
		s := h.create(func(p *checkout.CreateParams) { p.Account.Test = i%2 == 0 })
		h.press(h.page.Link(s), h.get(h.page.Link(s)), "pay")
		seen[h.now(s).PaymentID] = true
	}
	is.Equal(len(seen), 100)
}

// FuzzLink proves that the page answers 404 to every path that is not a link.
func FuzzLink(f *testing.F) {
	f.Add("")
	f.Add("x/wait")
	f.Add(strings.Repeat("A", 123))
	h := newHost(f)
	f.Fuzz(func(t *testing.T, token string) {
		if strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune("?#%", r) }) {
			t.Skip("it is not a path")
		}
		if a := send(t, h.page, "GET", pageURL+"/"+token, ""); a.Code != 404 {
			t.Errorf("%q: status %d, want 404", token, a.Code)
		}
	})
}

func BenchmarkLink(b *testing.B) {
	page := paypage.ForBenchmark(b)
	s := checkout.Session{ID: "cs_test_0193f0c2a7b47c5e9d3a1b2c3d4e5f60", Account: checkout.Account{ID: "acct_1"}, Status: checkout.StatusCreated}
	b.ReportAllocs()
	for b.Loop() {
		page.Link(s)
	}
}
