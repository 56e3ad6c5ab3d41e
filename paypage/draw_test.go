package paypage_test

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"html/template"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/paypage"
	"github.com/matryer/is"
)

// maxPage is how many bytes a server can send in the first round trip of a connection: ten TCP segments (RFC 6928).
const maxPage = 14_000

// TestAPageIsSmall proves that a page with the longest description and reference fits into the first round trip. A second round trip would
// make the page slow on a mobile network.
func TestAPageIsSmall(t *testing.T) {
	h := newHost(t, func(c *paypage.Config) { c.Simulated = true })
	long := func(p *checkout.CreateParams) {
		p.Description, p.ClientReference = strings.Repeat("é", 200), strings.Repeat("<", 255)
	}
	for _, lang := range []string{"fr", "en"} {
		s := h.create(long)
		page := h.get(h.page.Link(s), "Accept-Language: "+lang)
		clicked := h.submit(h.page.Link(s), page, "pay")
		waiting := h.get("https://pay.example.com"+clicked.location(), "Accept-Language: "+lang)
		for _, a := range []answer{page, waiting} {
			t.Logf("%s: %d bytes", lang, len(a.body))
			if a.Code != http.StatusOK || len(a.body) > maxPage {
				t.Errorf("%s: status %d and %d bytes, want 200 and at most %d bytes", lang, a.Code, len(a.body), maxPage)
			}
		}
	}
}

func BenchmarkPage(b *testing.B) {
	draw := paypage.Rendering(b)
	for _, state := range []string{"created", "waiting"} {
		b.Run(state, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				draw(state)
			}
		})
	}
}

// tags matches the name of each tag, with a slash before it in an end tag.
var tags = regexp.MustCompile(`<(/?[a-z0-9]+)`)

// TestNothingThatAMerchantWritesBecomesMarkup compares the tags of a page that shows hostile texts with those of a page that shows
// harmless ones. If the page did not escape a text, a merchant could run a script in the payer's browser.
func TestNothingThatAMerchantWritesBecomesMarkup(t *testing.T) {
	hostile := []string{
		`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `' onmouseover='alert(1)`, `{{.Form}}`, `{amount}{phone}{reason}`,
		`</style><script>x</script>`, `</title><svg onload=alert(1)>`, `javascript:alert(1)`, "a\nb\tc\u2028d", `&lt;b&gt;`, `--><!--`, "\u202etxt",
	}
	for _, text := range hostile {
		t.Run(fmt.Sprintf("%q", text), func(t *testing.T) {
			is := is.New(t)
			h := newHost(t, func(c *paypage.Config) { c.Merchant = func(checkout.Account) string { return text } })
			plain := newHost(t)
			change := func(p *checkout.CreateParams) {
				p.Description, p.ClientReference = text, text
				p.CancelURL = `https://shop.example/?a='&b=(c)&d={{e}}&amp;f=%22%3Cx%3E`
			}
			s := h.create(change)
			link := h.page.Link(s)
			plainSession := plain.create()
			is.Equal(tagsOf(h.get(link).body), tagsOf(plain.get(plain.page.Link(plainSession)).body))
			is.True(h.get(link).has(text)) // the payer sees the text as the merchant wrote it

			_, err := h.Fail(t.Context(), s.Account, s.ID, "", text)
			is.NoErr(err)
			_, err = plain.Fail(t.Context(), plainSession.Account, plainSession.ID, "", "x")
			is.NoErr(err)
			failed := h.get(link)
			is.Equal(tagsOf(failed.body), tagsOf(plain.get(plain.linkOf(plainSession)).body))
			is.True(failed.has("refused: " + text))
			is.True(failed.has(`href="https://shop.example/?a='&b=(c)&d={{e}}&amp;f=%22%3Cx%3E"`))
			is.True(!strings.Contains(failed.body, "<script>alert"))
		})
	}
}

// tagsOf returns the names of the tags of a page, in their order.
func tagsOf(body string) []string {
	var all []string
	for _, m := range tags.FindAllStringSubmatch(body, -1) {
		all = append(all, m[1])
	}
	return all
}

// linkOf returns the link that a session had while it could be paid. Link returns "" for a session that has ended.
func (h *host) linkOf(s checkout.Session) string {
	s.Status = checkout.StatusCreated
	return h.page.Link(s)
}

func TestTemplates(t *testing.T) {
	t.Run("a host can add a brand and a style, and the policy allows this style and no other", func(t *testing.T) {
		is := is.New(t)
		own := template.Must(paypage.DefaultTemplate().Parse(`{{define "style"}}b{color:red}{{end}}{{define "brand"}}<b>Caisse</b>{{text "Cancel"}}{{end}}`))
		h := newHost(t, func(c *paypage.Config) { c.Template = own })
		a := h.get(h.page.Link(h.create()))
		is.True(strings.Contains(a.body, "<b>Caisse</b>Cancel"))
		const style = "b{color:red}"
		is.True(strings.Contains(a.body, "<style>"+style+"</style>"))
		hash := sha256.Sum256([]byte(style))
		allowed := "style-src 'sha256-" + base64.StdEncoding.EncodeToString(hash[:]) + "'"
		is.True(slices.Contains(strings.Split(a.Header().Get("Content-Security-Policy"), "; "), allowed))
		again := newHost(t, func(c *paypage.Config) { c.Template = own }) // one template can be used for several pages
		is.Equal(again.get(again.page.Link(again.create())).Code, 200)
	})

	t.Run("New refuses a template that cannot be used", func(t *testing.T) {
		h := newHost(t)
		for _, source := range []string{`{{text "Nothing"}}`, `{{text .Heading}}`, `{{.Nothing}}`, `<a href={{if .Link}}"{{end}}>`, `{{define "x"}}{{text "x"}}{{end}}`} {
			source := template.Must(paypage.DefaultTemplate().Parse(source))
			_, err := paypage.New(h.Checkouts, paypage.Config{Keys: [][]byte{key(1)}, URL: pageURL, Pay: h.pay, Template: source})
			if err == nil || !strings.Contains(err.Error(), "paypage.Config.Template") {
				t.Errorf("%v: the error is %v, want one about paypage.Config.Template", source, err)
			}
		}
	})

	t.Run("a host can change the words and add a language", func(t *testing.T) {
		is := is.New(t)
		words := paypage.English()
		words.Pay = `Send <it> "now"`
		h := newHost(t, func(c *paypage.Config) { c.Texts = map[string]paypage.Texts{"dyu": words, "fr": paypage.French()} })
		link := h.page.Link(h.create())
		a := h.get(link, "Accept-Language: dyu")
		is.True(a.has(`>Send <it> "now"</button>`))
		is.True(!strings.Contains(a.body, "<it>"))
		is.True(strings.Contains(a.body, `<html lang="dyu">`))
		is.True(strings.Contains(h.get(link, "Accept-Language: en").body, `<html lang="fr">`)) // Texts has no "en", so the page uses the default language, "fr"
	})
}
