package simulator_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/paypage"
	"github.com/caisse/checkout/simulator"
	"github.com/matryer/is"
)

// cardScene returns a scene with a card payment that has begun. link is the URL of the payer's page, processor that of the card page.
func cardScene(t *testing.T) (s *scene, session checkout.Session, link, processor string) {
	t.Helper()
	is := is.New(t)
	var page *paypage.Page
	s = newScene(t, simulator.Config{CardURL: "https://pay.example/card", Return: func(s checkout.Session) string { return page.Link(s) }})
	key := []byte("an example key of thirty-two byt")
	page, err := paypage.New(s.Checkouts, paypage.Config{Keys: [][]byte{key}, URL: "https://pay.example/pay", Pay: s.sim.Pay, Clock: s.clock, Simulated: true})
	is.NoErr(err)
	session, _, err = s.Create(t.Context(), checkout.CreateParams{
		Account: live, Amount: 1050, Currency: "USD", PaymentMethod: checkout.Card, Description: `<b>"x"</b>`,
		SuccessURL: "https://shop.example/ok", CancelURL: "https://shop.example/back",
	})
	is.NoErr(err)
	link = page.Link(session)
	begun, err := s.Begin(t.Context(), live, session.ID, "6ba7b810-9dad-41d1-80b4-00c04fd430c8")
	is.NoErr(err)
	next, err := s.sim.Pay(t.Context(), begun)
	is.NoErr(err)
	again, err := s.sim.Pay(t.Context(), begun)
	is.NoErr(err)
	is.Equal(next, again)
	return s, session, link, next.URL
}

// visit sends a request to the card page.
func (s *scene) visit(method, target, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(s.t.Context(), method, target, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	http.StripPrefix("/card", s.sim.CardPage()).ServeHTTP(w, r)
	return w
}

func TestTheCardPage(t *testing.T) {
	t.Run("shows the amount and asks for no card number", func(t *testing.T) {
		is := is.New(t)
		s, _, link, processor := cardScene(t)
		w := s.visit("GET", processor, "")
		is.Equal(w.Code, 200)
		body := w.Body.String()
		is.True(strings.Contains(body, "10.50 USD"))
		is.True(!strings.Contains(body, "<input"))
		is.True(!strings.Contains(body, "<b>"))
		is.True(strings.Contains(body, link))
	})

	for do, want := range map[string]checkout.Status{"pay": checkout.StatusCompleted, "decline": checkout.StatusFailed} {
		t.Run(do+" sends the payer back to the payer's page", func(t *testing.T) {
			is := is.New(t)
			s, session, link, processor := cardScene(t)
			w := s.visit("POST", processor, url.Values{"do": {do}}.Encode(), "Sec-Fetch-Site: same-origin")
			is.Equal(w.Code, 303)
			is.Equal(w.Header().Get("Location"), link)
			s.run(s.began.Add(10e9))
			now, err := s.Get(t.Context(), live, session.ID)
			is.NoErr(err)
			is.Equal(now.Status, want)
			s.visit("POST", processor, "do=pay") // the payer goes back and clicks again
			again, err := s.Get(t.Context(), live, session.ID)
			is.NoErr(err)
			is.Equal(again, now)
			is.Equal(len(s.sim.Refunds()), 0)
		})
	}

	t.Run("answers 404 for another payment, and refuses a form from another site", func(t *testing.T) {
		is := is.New(t)
		s, _, _, processor := cardScene(t)
		is.Equal(s.visit("GET", "https://pay.example/card/x", "").Code, 404)
		is.Equal(s.visit("POST", processor, "do=pay", "Sec-Fetch-Site: cross-site").Code, 403)
		is.Equal(s.visit("PUT", processor, "").Code, 405)
		phone := s.create(live, "54")
		s.pay(phone, "P")
		is.Equal(s.visit("GET", "https://pay.example/card/P", "").Code, 404)
	})
}
