package browsertest

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// startShop builds and starts examples/shop, and returns the URL that it prints. The program must end without an error on SIGINT.
func startShop(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "shop")
	build := exec.Command("go", "build", "-o", program, "./examples/shop")
	build.Dir = filepath.Join("..", "..")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	shop := exec.Command(program)
	shop.Stderr = t.Output()
	out, err := shop.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := shop.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = shop.Process.Signal(os.Interrupt)
		if err := shop.Wait(); err != nil {
			t.Errorf("the shop has ended with an error: %v", err)
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(line)
}

// shopPage is the page of examples/shop. It has two frames: the customer's browser and the phone.
type shopPage struct{ *browser }

const (
	// The documents of the two frames, in JavaScript.
	customer = `document.querySelectorAll("iframe")[0].contentDocument`
	phone    = `document.querySelectorAll("iframe")[1].contentDocument`
)

// sees waits until a frame shows a text.
func (s shopPage) sees(frame, text string) {
	s.t.Helper()
	shown := ""
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		var err error
		if shown, err = ask[string](s.browser, frame+`.body.innerText`); err == nil && strings.Contains(strings.ReplaceAll(shown, "\u00a0", " "), text) {
			return
		}
	}
	s.t.Fatalf("the frame never shows %q, but %q", text, shown)
}

// press waits until a frame has an element, and clicks it.
func (s shopPage) press(frame, selector string) {
	s.t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if done, err := ask[bool](s.browser, `(e=>e?(e.click(),true):false)(`+frame+`.querySelector('`+selector+`'))`); err == nil && done {
			return
		}
	}
	s.t.Fatalf("there is no %s", selector)
}

// checkNoFaults is like browser.checkNoFaults. The only server that the browser may call is that of the shop.
func (s shopPage) checkNoFaults(url string) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.faults {
		s.t.Errorf("the browser reports: %s", f)
	}
	for _, r := range s.requests {
		if !strings.HasPrefix(r, url) {
			s.t.Errorf("the browser has sent a request to %s", r)
		}
	}
}

// TestTheShop buys in examples/shop: the customer pays by phone and by card, refuses on the phone, and cancels on the page.
func TestTheShop(t *testing.T) {
	url := startShop(t)
	s := shopPage{openBrowser(t, "fr")}
	s.run(chromedp.EmulateViewport(1200, 800),
		call(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-reduced-motion", Value: "reduce"}}}))
	s.open(url)

	buy := func(t *testing.T, product string) {
		t.Helper()
		s.press(customer, `button[value=`+product+`]`)
		s.sees(customer, "Payez avec votre téléphone")
		s.press(customer, `button[value=pay]`)
		s.sees(customer, "Confirmez sur votre téléphone")
		s.sees(phone, "à Chez Awa ?")
	}
	backToShop := func() { s.press(customer, `a`); s.sees(customer, "Comment payez-vous") }

	t.Run("a customer pays by phone", func(t *testing.T) {
		buy(t, "attieke")
		shot, err := chromedp.Run(s.ctx, chromedp.CaptureScreenshot())
		if err != nil {
			t.Fatal(err)
		}
		if os.Getenv("UPDATE_SCREENSHOTS") != "" {
			if err := os.WriteFile(filepath.Join("..", "..", "docs", "shop.png"), shot, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		s.press(phone, `button[value=confirm]`)
		s.sees(customer, "Merci, votre commande est payée")
		backToShop()
	})
	t.Run("a customer refuses on the phone", func(t *testing.T) {
		buy(t, "pagne")
		s.press(phone, `button[value=refuse]`)
		s.sees(customer, "vous avez refusé sur votre téléphone")
		s.press(customer, `.out a`)
		s.sees(customer, "n’est pas payée")
		backToShop()
	})
	t.Run("a customer cancels on the page before the phone answers", func(t *testing.T) {
		buy(t, "karite")
		s.press(customer, `button[value=cancel]`)
		s.sees(customer, "Paiement annulé")
		backToShop()
	})
	t.Run("a customer pays by card", func(t *testing.T) {
		s.press(customer, `input[value=card]`)
		s.press(customer, `button[value=pagne]`)
		s.sees(customer, "Payez par carte")
		s.press(customer, `button[value=pay]`)
		s.sees(customer, "Simulated card processor")
		s.press(customer, `button[value=pay]`)
		s.sees(customer, "Merci, votre commande est payée")
	})
	s.checkNoFaults(url)
}

func TestTheShopIsAccessible(t *testing.T) {
	script := axe(t)
	url := startShop(t)
	b := openBrowser(t, "fr")
	for _, path := range []string{"/", "/shop", "/phone"} {
		b.open(url + path)
		for _, violation := range b.violations(script) {
			t.Errorf("%s: %s", path, violation)
		}
	}
}
