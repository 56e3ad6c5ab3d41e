package paypage_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/paypage"
	"github.com/matryer/is"
)

func TestConfig(t *testing.T) {
	h := newHost(t)
	pay := func(context.Context, checkout.Session) (paypage.Next, error) { return paypage.Next{}, nil }

	t.Run("reports all faults at once and shows no key", func(t *testing.T) {
		is := is.New(t)
		words := paypage.French()
		words.Pay = " "
		_, err := paypage.New(nil, paypage.Config{
			Keys: [][]byte{[]byte("too short a secret"), make([]byte, 32)}, URL: "https://pay.example.com/", PayTimeout: -1, MaxWaiting: -1,
			Texts: map[string]paypage.Texts{"FR": words}, Language: "en",
		})
		var fields []string
		for _, e := range err.(interface{ Unwrap() []error }).Unwrap() {
			fault, ok := errors.AsType[*checkout.ConfigError](e)
			is.True(ok)
			fields = append(fields, fault.Field)
		}
		is.Equal(fields, []string{
			"Checkouts", "paypage.Config.Keys[0]", "paypage.Config.Keys[1]", "paypage.Config.URL", "paypage.Config.Pay",
			"paypage.Config.PayTimeout", "paypage.Config.MaxWaiting", `paypage.Config.Texts["FR"]`, `paypage.Config.Texts["FR"].Pay`,
			"paypage.Config.Language",
		})
		is.True(!strings.Contains(err.Error(), "secret"))
	})

	t.Run("accepts a URL only if it is absolute and has no query, fragment, user information or slash at its end", func(t *testing.T) {
		for given, good := range map[string]bool{
			"https://pay.example.com": true, "https://pay.example.com/pay": true, "http://127.0.0.1:8080/a/b": true, "https://pay.example.com:443/pay": true,
			"": false, "/pay": false, "pay.example.com": false, "https://": false, "ftp://x/y": false, "https://x/": false, "https://x/?a": false,
			"https://x?": false, "https://x/#y": false, "https://a:b@x/": false, "https://x\n": false, "javascript://x": false,
		} {
			_, err := paypage.New(h.Checkouts, paypage.Config{Keys: [][]byte{key(1)}, URL: given, Pay: pay})
			if (err == nil) != good {
				t.Errorf("URL %q: the error is %v, want an error: %t", given, err, !good)
			}
		}
	})

	t.Run("needs only Keys, URL and Pay, and refuses empty Texts and a PayTimeout that is too long", func(t *testing.T) {
		is := is.New(t)
		page, err := paypage.New(h.Checkouts, paypage.Config{Keys: [][]byte{key(1)}, URL: "https://pay.example.com/pay", Pay: pay})
		is.NoErr(err)
		a := send(t, page, "GET", page.Link(h.create()), "")
		is.Equal(a.Code, 200)
		is.True(!a.has("Pay to"))
		_, err = paypage.New(h.Checkouts, paypage.Config{Keys: [][]byte{key(1)}, URL: "https://x", Pay: pay, Texts: map[string]paypage.Texts{}})
		is.True(err != nil) // Texts is empty
		_, err = paypage.New(h.Checkouts, paypage.Config{Keys: [][]byte{key(1)}, URL: "https://x", Pay: pay, PayTimeout: time.Hour})
		is.True(err != nil) // PayTimeout is too long
	})
}

// TestAPageAtTheRootOfItsHost proves that the redirect after a form is right if Config.URL has no path.
func TestAPageAtTheRootOfItsHost(t *testing.T) {
	is := is.New(t)
	h := newHost(t, func(c *paypage.Config) { c.URL = "https://pay.example.com" })
	s := h.create()
	link := h.page.Link(s)
	a := h.submit(link, h.get(link), "pay")
	is.Equal(a.Code, 303)
	is.True(strings.HasPrefix(a.location(), strings.TrimPrefix(link, "https://pay.example.com")))
}

