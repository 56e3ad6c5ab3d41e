package paypage_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/paypage"
	"github.com/matryer/is"
)

// TestAClickThatWasOvertakenAsksForNothing stops a click after it has read the session. Meanwhile the operator refuses the same attempt in
// another process, and the payer begins the next attempt there. The first click must not call Pay for the refused attempt: otherwise two
// attempts would be open, and the payer could pay twice.
func TestAClickThatWasOvertakenAsksForNothing(t *testing.T) {
	is := is.New(t)
	h := newHost(t)
	s := h.create()
	link := h.page.Link(s)
	first := h.get(link)
	h.store.afterGet = sync.OnceFunc(func() { // now the click below has read the session, and has not called Begin
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
