package main

import (
	"database/sql"
	"embed"
	"errors"
	"html/template"
	"net/http"

	"github.com/caisse/checkout"
	"github.com/google/uuid"
)

//go:embed pages/*.html
var pageFiles embed.FS

var pages = template.Must(template.New("").Funcs(template.FuncMap{"francs": francs}).ParseFS(pageFiles, "pages/*.html"))

func (s *shop) draw(w http.ResponseWriter, status int, page string, data any) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	if err := pages.ExecuteTemplate(w, page, data); err != nil {
		s.log.Error("a page of the shop could not be drawn", "page", page, "error", err)
	}
}

type productsPage struct {
	Products []product
	Number   string // of the order that this page will make: two clicks make one order
	Phone    string
	Fault    string
}

func (s *shop) showProducts(w http.ResponseWriter, r *http.Request) {
	s.draw(w, http.StatusOK, "shop.html", productsPage{Products: products, Number: uuid.NewString(), Phone: "+225 07 07 98 76 54"})
}

// order takes an order and redirects the payer to the page where it is paid.
func (s *shop) order(w http.ResponseWriter, r *http.Request) {
	number, phone := r.PostFormValue("number"), r.PostFormValue("phone")
	if _, err := uuid.Parse(number); err != nil {
		http.Error(w, "there is no such order", http.StatusBadRequest)
		return
	}
	session, err := s.takeOrder(r.Context(), number, r.PostFormValue("product"), phone, r.PostFormValue("by") == "card")
	invalid, isInvalid := errors.AsType[*checkout.ValidationError](err)
	_, isReused := errors.AsType[*checkout.KeyReusedError](err)
	switch {
	case isInvalid:
		s.draw(w, http.StatusBadRequest, "shop.html", productsPage{Products: products, Number: number, Phone: phone, Fault: invalid.Fields[0].Detail})
		return
	case isReused: // the payer went back and chose another product
		http.Redirect(w, r, "/shop", http.StatusSeeOther)
		return
	case errors.Is(err, errNoProduct):
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	case err != nil:
		s.log.Error("an order could not be taken", "error", err)
		http.Error(w, "the shop is closed for a moment; try again", http.StatusServiceUnavailable)
		return
	}
	link := s.page.Link(session)
	if link == "" { // the session has ended already
		link = "/paid?session=" + session.ID
	}
	http.Redirect(w, r, link, http.StatusSeeOther)
}

// showOrder is the page to which the payer returns. Anybody can open this URL, so only the session's ID is taken from it. The page says
// "paid" only after the webhook has come.
func (s *shop) showOrder(w http.ResponseWriter, r *http.Request) {
	o, err := s.orderOf(r.Context(), r.URL.Query().Get("session"))
	if errors.Is(err, sql.ErrNoRows) {
		http.NotFound(w, r)
		return
	}
	if err != nil {
		s.log.Error("an order could not be read", "error", err)
		http.Error(w, "try again in a moment", http.StatusServiceUnavailable)
		return
	}
	if o.Status == "open" {
		w.Header().Set("Refresh", "1") // the webhook is on its way
	}
	s.draw(w, http.StatusOK, "order.html", struct {
		order
		Name string
	}{o, nameOf(o.Product)})
}