// TestLanguages checks which language each Accept-Language selects. A part of the header that is malformed, or that comes after the first
// 1024 bytes, selects nothing. If no part selects a language, the page is in French, the default.
func TestLanguages(t *testing.T) {
	h := newHost(t)
	link := h.page.Link(h.create())
	for header, want := range map[string]string{
		"": "fr", "fr": "fr", "en": "en", "EN-gb": "en", "fr-CI,fr;q=0.9,en;q=0.8": "fr", "en-US,en;q=0.9,fr;q=0.8": "en",
		"en;q=0.2, fr;q=0.7": "fr", "fr;q=0,en;q=0.1": "en", "de, dyu;q=0.9": "fr", "de, en;q=0.1": "en", "*": "fr", "de,*;q=0.5": "fr",
		"en;q=0.5,*;q=0.9": "fr", "en;q=x,fr;q=0.1": "fr", "en;q=2": "fr", "en;q=-1": "fr", "en;q=NaN": "fr", "en;q=0": "fr", ";;;,,,": "fr",
		" en ; q = 0.9 ": "en", "en;level=1": "fr", "en,fr": "en", "fr,en": "fr", strings.Repeat("x,", 5000) + "en": "fr",
	} {
		if got := h.get(link, "Accept-Language: "+header).Header().Get("Content-Language"); got != want {
			t.Errorf("Accept-Language %.60q: the page is in %q, want %q", header, got, want)
		}
	}
}

// TestBothLanguagesHaveTheSameTexts proves that French and English both have every text, with the same placeholders. Otherwise payers of
// one language would miss a sentence or an amount.
func TestBothLanguagesHaveTheSameTexts(t *testing.T) {
	is := is.New(t)
	french, english := paypage.TextsByField(paypage.French()), paypage.TextsByField(paypage.English())
	is.True(len(french) > 40) // TextsByField finds the texts
	for field, text := range french {
		if text == "" || english[field] == "" {
			t.Errorf("%s is empty", field)
		}
		if text == english[field] {
			t.Errorf("%s is the same in both languages", field)
		}
		is.Equal(placeholdersIn(text), placeholdersIn(english[field]))
	}
}

// placeholdersIn returns the placeholders of a text, sorted. An unknown placeholder is added as a fault.
func placeholdersIn(text string) []string {
	var all []string
	for _, placeholder := range []string{"{amount}", "{phone}", "{reason}"} {
		for range strings.Count(text, placeholder) {
			all = append(all, placeholder)
		}
	}
	slices.Sort(all)
	if rest := strings.NewReplacer("{amount}", "", "{phone}", "", "{reason}", "").Replace(text); strings.ContainsAny(rest, "{}") {
		all = append(all, "an unknown placeholder in: "+rest)
	}
	return all
}

func TestAmounts(t *testing.T) {
	for _, c := range []struct {
		amount     int64
		currency   string
		fr, en     string
		cardNeeded bool
	}{
		{100, "XOF", "100 F CFA", "100 F CFA", false},
		{5000, "XOF", "5 000 F CFA", "5 000 F CFA", false},
		{1234567, "XOF", "1 234 567 F CFA", "1 234 567 F CFA", false},
		{9007199254740991, "XOF", "9 007 199 254 740 991 F CFA", "9 007 199 254 740 991 F CFA", false},
		{100, "USD", "1,00 USD", "1.00 USD", true},
		{123456789, "EUR", "1 234 567,89 EUR", "1,234,567.89 EUR", true},
	} {
		t.Run(fmt.Sprint(c.amount, c.currency), func(t *testing.T) {
			h := newHost(t)
			s := h.create(func(p *checkout.CreateParams) {
				if c.cardNeeded {
					card(p)
				}
				p.Amount, p.Currency = c.amount, c.currency
			})
			for lang, want := range map[string]string{"fr": c.fr, "en": c.en} {
				if a := h.get(h.page.Link(s), "Accept-Language: "+lang); !a.has(`<p class="amount">` + strings.ReplaceAll(want, " ", "\u00a0") + "</p>") {
					t.Errorf("%s: the page does not show %q", lang, want)
				}
			}
		})
	}
}
