package paypage_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/paypage"
	"github.com/matryer/is"
)

var uuidV4 = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

func TestPaying(t *testing.T) {
	t.Run("begins an attempt, calls Pay and shows the waiting page", func(t *testing.T) {
		is := is.New(t)
		h := newHost(t)
		s := h.create()
		link := h.page.Link(s)
		a := h.submit(link, h.get(link), "pay")
		is.Equal(a.Code, 303) // a redirect, so that a reload does not send the form again
		is.True(strings.HasPrefix(a.location(), strings.TrimPrefix(link, "https://pay.example.com")+"?note="))
		is.Equal(len(h.asked), 1)
		is.True(uuidV4.MatchString(h.asked[0].PaymentID))
		is.Equal(h.asked[0], h.now(s)) // Pay gets the session as it is stored
		is.Equal(h.now(s).Status, checkout.StatusPending)
		is.Equal(h.get("https://pay.example.com"+a.location()).heading(), "Confirm on your phone")
	})

	t.Run("stores the payment ID before it calls Pay", func(t *testing.T) {
		is := is.New(t)
		h := newHost(t)
		s := h.create()
		h.answer = func(given checkout.Session) (paypage.Next, error) {
			is.Equal(h.now(s).PaymentID, given.PaymentID)
			return paypage.Next{}, nil
		}
		h.press(h.page.Link(s), h.get(h.page.Link(s)), "pay")
		is.Equal(len(h.asked), 1)
	})

	t.Run("repeats the same attempt for a second click, in a second tab and from an old page", func(t *testing.T) {
		is := is.New(t)
		h := newHost(t)
		s := h.create()
		link := h.page.Link(s)
		first, second := h.get(link), h.get(link)
		waiting := h.press(link, first, "pay")
		_, writes := h.store.counts()
		h.press(link, first, "pay")
		h.press(link, second, "pay")
		h.press(link, waiting, "pay") // the button "Send the request again"
		is.Equal(len(h.askedFor()), 1)
		is.Equal(len(h.asked), 4) // each click calls Pay, with the same ID
		_, after := h.store.counts()
		is.Equal(after, writes)
		is.Equal(h.now(s).Version, int64(2))
	})

	t.Run("replaces a payment ID that the session was created with", func(t *testing.T) {
		is := is.New(t)
		h := newHost(t)
		for _, change := range []func(*checkout.CreateParams){func(*checkout.CreateParams) {}, card} {
			s := h.create(change, func(p *checkout.CreateParams) { p.PaymentID = "ORDER_1" })
			link := h.page.Link(s)
			h.press(link, h.get(link), "pay")
			is.True(h.now(s).PaymentID != "ORDER_1")
			is.Equal(h.now(s).Version, int64(2))
		}
	})

	t.Run("does not call Pay for a payment that the host has begun itself", func(t *testing.T) {
		is := is.New(t)
		h := newHost(t)
		s := h.create()
		link := h.page.Link(s)
		old := h.get(link)
		_, err := h.Begin(t.Context(), s.Account, s.ID, "HOST-1")
		is.NoErr(err)
		a := h.press(link, old, "pay")
		is.Equal(a.heading(), "Confirm on your phone")
		is.True(!a.has("Send the request again"))
		is.True(a.has("Cancel"))
		is.Equal(len(h.asked), 0)
		is.Equal(h.now(s).PaymentID, "HOST-1")
	})

	t.Run("does not call Pay if the session has got another status since the page was shown", func(t *testing.T) {
		is := is.New(t)
		h := newHost(t)
		moves := map[string]func(checkout.Session) error{
			"processing": func(s checkout.Session) error { _, err := h.Process(t.Context(), s.Account, s.ID, ""); return err },
			"completed":  func(s checkout.Session) error { _, err := h.Complete(t.Context(), s.Account, s.ID, ""); return err },
			"failed":     func(s checkout.Session) error { _, err := h.Fail(t.Context(), s.Account, s.ID, "", "no"); return err },
			"cancelled":  func(s checkout.Session) error { _, err := h.Cancel(t.Context(), s.Account, s.ID); return err },
			"expired":    func(checkout.Session) error { h.clock.Advance(time.Hour); return nil },
		}
		for status, move := range moves {
			s := h.create()
			link := h.page.Link(s)
			page := h.get(link)
			is.NoErr(move(s))
			a := h.press(link, page, "pay")
			is.Equal(a.Code, 200)
			is.Equal(len(h.asked), 0)
			is.Equal(string(h.now(s).Status), status)
			is.Equal(a.form(), "") // the page has no form
		}
	})
}

