package paypage_test

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/paypage"
	"github.com/matryer/is"
)

func TestLink(t *testing.T) {
	t.Run("is always the same for one session, and different for every other session", func(t *testing.T) {
		is := is.New(t)
		h := newHost(t)
		s := h.create()
		is.Equal(h.page.Link(s), h.page.Link(s))
		is.Equal(h.page.Link(s), h.otherProcess().Link(s)) // also in another process
		is.True(strings.HasPrefix(h.page.Link(s), pageURL+"/"))
		is.True(h.page.Link(s) != h.page.Link(h.create()))
		inTestMode := s
		inTestMode.Account.Test = true
		is.True(h.page.Link(s) != h.page.Link(inTestMode))
	})

	t.Run("opens its own session, with any account ID and in both modes", func(t *testing.T) {
		for _, id := range []string{"a", "acct_1", strings.Repeat("é", 255), "a\x01b/?#%"} {
			is := is.New(t)
			h := newHost(t)
			for _, mode := range []bool{false, true} {
				s := h.create(func(p *checkout.CreateParams) {
					p.Account, p.Description = checkout.Account{ID: id, Test: mode}, fmt.Sprint("mode ", mode)
				})
				a := h.get(h.page.Link(s))
				is.Equal(a.Code, 200)
				is.True(a.has(s.Description))
				is.Equal(a.has("Test mode"), mode)
			}
		}
	})

	t.Run("reveals neither the account nor the session, nor the exact length of the account's ID", func(t *testing.T) {
		is := is.New(t)
		h := newHost(t)
		s := h.create()
		other := h.create(func(p *checkout.CreateParams) { p.Account.ID = "acct_1234567890" })
		is.Equal(len(h.page.Link(s)), len(h.page.Link(other)))
		token := strings.TrimPrefix(h.page.Link(s), pageURL+"/")
		raw, err := base64.RawURLEncoding.DecodeString(token)
		is.NoErr(err)
		for _, secret := range []string{s.Account.ID, s.ID, s.ID[len(s.ID)-8:]} {
			is.True(!strings.Contains(token, secret))
			is.True(!strings.Contains(string(raw), secret))
		}
		body := h.get(h.page.Link(s)).body
		for _, secret := range []string{s.Account.ID, s.ID, s.UserPhone, "98765"} {
			is.True(!strings.Contains(body, secret))
		}
	})

	t.Run("is empty unless the session can be paid", func(t *testing.T) {
		is := is.New(t)
		h := newHost(t)
		for _, status := range checkout.Statuses() {
			s := h.create()
			s.Status = status
			payable := status == checkout.StatusCreated || status == checkout.StatusPending
			is.Equal(h.page.Link(s) != "", payable)
		}
	})

	t.Run("of an old key opens until the key is removed, and new links use the first key", func(t *testing.T) {
		is := is.New(t)
		h := newHost(t)
		s := h.create()
		old := h.page.Link(s)
		rotated := h.otherProcess(func(c *paypage.Config) { c.Keys = [][]byte{key(2), key(1)} })
		announced := h.otherProcess(func(c *paypage.Config) { c.Keys = [][]byte{key(1), key(2)} })
		is.Equal(announced.Link(s), old)
		is.True(rotated.Link(s) != old)
		for _, page := range []*paypage.Page{rotated, announced} {
			is.Equal(send(t, page, "GET", old, "").Code, 200)
			is.Equal(send(t, page, "GET", rotated.Link(s), "").Code, 200)
		}
		retired := h.otherProcess(func(c *paypage.Config) { c.Keys = [][]byte{key(2)} })
		is.Equal(send(t, retired, "GET", old, "").Code, 404)

		// A page from before the rotation has a form of the old key. That form works after the rotation too.
		a := send(t, h.page, "GET", old, "")
		h.page = rotated
		is.Equal(h.press(old, a, "pay").heading(), "Confirm on your phone")
		is.Equal(len(h.askedFor()), 1)
	})
}

