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

// startShop runs the example as everybody does, and returns the one URL that it prints.
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
			t.Errorf("the shop: %v", err)
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(line)
}

// stage is the shop's screen: the customer's browser in one frame, the phone in the other.
type stage struct{ *browser }

const (
	customer = `document.querySelectorAll("iframe")[0].contentDocument`
	phone    = `document.querySelectorAll("iframe")[1].contentDocument`
)

// sees waits until a frame says something.
func (s stage) sees(frame, text string) {
	s.t.Helper()
	said := ""
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		var err error
		if said, err = ask[string](s.browser, frame+`.body.innerText`); err == nil && strings.Contains(strings.ReplaceAll(said, "\u00a0", " "), text) {
			return
		}
	}
	s.t.Fatalf("the frame never says %q, but %q", text, said)
}

func (s stage) press(frame, selector string) {
	s.t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if done, err := ask[bool](s.browser, `(e=>e?(e.click(),true):false)(`+frame+`.querySelector('`+selector+`'))`); err == nil && done {
			return
		}
	}
	s.t.Fatalf("there is no %s", selector)
}

func (s stage) complaints(url string) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.faults {
		s.t.Errorf("the browser complains: %s", f)
	}
	for _, r := range s.requests {
		if !strings.HasPrefix(r, url) {
			s.t.Errorf("the browser asked %s", r)
		}
	}
}

func TestTheShop(t *testing.T) {
	url := startShop(t)
	s := stage{openBrowser(t, "fr")}
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
	again := func() { s.press(customer, `a`); s.sees(customer, "Comment payez-vous") }

	t.Run("from the first click to paid", func(t *testing.T) {
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
		again()
	})
	t.Run("refused on the phone", func(t *testing.T) {
		buy(t, "pagne")
		s.press(phone, `button[value=refuse]`)
		s.sees(customer, "vous avez refusé sur votre téléphone")
		again1 := func() { s.press(customer, `.out a`); s.sees(customer, "n’est pas payée"); again() }
		again1()
	})
	t.Run("cancelled on the page, while the phone is silent", func(t *testing.T) {
		buy(t, "karite")
		s.press(customer, `button[value=cancel]`)
		s.sees(customer, "Paiement annulé")
		again()
	})
	t.Run("by card", func(t *testing.T) {
		s.press(customer, `input[value=card]`)
		s.press(customer, `button[value=pagne]`)
		s.sees(customer, "Payez par carte")
		s.press(customer, `button[value=pay]`)
		s.sees(customer, "Simulated card processor")
		s.press(customer, `button[value=pay]`)
		s.sees(customer, "Merci, votre commande est payée")
	})
	s.complaints(url)
}

func TestTheShopIsAccessible(t *testing.T) {
	script := axe(t)
	url := startShop(t)
	b := openBrowser(t, "fr")
	for _, path := range []string{"/", "/shop", "/phone"} {
		b.open(url + path)
		for _, o := range b.objections(script) {
			t.Errorf("%s: %s", path, o)
		}
	}
}
