package paypage

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"errors"
	"html/template"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
)

//go:embed page.html
var pageHTML string

// DefaultTemplate returns the page's own template. A host can replace its blocks "brand", "foot" and "style". The block "brand"
// is empty, and is at the top of every page:
//
//	template.Must(paypage.DefaultTemplate().Parse(`{{define "brand"}}<p class="brand">Caisse</p>{{end}}`))
//
// A host can also replace the whole template. A template is executed with a [*View]. The function text returns the words of a
// field of [Texts] in the payer's language. The field must be one without places such as {amount}: {{text "PayTo"}}. The function
// language returns the language tag. Both are evaluated when the Page is made, so their argument must be a constant.
//
// The elements style and script must have the same content on every page that has them, because the Content-Security-Policy allows them by
// the hashes of their contents. It allows nothing else, except images as data: URLs.
func DefaultTemplate() *template.Template {
	return template.Must(template.New("page").Funcs(template.FuncMap{
		"text":     func(string) (string, error) { return "", errDynamicText },
		"language": func() (string, error) { return "", errDynamicText },
	}).Parse(pageHTML))
}

var errDynamicText = errors.New("text and language must not be part of a larger expression, and the argument of text must be a constant")

// drawer draws pages in one language.
type drawer struct {
	texts    Texts
	template *template.Template
	buffers  sync.Pool // of *bytes.Buffer
}

// draw answers with a page.
func (p *Page) draw(v *visit, status int, view *View) {
	d := p.languages[v.lang]
	buf, _ := d.buffers.Get().(*bytes.Buffer)
	if buf == nil {
		buf = bytes.NewBuffer(make([]byte, 0, 16<<10))
	}
	defer func() { buf.Reset(); d.buffers.Put(buf) }()
	h := v.w.Header()
	if err := d.template.Execute(buf, view); err != nil {
		p.log.ErrorContext(v.r.Context(), "payer's page could not be drawn", "error", err)
		http.Error(v.w, d.texts.Unavailable, http.StatusInternalServerError)
		return
	}
	h.Set("Content-Language", v.lang)
	h.Set("Content-Length", strconv.Itoa(buf.Len()))
	h.Set("Content-Type", "text/html; charset=utf-8")
	v.w.WriteHeader(status)
	if v.r.Method != http.MethodHead {
		v.w.Write(buf.Bytes()) // an error means that the payer has gone
	}
}

// drawers makes a drawer for each language, and the Content-Security-Policy of their pages.
func drawers(from *template.Template, texts map[string]Texts) (map[string]*drawer, string, error) {
	if from == nil {
		from = DefaultTemplate()
	}
	languages := make(map[string]*drawer, len(texts))
	hashes := map[string][]string{"style": nil, "script": nil}
	for tag, t := range texts {
		clone, err := from.Clone()
		if err != nil {
			return nil, "", err
		}
		b := baker{clone, tag, t}
		for _, part := range clone.Templates() {
			if part.Tree == nil {
				continue
			}
			if err := b.bake(part.Tree.Root, 0); err != nil {
				return nil, "", err
			}
		}
		d := &drawer{texts: t, template: clone}
		for _, view := range samples() {
			var buf bytes.Buffer
			if err := clone.Execute(&buf, &view); err != nil {
				return nil, "", err
			}
			for element, known := range hashes {
				hashes[element] = addHashes(known, buf.String(), element)
			}
		}
		languages[tag] = d
	}
	policy := "default-src 'none'; base-uri 'none'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; img-src data:"
	for _, element := range []string{"script", "style"} {
		slices.Sort(hashes[element])
		policy += "; " + element + "-src " + strings.Join(append([]string{}, hashes[element]...), " ")
		if len(hashes[element]) == 0 {
			policy += "'none'"
		}
	}
	return languages, policy, nil
}

// samples returns views that, taken together, make a template show all its elements.
func samples() []View {
	var views []View
	for _, state := range []State{StatePay, StateWait, StateProcessing, StateCompleted, StateFailed, StateExpired, StateCancelled, StateLeave, StateFault} {
		full := View{State: state, Heading: "x", Message: "x", Simulated: true, Merchant: "x", Amount: "x", Description: "x", Reference: "x",
			Phone: "x", Details: true, Left: "1:00", Form: "x", Pay: "x", Cancelable: true, Link: href("/"), LinkText: "x", Wait: "1.created", Refresh: true}
		again := full
		again.Again, again.Alarming, again.Simulated, again.Test = true, true, false, true
		views = append(views, View{State: state, Busy: true}, View{State: state, Done: true}, full, again)
	}
	return views
}

// addHashes adds the hash of the content of each such element of a page to known.
func addHashes(known []string, page, element string) []string {
	for {
		_, rest, found := strings.Cut(page, "<"+element)
		if !found {
			return known
		}
		_, rest, _ = strings.Cut(rest, ">")
		content, rest, _ := strings.Cut(rest, "</"+element)
		sum := sha256.Sum256([]byte(content))
		if source := "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"; !slices.Contains(known, source) {
			known = append(known, source)
		}
		page = rest
	}
}