// badLinks returns links that open no page. The key of each says what is wrong with it.
func badLinks(t *testing.T, h *host, s checkout.Session) map[string]string {
	t.Helper()
	link := h.page.Link(s)
	token := strings.TrimPrefix(link, pageURL+"/")
	all := map[string]string{
		"another key": h.otherProcess(func(c *paypage.Config) { c.Keys = [][]byte{key(9)} }).Link(s),
		"empty":       pageURL + "/", "too short": pageURL + "/x", "the session ID": pageURL + "/" + s.ID,
		"zeros": pageURL + "/" + strings.Repeat("A", len(token)), "not base64": pageURL + "/" + strings.Repeat("!", len(token)),
		"very long": pageURL + "/" + strings.Repeat("A", 100_000), "longer": link + "AAAA", "padded": link + "=", "the token twice": link + token,
		"a path below it": link + "/x", "a path below its wait": link + "/wait/x", "a slash at the end": link + "/",
	}
	for _, n := range []int{1, 10, 64, len(token) - 1} {
		all[fmt.Sprintf("cut to %d", n)] = pageURL + "/" + token[:n]
	}
	for i := range token {
		changed := []byte(token)
		changed[i] = map[bool]byte{true: 'B', false: 'A'}[changed[i] == 'A']
		all[fmt.Sprintf("changed at %d", i)] = pageURL + "/" + string(changed)
	}
	return all
}

// TestABadLinkTellsNothing proves that all bad links get the same 404, byte for byte, without a call of the store. Otherwise somebody could
// find out how to make a valid link, or load the database with invalid ones.
func TestABadLinkTellsNothing(t *testing.T) {
	h := newHost(t)
	s := h.create()
	good := h.get(h.page.Link(s))
	links := badLinks(t, h, s)
	want := send(t, h.page, "GET", links["another key"], "")
	reads, writes := h.store.counts()
	for what, link := range links {
		for _, method := range []string{"GET", "POST", "DELETE"} {
			a := send(t, h.page, method, link, "do=pay&form="+good.form())
			if what == "a slash at the end" || strings.Contains(what, "a path below") {
				// These begin with a good link, so their 404 may differ from the 404 of a bad link. Only the status matters.
				if a.Code != 404 {
					t.Errorf("%s %s: status %d, want 404", method, what, a.Code)
				}
				continue
			}
			if a.Code != 404 || a.body != want.body || fmt.Sprint(a.Header()) != fmt.Sprint(want.Header()) {
				t.Errorf("%s %s: the answer differs from the usual 404: status %d, %d bytes, header %v", method, what, a.Code, len(a.body), a.Header())
			}
		}
		if a := send(t, h.page, "GET", link+"/wait?seen=1.created", ""); a.Code != 404 {
			t.Errorf("GET %s, wait: status %d, want 404", what, a.Code)
		}
	}
	if r, w := h.store.counts(); r != reads || w != writes {
		t.Errorf("bad links cost the store %d reads and %d writes", r-reads, w-writes)
	}
}

// TestABadLinkIsDecryptedLikeAGoodOne proves that the page makes one decryption with each key for every link, whatever is wrong with it, and
// that the decrypted text is at least as long as in a good link. Otherwise the time to the 404 could show what is wrong. The test measures
// no time, because other work of the machine changes it.
func TestABadLinkIsDecryptedLikeAGoodOne(t *testing.T) {
	h := newHost(t)
	s := h.create()
	h.page = h.otherProcess(func(c *paypage.Config) { c.Keys = [][]byte{key(2), key(1)} })
	sizes := paypage.RecordDecryptions(h.page)
	links := badLinks(t, h, s)
	links["a good link"] = h.page.Link(s)
	const size = 64 + 16 // the content of a link, padded to 64 bytes, and the tag of AES-GCM
	for what, link := range links {
		*sizes = nil
		h.get(link)
		if len(*sizes) != 2 || slices.Min(*sizes) < size {
			t.Errorf("%s: the page decrypted texts of %v bytes, want two of at least %d bytes", what, *sizes, size)
		}
	}
}

// TestASessionThatIsGoneIsA404 opens a valid link to a session that the store no longer has.
func TestASessionThatIsGoneIsA404(t *testing.T) {
	is := is.New(t)
	h := newHost(t)
	s := h.create()
	s.ID = "cs_ci_0193f0c2a7b47c5e9d3a1b2c3d4e5f60"
	link := h.page.Link(s)
	is.Equal(h.get(link).Code, 404)
	is.Equal(h.get(link+"/wait").Code, 404)
}
