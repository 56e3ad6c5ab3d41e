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
			b.sees(words[2]) // the page updates itself
			b.sees("Shop /paid")
			if got, want := b.at(), h.shop.URL+"/paid?s="+s.ID; got != want {
				t.Errorf("the payer was sent to %s, want %s", got, want)
			}
			// After the back button the page sends the payer to the shop again. There is no second payment.
			b.back()
			b.sees("Shop /paid")
			b.checkNoFaults(h)
			if n := len(h.askedFor()); n != 1 {
				t.Errorf("Pay was called for %d payments", n)
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

	// The payer goes back, and then to the processor again. It is still the same payment.
	b.back()
	b.sees("Waiting for your card")
	b.click(payButton)
	b.sees("Simulated card processor")
	b.click(payButton)
	b.sees("Shop /paid")
	b.checkNoFaults(h)
	if n := len(h.askedFor()); n != 1 {
		t.Errorf("Pay was called for %d payments", n)
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
	b.checkNoFaults(h)
}

// TestRefusedForGood shows a payment that fails after the operator was asked: the session has ended.
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
	b.checkNoFaults(h)
}

// TestRefusedAtOnceAndTriedAgain shows an operator that refuses the request itself: the payer can try again.
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
		b.run(chromedp.Reload()) // a reload shows the same and does not call Pay
		b.sees("The payment did not go through")
		if h.status(s) != checkout.StatusPending {
			t.Errorf("the session is %s", h.status(s))
		}
	}
	b.click(payButton)
	b.sees("Shop /paid")
	b.checkNoFaults(h)
	if n := len(h.askedFor()); n != 3 {
		t.Errorf("Pay was called for %d payments", n)
	}
}

// TestAnOperatorThatCannotBeReached proves that the payer can repeat the same payment after an error of Pay.
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
	b.checkNoFaults(h)
	if n := len(h.askedFor()); n != 1 {
		t.Errorf("Pay was called for %d payments", n)
	}
}

func TestCancelling(t *testing.T) {
	h := newHost(t, simulator.Config{})
	s := h.create("03")
	b := openBrowser(t, "en")
	b.open(h.page.Link(s))
	b.click(cancelButton)
	b.sees("Shop /back")
	b.checkNoFaults(h)
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
	b.checkNoFaults(h)
}

func TestClicksReloadsAndTabsMakeOnePayment(t *testing.T) {
	h := newHost(t, simulator.Config{Interactive: true})
	h.slow = 300 * time.Millisecond
	s := h.create("54")
	b := openBrowser(t, "en")
	other := newTab(t, b.ctx, "en")
	other.open(h.page.Link(s))
	b.open(h.page.Link(s))
	b.runAndLoad(chromedp.DoubleClick(payButton))
	b.sees("Confirm on your phone")
	other.sees("Confirm on your phone") // the other tab updates itself
	for range 3 {
		b.run(chromedp.Reload())
		b.sees("Confirm on your phone")
	}
	b.click(payButton) // the button "Send the request again"
	b.sees("Confirm on your phone")
	b.back()
	b.sees("Confirm on your phone")
	other.click(payButton)
	other.sees("Confirm on your phone")
	if ids := h.askedFor(); len(ids) != 1 {
		t.Fatalf("Pay was called for %d payments, want 1", len(ids))
	}
	h.sim.Answer(h.askedFor()[0], true, "")
	b.sees("Shop /paid")
	other.sees("Shop /paid")
	b.checkNoFaults(h)
	other.checkNoFaults(h)
}

// TestWithoutScript proves that the page works in a browser that runs no script.
func TestWithoutScript(t *testing.T) {
	scriptOff := call(emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})

	t.Run("a payer pays by phone", func(t *testing.T) {
		h := newHost(t, simulator.Config{})
		s := h.create("54")
		b := openBrowser(t, "fr")
		b.run(scriptOff)
		b.open(h.page.Link(s))
		b.click(payButton)
		b.sees("Confirmez sur votre téléphone")
		b.sees("Shop /paid") // the page reloads itself, and then its Refresh header leads to the shop
		b.checkNoFaults(h)
	})

	t.Run("a payer pays by card", func(t *testing.T) {
		h := newHost(t, simulator.Config{})
		s := h.create("", byCard)
		b := openBrowser(t, "fr")
		b.run(scriptOff)
		b.open(h.page.Link(s))
		b.click(payButton)
		b.sees("Simulated card processor")
		b.click(payButton)
		b.sees("Shop /paid")
		b.checkNoFaults(h)
	})

	t.Run("a payer cancels after a double click", func(t *testing.T) {
		h := newHost(t, simulator.Config{})
		h.slow = 300 * time.Millisecond
		s := h.create("03")
		b := openBrowser(t, "fr")
		b.run(scriptOff)
		b.open(h.page.Link(s))
		b.runAndLoad(chromedp.DoubleClick(payButton))
		b.sees("Confirmez sur votre téléphone")
		if n := len(h.askedFor()); n != 1 {
			t.Errorf("Pay was called for %d payments", n)
		}
		b.click(cancelButton)
		b.sees("Shop /back")
		b.checkNoFaults(h)
	})
}
