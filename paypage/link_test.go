package paypage_test

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/paypage"
	"github.com/matryer/is"
)

func TestLink(t *testing.T) {
	t.Run("is the same for the same session, and another for every other", func(t *testing.T) {
		is := is.New(t)
		h := newHost(t)
		s := h.create()
		is.Equal(h.page.Link(s), h.page.Link(s))
		is.Equal(h.page.Link(s), h.another().Link(s)) // in another process too
		is.True(strings.HasPrefix(h.page.Link(s), where+"/"))
		is.True(h.page.Link(s) != h.page.Link(h.create()))
		tested := s
		tested.Account.Test = true
		is.True(h.page.Link(s) != h.page.Link(tested))
	})

	t.Run("opens its own session, whatever the account is called", func(t *testing.T) {
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

	t.Run("says nothing of the account or the session, not even how long the account's name is", func(t *testing.T) {
		is := is.New(t)
		h := newHost(t)
		s := h.create()
		other := h.create(func(p *checkout.CreateParams) { p.Account.ID = "acct_1234567890" })
		is.Equal(len(h.page.Link(s)), len(h.page.Link(other)))
		token := strings.TrimPrefix(h.page.Link(s), where+"/")
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

	t.Run("is there while the session can be paid", func(t *testing.T) {
		is := is.New(t)
		h := newHost(t)
		for _, status := range checkout.Statuses() {
			s := h.create()
			s.Status = status
			can := status == checkout.StatusCreated || status == checkout.StatusPending
			is.Equal(h.page.Link(s) != "", can)
		}
	})

	t.Run("of an old key opens while the key is there, and new ones are sealed by the first", func(t *testing.T) {
		is := is.New(t)
		h := newHost(t)
		s := h.create()
		old := h.page.Link(s)
		rotated := h.another(func(c *paypage.Config) { c.Keys = [][]byte{key(2), key(1)} })
		before := h.another(func(c *paypage.Config) { c.Keys = [][]byte{key(1), key(2)} })
		is.Equal(before.Link(s), old)
		is.True(rotated.Link(s) != old)
		for _, page := range []*paypage.Page{rotated, before} {
			is.Equal(send(t, page, "GET", old, "").Code, 200)
			is.Equal(send(t, page, "GET", rotated.Link(s), "").Code, 200)
		}
		retired := h.another(func(c *paypage.Config) { c.Keys = [][]byte{key(2)} })
		is.Equal(send(t, retired, "GET", old, "").Code, 404)

		// A form of the old key still works on the way.
		a := send(t, h.page, "GET", old, "")
		h.page = rotated
		is.Equal(h.press(old, a, "pay").heading(), "Confirm on your phone")
		is.Equal(len(h.askedFor()), 1)
	})
}

// bad are links that open nothing, by what is wrong with them.
func bad(t *testing.T, h *host, s checkout.Session) map[string]string {
	t.Helper()
	link := h.page.Link(s)
	token := strings.TrimPrefix(link, where+"/")
	all := map[string]string{
		"foreign": h.another(func(c *paypage.Config) { c.Keys = [][]byte{key(9)} }).Link(s),
		"empty":   where + "/", "nothing like it": where + "/x", "the session's id": where + "/" + s.ID,
		"zeros": where + "/" + strings.Repeat("A", len(token)), "not base64": where + "/" + strings.Repeat("!", len(token)),
		"endless": where + "/" + strings.Repeat("A", 100_000), "longer": link + "AAAA", "padded": link + "=", "twice": link + token,
		"under it": link + "/x", "wait under it": link + "/wait/x", "slash": link + "/",
	}
	for _, n := range []int{1, 10, 64, len(token) - 1} {
		all[fmt.Sprintf("cut to %d", n)] = where + "/" + token[:n]
	}
	for i := range token {
		changed := []byte(token)
		changed[i] = map[bool]byte{true: 'B', false: 'A'}[changed[i] == 'A']
		all[fmt.Sprintf("changed at %d", i)] = where + "/" + string(changed)
	}
	return all
}

func TestABadLinkTellsNothing(t *testing.T) {
	h := newHost(t)
	s := h.create()
	good := h.get(h.page.Link(s))
	links := bad(t, h, s)
	want := send(t, h.page, "GET", links["foreign"], "")
	reads, writes := h.store.counts()
	for what, link := range links {
		for _, method := range []string{"GET", "POST", "DELETE"} {
			a := send(t, h.page, method, link, "do=pay&form="+good.form())
			if what == "slash" || strings.Contains(what, "under it") {
				// These begin with a good link: nothing is at the path, and only that is said.
				if a.Code != 404 {
					t.Errorf("%s %s: status %d", method, what, a.Code)
				}
				continue
			}
			if a.Code != 404 || a.body != want.body || fmt.Sprint(a.Header()) != fmt.Sprint(want.Header()) {
				t.Errorf("%s %s: status %d, %d bytes, header %v", method, what, a.Code, len(a.body), a.Header())
			}
		}
		if a := send(t, h.page, "GET", link+"/wait?seen=1.created", ""); a.Code != 404 {
			t.Errorf("wait, %s: status %d", what, a.Code)
		}
	}
	if r, w := h.store.counts(); r != reads || w != writes {
		t.Errorf("bad links cost the store %d reads and %d writes", r-reads, w-writes)
	}
}

// The quickest of many says what the work is, whatever else the machine is doing.
func TestABadLinkTakesAsLongAsAny(t *testing.T) {
	h := newHost(t)
	s := h.create()
	links := bad(t, h, s)
	quickest := func(link string) time.Duration {
		best := time.Hour
		for range 300 {
			began := time.Now()
			send(t, h.page, "GET", link, "")
			best = min(best, time.Since(began))
		}
		return best
	}
	var times []time.Duration
	for _, what := range []string{"foreign", "empty", "nothing like it", "the session's id", "zeros", "not base64", "cut to 10", "cut to 64", "changed at 0", "changed at 100", "longer"} {
		d := quickest(links[what])
		t.Logf("%-20s %v", what, d)
		times = append(times, d)
	}
	if slices.Max(times) > 2*slices.Min(times) {
		t.Errorf("bad links take from %v to %v", slices.Min(times), slices.Max(times))
	}
}

func TestASessionThatIsGoneIsA404(t *testing.T) {
	is := is.New(t)
	h := newHost(t)
	s := h.create()
	s.ID = "cs_ci_0193f0c2a7b47c5e9d3a1b2c3d4e5f60"
	link := h.page.Link(s)
	is.Equal(h.get(link).Code, 404)
	is.Equal(h.get(link+"/wait").Code, 404)
}
