package paypage_test

import (
	"fmt"
	"html/template"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/paypage"
	"github.com/matryer/is"
)

// maxPage is what one round trip carries over a new connection: ten segments (RFC 6928).
const maxPage = 14_000

func TestAPageIsSmall(t *testing.T) {
	h := newHost(t, func(c *paypage.Config) { c.Simulated = true })
	long := func(p *checkout.CreateParams) {
		p.Description, p.ClientReference = strings.Repeat("é", 200), strings.Repeat("<", 255)
	}
	for _, lang := range []string{"fr", "en"} {
		s := h.create(long)
		page := h.get(h.page.Link(s), "Accept-Language: "+lang)
		waiting := h.press(h.page.Link(s), page, "pay")
		for _, a := range []answer{page, waiting} {
			t.Logf("%s: %d bytes", lang, len(a.body))
			if a.Code != http.StatusOK || len(a.body) > maxPage {
				t.Errorf("%s: status %d, %d bytes", lang, a.Code, len(a.body))
			}
		}
	}
}

func BenchmarkPage(b *testing.B) {
	_, draw := paypage.Rendering(b)
	for _, state := range []string{"unbegun", "waiting"} {
		b.Run(state, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				draw(state)
			}
		})
	}
}

var tags = regexp.MustCompile(`<(/?[a-z0-9]+)`)

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
			want := plain.create()
			is.Equal(tagsOf(h.get(link).body), tagsOf(plain.get(plain.page.Link(want)).body))
			is.True(h.get(link).has(text)) // once unescaped, it is what was written

			_, err := h.Fail(t.Context(), s.Account, s.ID, "", text)
			is.NoErr(err)
			_, err = plain.Fail(t.Context(), want.Account, want.ID, "", "x")
			is.NoErr(err)
			failed := h.get(link)
			is.Equal(tagsOf(failed.body), tagsOf(plain.get(plain.linkOf(want)).body))
			is.True(failed.has("refused: " + text))
			is.True(failed.has(`href="https://shop.example/?a='&b=(c)&d={{e}}&amp;f=%22%3Cx%3E"`))
			is.True(!strings.Contains(failed.body, "<script>alert"))
		})
	}
}

func tagsOf(body string) []string {
	var all []string
	for _, m := range tags.FindAllStringSubmatch(body, -1) {
		all = append(all, m[1])
	}
	return all
}

// linkOf is the link of a session whatever has become of it.
func (h *host) linkOf(s checkout.Session) string {
	s.Status = checkout.StatusCreated
	return h.page.Link(s)
}

func TestTemplates(t *testing.T) {
	t.Run("a host puts a brand at the head, with a style of its own that the policy allows", func(t *testing.T) {
		is := is.New(t)
		own := template.Must(paypage.DefaultTemplate().Parse(`{{define "style"}}b{color:red}{{end}}{{define "brand"}}<b>Caisse</b>{{text "Cancel"}}{{end}}`))
		h := newHost(t, func(c *paypage.Config) { c.Template = own })
		a := h.get(h.page.Link(h.create()))
		is.True(strings.Contains(a.body, "<b>Caisse</b>Cancel"))
		is.True(strings.Contains(a.body, "b{color:red}"))
		is.True(a.Header().Get("Content-Security-Policy") != newHostPolicy(t))
		again := newHost(t, func(c *paypage.Config) { c.Template = own }) // a template serves any number of pages
		is.Equal(again.get(again.page.Link(again.create())).Code, 200)
	})

	t.Run("a template that cannot be used is refused when the page is made", func(t *testing.T) {
		h := newHost(t)
		for _, source := range []string{`{{text "Nothing"}}`, `{{text .Heading}}`, `{{.Nothing}}`, `<a href={{if .Link}}"{{end}}>`, `{{define "x"}}{{text "x"}}{{end}}`} {
			source := template.Must(paypage.DefaultTemplate().Parse(source))
			_, err := paypage.New(h.Checkouts, paypage.Config{Keys: [][]byte{key(1)}, URL: where, Pay: h.pay, Template: source})
			if err == nil || !strings.Contains(err.Error(), "paypage.Config.Template") {
				t.Errorf("%v: %v", source, err)
			}
		}
	})

	t.Run("a host changes words, and adds a language", func(t *testing.T) {
		is := is.New(t)
		words := paypage.English()
		words.Pay = `Send <it> "now"`
		h := newHost(t, func(c *paypage.Config) { c.Texts = map[string]paypage.Texts{"dyu": words, "fr": paypage.French()} })
		link := h.page.Link(h.create())
		a := h.get(link, "Accept-Language: dyu")
		is.True(a.has(`>Send <it> "now"</button>`))
		is.True(!strings.Contains(a.body, "<it>"))
		is.True(strings.Contains(a.body, `<html lang="dyu">`))
		is.True(strings.Contains(h.get(link, "Accept-Language: en").body, `<html lang="fr">`)) // the fallback
	})
}

func newHostPolicy(t *testing.T) string {
	h := newHost(t)
	return h.get(h.page.Link(h.create())).Header().Get("Content-Security-Policy")
}
