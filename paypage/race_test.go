package paypage_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/paypage"
	"github.com/matryer/is"
)

// A click that was read before another process began, had refused and began anew must not ask for the refused attempt: its
// replacement is under way.
func TestAClickThatWasOvertakenAsksForNothing(t *testing.T) {
	is := is.New(t)
	h := newHost(t)
	s := h.create()
	link := h.page.Link(s)
	first := h.get(link)
	h.store.afterGet = sync.OnceFunc(func() { // the click below has read the session, and has not begun yet
		h.store.mu.Lock()
		h.store.afterGet = nil
		h.store.mu.Unlock()
		h.answer = func(checkout.Session) (paypage.Next, error) { return paypage.Next{}, &paypage.Refused{} }
		other := h.another()
		a := send(t, other, "POST", link, "do=pay&form="+first.form())
		refused := send(t, other, "GET", "https://pay.example.com"+a.location(), "")
		h.answer = nil
		send(t, other, "POST", link, "do=pay&form="+refused.form())
	})
	a := h.submit(link, first, "pay")
	is.Equal(a.Code, 303)
	is.Equal(len(h.asked), 2) // both by the other process
	is.True(h.asked[0].PaymentID != h.asked[1].PaymentID)

	// Whatever the payer does now, no third payment comes of it.
	page := h.get(link)
	for range 3 {
		page = h.press(link, page, "pay")
	}
	is.Equal(len(h.askedFor()), 2)
}

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

// FuzzLink looks for a path that is answered with anything but the one 404, short of the link itself.
func FuzzLink(f *testing.F) {
	f.Add("")
	f.Add("x/wait")
	f.Add(strings.Repeat("A", 123))
	h := newHost(f)
	f.Fuzz(func(t *testing.T, token string) {
		if strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune("?#%", r) }) {
			t.Skip("is no path")
		}
		if a := send(t, h.page, "GET", where+"/"+token, ""); a.Code != 404 {
			t.Errorf("%q: %d", token, a.Code)
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
