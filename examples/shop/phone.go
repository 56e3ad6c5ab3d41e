package main

import (
	"encoding/json"
	"net/http"
	"regexp"

	"github.com/caisse/checkout/simulator"
)

// phoneRequest is a request for money as the phone shows it.
type phoneRequest struct {
	PaymentID, Phone, Amount, For string
}

func (s *shop) requests() []phoneRequest {
	list := []phoneRequest{}
	for _, r := range s.operator.Requests("") { // one phone shows all requests, because this is a demonstration
		list = append(list, phoneRequest{r.PaymentID, r.Session.UserPhone, francs(r.Session.Amount), r.Session.Description})
	}
	return list
}

type phonePage struct {
	Requests []phoneRequest
	Said     string
}

func (s *shop) showPhone(w http.ResponseWriter, r *http.Request) {
	said := map[string]string{"confirm": "Confirmé.", "refuse": "Refusé.", "wrong": "Code erroné : refusé.", "late": "Cette demande est close."}[r.URL.Query().Get("said")]
	s.draw(w, http.StatusOK, "phone.html", phonePage{s.requests(), said})
}

// listRequests is for the phone's script, which looks for new requests.
func (s *shop) listRequests(w http.ResponseWriter, _ *http.Request) {
	ids := []string{}
	for _, r := range s.requests() {
		ids = append(ids, r.PaymentID)
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(ids) // an error means that the phone has gone
}

var pin = regexp.MustCompile(`^[0-9]{4}$`)

// wrongPIN is the PIN that this operator refuses.
const wrongPIN = "0000"

// answerPhone is the payer's confirmation or refusal.
func (s *shop) answerPhone(w http.ResponseWriter, r *http.Request) {
	payment, code := r.PostFormValue("payment"), r.PostFormValue("pin")
	said := "refuse"
	var answered bool
	switch {
	case r.PostFormValue("do") != "confirm":
		answered = s.operator.Answer(payment, false, simulator.ReasonDeclined)
	case !pin.MatchString(code) || code == wrongPIN:
		said = "wrong"
		answered = s.operator.Answer(payment, false, simulator.ReasonPIN)
	default:
		said = "confirm"
		answered = s.operator.Answer(payment, true, "")
	}
	if !answered {
		said = "late"
	}
	http.Redirect(w, r, "/phone?said="+said, http.StatusSeeOther)
}
