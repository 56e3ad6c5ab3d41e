package browsertest

import (
	"strings"
	"testing"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/paypage"
	"github.com/caisse/checkout/simulator"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

func TestPayingByPhone(t *testing.T) {
	for language, words := range map[string][3]string{
		"fr": {"Payez avec votre téléphone", "Confirmez sur votre téléphone", "Paiement en cours"},
		"en": {"Pay with your phone", "Confirm on your phone", "Payment in progress"},
	} {
		t.Run(language, func(t *testing.T) {
			h := newHost(t, simulator.Config{Interactive: true})
			s := h.create("54")
			b := openBrowser(t, language)
			b.open(h.page.Link(s))
			b.sees(words[0])
			b.click(payButton)
			b.sees(words[1])
			h.sim.Answer(h.askedFor()[0], true, "")
			b.sees(words[2]) // the page found out by itself
			b.sees("Shop /paid")
			if got, want := b.at(), h.shop.URL+"/paid?s="+s.ID; got != want {
				t.Errorf("sent to %s, not %s", got, want)
			}
			// The back button leads to no second payment.
			b.back()
			time.Sleep(500 * time.Millisecond)
			b.sees("Shop /paid")
			b.clean(h)
			if n := len(h.askedFor()); n != 1 {
				t.Errorf("%d payments were asked for", n)
			}
		})
	}
}

func TestPayingByCard(t *testing.T) {
	h := newHost(t, simulator.Config{})
	s := h.create("", byCard)
	b := openBrowser(t, "en")
	b.open(h.page.Link(s))
	b.sees("Pay by card")
	b.click(payButton)
	b.sees("Simulated card processor")

	// The back button, and off again: the same payment.
	b.back()
	b.sees("Waiting for your card")
	b.click(payButton)
	b.sees("Simulated card processor")
	b.click(payButton)
	b.sees("Shop /paid")
	b.clean(h)
	if n := len(h.askedFor()); n != 1 {
		t.Errorf("%d payments were asked for", n)
	}
	if h.status(s) != checkout.StatusCompleted {
		t.Errorf("the session is %s", h.status(s))
	}
}

func TestADeclinedCard(t *testing.T) {
	h := newHost(t, simulator.Config{})
	s := h.create("", byCard)
	b := openBrowser(t, "fr")
	b.open(h.page.Link(s))
	b.click(payButton)
	b.sees("Simulated card processor")
	b.click(`button[value=decline]`)
	b.sees("Paiement refusé")
	if !strings.Contains(b.text(), "la banque a refusé la carte") {
		t.Errorf("the page does not say why: %s", b.text())
	}
	b.clean(h)
}

func TestRefusedForGood(t *testing.T) {
	h := newHost(t, simulator.Config{})
	s := h.create("01")
	b := openBrowser(t, "en")
	b.open(h.page.Link(s))
	b.click(payButton)
	b.sees("Payment refused")
	if !strings.Contains(b.text(), "not enough money in the account") {
		t.Errorf("the page does not say why: %s", b.text())
	}
	b.click(`a`)
	b.sees("Shop /back")
	b.clean(h)
}

func TestRefusedAtOnceAndTriedAgain(t *testing.T) {
	h := newHost(t, simulator.Config{})
	refusals := 2
	h.before = func(checkout.Session) error {
		if refusals--; refusals >= 0 {
			return &paypage.Refused{Reason: simulator.ReasonFunds}
		}
		return nil
	}
	s := h.create("54")
	b := openBrowser(t, "en")
	b.open(h.page.Link(s))
	for range 2 {
		b.click(payButton)
		b.sees("The payment did not go through")
		if !strings.Contains(b.text(), "not enough money in the account") {
			t.Errorf("the page does not say why: %s", b.text())
		}
		b.run(chromedp.Reload()) // which says the same and asks for nothing
		b.sees("The payment did not go through")
		if h.status(s) != checkout.StatusPending {
			t.Errorf("the session is %s", h.status(s))
		}
	}
	b.click(payButton)
	b.sees("Shop /paid")
	b.clean(h)
	if n := len(h.askedFor()); n != 3 {
		t.Errorf("%d payments were asked for", n)
	}
}

func TestAnOperatorThatCannotBeReached(t *testing.T) {
	h := newHost(t, simulator.Config{})
	failures := 1
	h.before = func(checkout.Session) error {
		if failures--; failures >= 0 {
			return errNoRoute
		}
		return nil
	}
	s := h.create("54")
	b := openBrowser(t, "en")
	b.open(h.page.Link(s))
	b.click(payButton)
	b.sees("One moment, please")
	b.click(payButton)
	b.sees("Shop /paid")
	b.clean(h)
	if n := len(h.askedFor()); n != 1 {
		t.Errorf("%d payments were asked for", n)
	}
}

func TestCancelling(t *testing.T) {
	h := newHost(t, simulator.Config{})
	s := h.create("03")
	b := openBrowser(t, "en")
	b.open(h.page.Link(s))
	b.click(cancelButton)
	b.sees("Shop /back")
	b.clean(h)
	if h.status(s) != checkout.StatusCancelled {
		t.Errorf("the session is %s", h.status(s))
	}
}

func TestExpiryWhileThePageIsOpen(t *testing.T) {
	h := newHost(t, simulator.Config{})
	b := openBrowser(t, "en")
	b.open(h.page.Link(h.create("03")))
	b.sees("Pay with your phone")
	h.clock.advance(31 * time.Minute)
	b.sees("Time is up")
	b.clean(h)
}

func TestClicksReloadsAndTabsMakeOnePayment(t *testing.T) {
	h := newHost(t, simulator.Config{Interactive: true})
	h.slow = 300 * time.Millisecond
	s := h.create("54")
	b := openBrowser(t, "en")
	other := newTab(t, b.ctx, "en")
	other.open(h.page.Link(s))
	b.open(h.page.Link(s))
	b.leaves(chromedp.DoubleClick(payButton))
	b.sees("Confirm on your phone")
	other.sees("Confirm on your phone") // by itself
	for range 3 {
		b.run(chromedp.Reload())
		b.sees("Confirm on your phone")
	}
	b.click(payButton) // "send the request again"
	b.sees("Confirm on your phone")
	b.back()
	b.sees("Confirm on your phone")
	other.click(payButton)
	other.sees("Confirm on your phone")
	if ids := h.askedFor(); len(ids) != 1 {
		t.Fatalf("%d payments were asked for", len(ids))
	}
	h.sim.Answer(h.askedFor()[0], true, "")
	b.sees("Shop /paid")
	other.sees("Shop /paid")
	b.clean(h)
	other.clean(h)
}

func TestWithoutScript(t *testing.T) {
	off := call(emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})

	t.Run("by phone", func(t *testing.T) {
		h := newHost(t, simulator.Config{})
		s := h.create("54")
		b := openBrowser(t, "fr")
		b.run(off)
		b.open(h.page.Link(s))
		b.click(payButton)
		b.sees("Confirmez sur votre téléphone")
		b.sees("Shop /paid") // by the refresh
		b.clean(h)
	})

	t.Run("by card", func(t *testing.T) {
		h := newHost(t, simulator.Config{})
		s := h.create("", byCard)
		b := openBrowser(t, "fr")
		b.run(off)
		b.open(h.page.Link(s))
		b.click(payButton)
		b.sees("Simulated card processor")
		b.click(payButton)
		b.sees("Shop /paid")
		b.clean(h)
	})

	t.Run("cancelled, with a double click", func(t *testing.T) {
		h := newHost(t, simulator.Config{})
		h.slow = 300 * time.Millisecond
		s := h.create("03")
		b := openBrowser(t, "fr")
		b.run(off)
		b.open(h.page.Link(s))
		b.leaves(chromedp.DoubleClick(payButton))
		b.sees("Confirmez sur votre téléphone")
		if n := len(h.askedFor()); n != 1 {
			t.Errorf("%d payments were asked for", n)
		}
		b.click(cancelButton)
		b.sees("Shop /back")
		b.clean(h)
	})
}
