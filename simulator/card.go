package simulator

import (
	"html/template"
	"net/http"
	"strings"

	"github.com/caisse/checkout"
)

// CardPage returns the page of the simulated card processor. Mount it at Config.CardURL with the prefix stripped. It has a button
// to pay and a button to decline. Both redirect to the payer's page. It has no field for a card number, so that nobody types a
// real one into a simulation.
func (s *Simulator) CardPage() http.Handler { return http.HandlerFunc(s.serveCard) }

func (s *Simulator) serveCard(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	header.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'; base-uri 'none'")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("X-Content-Type-Options", "nosniff")
	s.mu.Lock()
	p := s.payments[strings.TrimPrefix(r.URL.Path, "/")]
	s.mu.Unlock()
	if p == nil || p.card == "" {
		http.NotFound(w, r)
		return
	}
	back := s.back(p.session)
	switch r.Method {
	case http.MethodPost:
		if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" {
			http.Error(w, "this form is of another site", http.StatusForbidden)
			return
		}
		s.Answer(p.id, r.PostFormValue("do") == "pay", ReasonCard)
		_, _ = s.Tick(r.Context()) // so that the payer's page shows the result at once; Tick logs payments that fail
		http.Redirect(w, r, back, http.StatusSeeOther)
	case http.MethodGet, http.MethodHead:
		header.Set("Content-Type", "text/html; charset=utf-8")
		_ = cardPage.Execute(w, struct { // an error means that the payer has gone
			Session checkout.Session
			Amount  string
			Back    string
		}{p.session, p.session.AmountMajor().StringFixed(-p.session.AmountMajor().Exponent()) + " " + p.session.Currency, back})
	default:
		header.Set("Allow", "GET, HEAD, POST")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
	}
}

var cardPage = template.Must(template.New("card").Parse(`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<title>Simulated card processor</title>
<link rel="icon" href="data:,">
<style>
body{margin:0;background:#1d2440;color:#fff;font:17px/1.5 system-ui,sans-serif}
main{max-width:26rem;margin:0 auto;padding:2rem 1rem;text-align:center}
.card{background:#fff;color:#1d2440;border-radius:1rem;padding:1.5rem;display:grid;gap:.75rem}
.card p,h1{margin:0}h1{font-size:1.1rem}
.amount{font-size:2rem;font-weight:700}
button{font:inherit;font-weight:700;padding:.8rem;border-radius:.75rem;border:1px solid #1d2440;background:#1d2440;color:#fff;cursor:pointer}
button.quiet{background:#fff;color:#1d2440}
</style>
</head>
<body>
<main>
<div class="card">
<h1>Simulated card processor</h1>
<p class="amount">{{.Amount}}</p>
{{with .Session.Description}}<p>{{.}}</p>{{end}}
<p>Here a real processor asks for the card. No money moves.</p>
<form method="post" style="display:grid;gap:.75rem">
<button name="do" value="pay">Pay by card</button>
<button class="quiet" name="do" value="decline">The bank declines</button>
</form>
<p><a href="{{.Back}}">Back without paying</a></p>
</div>
</main>
</body>
</html>
`))