// TestAPayerWhoLeavesDoesNotStopTheCall proves that the context of Pay does not end when the payer leaves, and that it has a deadline. After a
// double click a browser cancels the first request, and the operator may have been asked already.
func TestAPayerWhoLeavesDoesNotStopTheCall(t *testing.T) {
	is := is.New(t)
	h := newHost(t)
	var ctxErr error // the error of Pay's context
	page := h.otherProcess(func(c *paypage.Config) {
		c.Pay = func(ctx context.Context, s checkout.Session) (paypage.Next, error) {
			ctxErr = ctx.Err()
			_, hasDeadline := ctx.Deadline()
			is.True(hasDeadline)
			return paypage.Next{}, nil
		}
	})
	ctxErr = errors.New("Pay was not called")
	s := h.create()
	link := page.Link(s)
	body := url.Values{"form": {h.get(link).form()}, "do": {"pay"}}.Encode()
	ctx, leave := context.WithCancel(t.Context())
	h.store.afterGet = leave // the payer leaves before the page calls Pay
	postWithContext(ctx, t, page, link, body)
	is.NoErr(ctxErr)
}

func TestRefusals(t *testing.T) {
	refuse := func(reason string) func(checkout.Session) (paypage.Next, error) {
		return func(checkout.Session) (paypage.Next, error) {
			return paypage.Next{}, fmt.Errorf("operator: %w", &paypage.Refused{Reason: reason})
		}
	}

	t.Run("leave the session open, show the reason and offer another attempt", func(t *testing.T) {
		is := is.New(t)
		h := newHost(t)
		h.answer = refuse(`solde <insuffisant> & "vide"`)
		s := h.create()
		link := h.page.Link(s)
		a := h.submit(link, h.get(link), "pay")
		is.Equal(h.now(s).Status, checkout.StatusPending)
		refused := h.get("https://pay.example.com" + a.location())
		is.Equal(refused.heading(), "The payment did not go through")
		is.True(refused.has(`solde <insuffisant> & "vide"`))
		is.True(refused.has(">Try again</button>"))
		again := h.get("https://pay.example.com" + a.location()) // a reload shows the same
		is.Equal(again.body, refused.body)

		h.answer = nil
		is.Equal(h.press(link, refused, "pay").heading(), "Confirm on your phone")
		is.Equal(len(h.askedFor()), 2)
		is.Equal(h.now(s).PaymentID, h.askedFor()[1])

		// Another attempt has begun. So the page no longer shows the note of the refused one, and the form of the old page begins no third.
		is.Equal(h.get("https://pay.example.com"+a.location()).heading(), "Confirm on your phone")
		is.Equal(h.press(link, refused, "pay").heading(), "Confirm on your phone")
		is.Equal(len(h.askedFor()), 2)
	})

	t.Run("are shown with the reason that Explain returns, or without one if it returns none", func(t *testing.T) {
		is := is.New(t)
		h := newHost(t, func(c *paypage.Config) {
			c.Explain = func(lang, reason string) string { return map[string]string{"fr": "pas assez d’argent"}[lang] }
		})
		h.answer = refuse("E-4711")
		s := h.create()
		link := h.page.Link(s)
		a := h.submit(link, h.get(link), "pay")
		is.True(h.get("https://pay.example.com" + a.location()).has("Your operator refused the payment."))
		is.True(h.get("https://pay.example.com"+a.location(), "Accept-Language: fr").has("refusé : pas assez d’argent."))
	})

	t.Run("of one attempt that is asked for twice offer the same next attempt", func(t *testing.T) {
		is := is.New(t)
		h := newHost(t)
		h.answer = refuse("no")
		s := h.create()
		link := h.page.Link(s)
		first, second := h.press(link, h.get(link), "pay"), h.press(link, h.get(link), "pay")
		is.Equal(first.form(), second.form())
		h.answer = nil
		h.press(link, first, "pay")
		h.press(link, second, "pay")
		is.Equal(len(h.askedFor()), 2)
	})

	t.Run("are the only results of Pay after which the next click begins another attempt", func(t *testing.T) {
		is := is.New(t)
		h := newHost(t)
		s := h.create()
		link := h.page.Link(s)
		page := h.get(link)
		attempts := 1
		for i, outcome := range []string{"asked", "error", "asked", "refused", "asked", "error", "refused", "refused", "error", "asked"} {
			h.answer = map[string]func(checkout.Session) (paypage.Next, error){
				"error":   func(checkout.Session) (paypage.Next, error) { return paypage.Next{}, errors.New("timeout") },
				"refused": refuse("no"),
			}[outcome]
			page = h.press(link, page, "pay")
			is.Equal(len(h.asked), i+1)
			is.Equal(len(h.askedFor()), attempts)
			if outcome == "refused" {
				attempts++
			}
		}
	})

	t.Run("are limited: after checkout.MaxChanges the page offers no other attempt", func(t *testing.T) {
		is := is.New(t)
		h := newHost(t)
		h.answer = refuse("no")
		s := h.create()
		link := h.page.Link(s)
		page := h.get(link)
		for range 3 * checkout.MaxChanges {
			page = h.press(link, page, "pay")
			if page.form() == "" || !page.has("Try again") {
				break
			}
		}
		is.Equal(page.Code, 200)
		is.True(page.has("too many attempts"))
		is.True(page.has("Back to the shop"))
		is.True(!page.has(">Try again</button>"))
		is.Equal(len(h.asked), checkout.MaxChanges-1) // Pay was called once for each attempt
		is.Equal(len(h.askedFor()), checkout.MaxChanges-1)
		is.Equal(int(h.now(s).Version), checkout.MaxChanges) // so one session costs a limited number of writes
		is.Equal(h.now(s).Status, checkout.StatusPending)
	})
}

