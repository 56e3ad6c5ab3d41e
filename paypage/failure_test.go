package paypage_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/paypage"
	"github.com/matryer/is"
)

// TestWhatAFloodCosts counts the reads and writes of the store if somebody calls the page again and again. A page view costs one read, and
// a click that repeats an attempt costs two. Neither costs a write.
func TestWhatAFloodCosts(t *testing.T) {
	is := is.New(t)
	h := newHost(t)
	s := h.create()
	link := h.page.Link(s)
	page := h.get(link)
	h.press(link, page, "pay")
	reads, writes := h.store.counts()
	for range 100 {
		h.get(link)
	}
	r, w := h.store.counts()
	is.Equal(r-reads, 100)
	is.Equal(w, writes)
	for range 100 {
		h.submit(link, page, "pay")
	}
	r2, w2 := h.store.counts()
	is.Equal(r2-r, 200) // one read for the page and one for Begin, which changes nothing
	is.Equal(w2, writes)
}

func TestFailures(t *testing.T) {
	t.Run("of the store and of Pay are logged without secrets, and an unavailable store is a 503", func(t *testing.T) {
		is := is.New(t)
		var log bytes.Buffer
		h := newHost(t, func(c *paypage.Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
		s := h.create()
		link := h.page.Link(s)
		page := h.get(link)
		h.store.getError = fmt.Errorf("connection refused: %w", checkout.ErrUnavailable)
		for _, a := range []answer{h.get(link), h.submit(link, page, "pay"), h.submit(link, page, "cancel")} {
			is.Equal(a.Code, 503)
			is.Equal(a.Header().Get("Retry-After"), "5")
			is.True(!strings.Contains(a.body, "connection"))
			is.True(a.has("Open the payment page again"))
		}
		is.Equal(h.get(link+"/wait?seen=1.created").Code, 503)
		is.True(strings.Contains(log.String(), "connection refused"))
		h.store.getError = fmt.Errorf("a bug")
		is.Equal(h.get(link).Code, 500)
		h.store.getError = nil
		h.answer = func(checkout.Session) (paypage.Next, error) { return paypage.Next{}, fmt.Errorf("no route") }
		h.press(link, page, "pay")
		is.True(strings.Contains(log.String(), "no route"))
		token := strings.TrimPrefix(link, pageURL+"/")
		for _, secret := range []string{token, token[:20], page.form(), s.UserPhone} {
			is.True(!strings.Contains(log.String(), secret))
		}
	})

	t.Run("of a write are answered 503, and the next click pays or cancels once", func(t *testing.T) {
		for what, failure := range map[string]error{"nothing was written": checkout.ErrUnavailable, "the session was written": checkout.ErrOutcomeUnknown} {
			t.Run(what, func(t *testing.T) {
				is := is.New(t)
				h := newHost(t)
				for do, wanted := range map[string]checkout.Status{"pay": checkout.StatusPending, "cancel": checkout.StatusCancelled} {
					h.asked = nil
					s := h.create()
					link := h.page.Link(s)
					page := h.get(link)
					h.store.updateError = fmt.Errorf("connection refused: %w", failure)
					a := h.submit(link, page, do)
					is.Equal(a.Code, 503)
					is.Equal(a.Header().Get("Retry-After"), "5")
					is.Equal(len(h.asked), 0) // the page does not call Pay for an attempt that may not be stored
					h.store.updateError = nil
					is.Equal(h.press(link, page, do).Code, 200)
					is.Equal(h.now(s).Status, wanted)
					is.Equal(h.now(s).Version, int64(2))
					if do == "pay" {
						is.Equal(h.asked, []checkout.Session{h.now(s)})
					}
				}
			})
		}
	})

	t.Run("that are panics of the host's code are answered 500", func(t *testing.T) {
		is := is.New(t)
		h := newHost(t, func(c *paypage.Config) { c.Merchant = func(checkout.Account) string { panic("oops") } })
		a := h.get(h.page.Link(h.create()))
		is.Equal(a.Code, 500)
		is.True(!strings.Contains(a.body, "oops"))
	})

	t.Run("are not logged if the payer has left", func(t *testing.T) {
		is := is.New(t)
		var log bytes.Buffer
		h := newHost(t, func(c *paypage.Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
		link := h.page.Link(h.create())
		form := h.get(link).form()
		ctx, leave := context.WithCancel(t.Context())
		leave()
		h.store.getError = context.Canceled
		reads, _ := h.store.counts()
		postWithContext(ctx, t, h.page, link, url.Values{"form": {form}, "do": {"pay"}}.Encode())
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, link, nil)
		is.NoErr(err)
		http.StripPrefix("/pay", h.page).ServeHTTP(discardResponse{http.Header{}}, r)
		after, _ := h.store.counts()
		is.Equal(after-reads, 2) // both requests have called the store
		is.Equal(log.String(), "")
	})
}

// discardResponse is an [http.ResponseWriter] for a payer who no longer reads the answer.
type discardResponse struct{ header http.Header }

func (d discardResponse) Header() http.Header         { return d.header }
func (d discardResponse) Write(p []byte) (int, error) { return len(p), nil }
func (d discardResponse) WriteHeader(int)             {}