// TestAnErrorOfPayLeavesTheAttemptOpen proves that the next click after an error repeats the same attempt. After an error the operator may
// have been asked, so a new payment ID could make a second payment.
func TestAnErrorOfPayLeavesTheAttemptOpen(t *testing.T) {
	failures := map[string]func(checkout.Session) (paypage.Next, error){
		"an error":         func(checkout.Session) (paypage.Next, error) { return paypage.Next{}, errors.New("timeout") },
		"a panic":          func(checkout.Session) (paypage.Next, error) { panic("oops") },
		"a relative URL":   func(checkout.Session) (paypage.Next, error) { return paypage.Next{URL: "/cards"}, nil },
		"a javascript URL": func(checkout.Session) (paypage.Next, error) { return paypage.Next{URL: "javascript:alert(1)"}, nil },
		"a URL that is too long": func(checkout.Session) (paypage.Next, error) {
			return paypage.Next{URL: "https://x.example/" + strings.Repeat("x", 5000)}, nil
		},
		"a URL with a line break": func(checkout.Session) (paypage.Next, error) {
			return paypage.Next{URL: "https://x.example/\nSet-Cookie: a=b"}, nil
		},
		"a URL without a host": func(checkout.Session) (paypage.Next, error) { return paypage.Next{URL: "https:///x"}, nil },
	}
	for what, fail := range failures {
		t.Run(what, func(t *testing.T) {
			is := is.New(t)
			h := newHost(t)
			h.answer = fail
			s := h.create()
			link := h.page.Link(s)
			a := h.press(link, h.get(link), "pay")
			is.Equal(a.Code, 200)
			is.True(a.has("We do not know whether the request arrived"))
			is.Equal(h.now(s).Status, checkout.StatusPending)
			h.answer = nil
			is.Equal(h.press(link, a, "pay").heading(), "Confirm on your phone")
			is.Equal(len(h.asked), 2)
			is.Equal(len(h.askedFor()), 1) // both calls were for the same attempt
		})
	}
}

// TestCards follows a payer to the card processor's page, back to the payer's page, and back to the shop once the session is
// paid.
func TestCards(t *testing.T) {
	is := is.New(t)
	h := newHost(t)
	const processor = "https://cards.example/pay?session=1&return=(x)'"
	h.answer = func(checkout.Session) (paypage.Next, error) { return paypage.Next{URL: processor}, nil }
	s := h.create(card)
	link := h.page.Link(s)
	page := h.get(link)
	is.Equal(page.heading(), "Pay by card")
	a := h.submit(link, page, "pay")
	is.Equal(a.Code, 303)
	leave := h.get("https://pay.example.com" + a.location())
	is.Equal(leave.Code, 200)
	is.Equal(leave.Header().Get("Refresh"), "0; url="+processor)
	is.True(leave.has(`href="` + processor + `"`))

	// The processor sends the payer back to the link. There the payer can open the processor's page of the same payment again.
	back := h.get(link)
	is.Equal(back.heading(), "Waiting for your card")
	is.True(back.has("Go to the card page"))
	h.press(link, back, "pay")
	is.Equal(len(h.askedFor()), 1)

	_, err := h.Complete(t.Context(), s.Account, s.ID, h.askedFor()[0])
	is.NoErr(err)
	is.Equal(h.get(link).location(), "https://shop.example/paid?s="+s.ID)
	done := h.get("https://pay.example.com" + a.location()) // the back button leads to the page that sent the payer away
	is.Equal(done.Header().Get("Refresh"), "0; url=https://shop.example/paid?s="+s.ID)
}

func TestCancelling(t *testing.T) {
	t.Run("cancels the session and sends the payer back to the shop", func(t *testing.T) {
		is := is.New(t)
		h := newHost(t)
		s := h.create()
		link := h.page.Link(s)
		a := h.press(link, h.get(link), "cancel")
		is.Equal(h.now(s).Status, checkout.StatusCancelled)
		is.Equal(a.Header().Get("Refresh"), "0; url=https://shop.example/back?s="+s.ID)
		is.Equal(h.get(link).location(), "https://shop.example/back?s="+s.ID)
		is.Equal(len(h.asked), 0)
	})

	t.Run("works while an attempt is under way, but not once the operator holds the money", func(t *testing.T) {
		is := is.New(t)
		h := newHost(t)
		s := h.create()
		link := h.page.Link(s)
		page := h.press(link, h.get(link), "pay")
		_, err := h.Process(t.Context(), s.Account, s.ID, h.askedFor()[0])
		is.NoErr(err)
		is.Equal(h.press(link, page, "cancel").heading(), "Payment in progress")
		is.Equal(h.now(s).Status, checkout.StatusProcessing)

		other := h.create()
		page = h.press(h.page.Link(other), h.get(h.page.Link(other)), "pay")
		h.press(h.page.Link(other), page, "cancel")
		is.Equal(h.now(other).Status, checkout.StatusCancelled)
	})
}
