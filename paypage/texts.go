package paypage

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/caisse/checkout"
)

// Texts has the words of the page in one language. Some may contain the places {amount}, {phone} and {reason}, which the page replaces by
// values; the comments say which. No text may be empty. To change some of them, begin with [French] or [English].
type Texts struct {
	_ struct{} // keyed literals only

	PayTo     string // before the merchant's name
	Order     string // label of the description
	Reference string // label of the merchant's reference
	Phone     string // label of the payer's masked number
	ValidFor  string // before the time that is left, as minutes and seconds
	Safety    string // at the foot of every page: what this page never asks for
	TestMode  string // shown for a session in test mode
	Simulated string // shown if Config.Simulated is set

	PayPhoneHeading string
	PayPhone        string // what will happen; may contain {amount}, {phone}
	PayCardHeading  string
	PayCard         string // may contain {amount}
	Pay             string // button; may contain {amount}
	Cancel          string // button

	WaitPhoneHeading string
	WaitPhone        string // may contain {amount}, {phone}
	WaitCardHeading  string
	WaitCard         string // may contain {amount}
	AgainPhone       string // button: send the request to the phone again
	AgainCard        string // button: back to the processor's page
	AgainHint        string // says that a second request is no second payment
	Refresh          string // link: look whether something has changed

	RefusedHeading string // Pay returned a Refused, or no further attempt is possible
	Refused        string // may contain {reason}
	RefusedUnsaid  string // where there is no reason
	TryAgain       string // button: another attempt
	Trouble        string // Pay returned another error: the operator may or may not have been asked
	TooMany        string // no further attempt is possible

	ProcessingHeading string
	Processing        string // may contain {amount}

	CompletedHeading string
	Completed        string // may contain {amount}
	FailedHeading    string
	Failed           string // may contain {reason}
	FailedUnsaid     string // where there is no reason
	ExpiredHeading   string
	Expired          string
	CancelledHeading string
	Cancelled        string
	LeaveHeading     string // on the way to another site
	Leave            string
	Continue         string // link: on to where the payer is sent
	BackToShop       string // link

	NotFoundHeading string // also for an invalid link
	NotFound        string
	ForeignHeading  string // a request that the page did not make, for example from another site
	Foreign         string
	TroubleHeading  string // Pay returned another error, or the page failed, for example because the store is down
	Unavailable     string
	BackToPage      string // link: load this page again
}

// checkTexts finds the faults of one language.
func checkTexts(tag string, t Texts) []error {
	var errs []error
	fault := func(field, reason string) {
		errs = append(errs, &checkout.ConfigError{Field: fmt.Sprintf("paypage.Config.Texts[%q]%s", tag, field), Reason: reason})
	}
	if tag == "" || tag != strings.ToLower(tag) || strings.ContainsAny(tag, " ,;*_\"'<>&") {
		fault("", "must be for a language tag in lower case")
	}
	v := reflect.ValueOf(t)
	for i := range v.NumField() {
		if f := v.Type().Field(i); f.IsExported() && strings.TrimSpace(v.Field(i).String()) == "" {
			fault("."+f.Name, "must not be empty")
		}
	}
	return errs
}

// French returns the words of the page in French.
func French() Texts {
	return Texts{
		PayTo:     "À payer à",
		Order:     "Commande",
		Reference: "Référence",
		Phone:     "Téléphone",
		ValidFor:  "Temps restant :",
		Safety:    "Votre code secret ne se tape que sur votre téléphone. Cette page ne vous le demandera jamais.",
		TestMode:  "Mode test : aucun argent ne circule.",
		Simulated: "Paiement simulé : aucun argent ne circule.",

		PayPhoneHeading: "Payez avec votre téléphone",
		PayCardHeading:  "Payez par carte",
		PayPhone:        "Vous recevrez une demande au {phone}. Confirmez-la avec votre code secret.",
		PayCard:         "Vous saisirez votre carte sur la page sécurisée de notre prestataire de paiement, puis vous reviendrez ici.",
		Pay:             "Payer {amount}",
		Cancel:          "Annuler",

		WaitPhoneHeading: "Confirmez sur votre téléphone",
		WaitPhone:        "Une demande de {amount} a été envoyée au {phone}. Confirmez-la avec votre code secret. Cette page se met à jour toute seule.",
		WaitCardHeading:  "En attente de votre carte",
		WaitCard:         "Nous attendons la confirmation de votre paiement de {amount}. Cette page se met à jour toute seule.",
		AgainPhone:       "Renvoyer la demande",
		AgainCard:        "Aller à la page de la carte",
		AgainHint:        "Rien reçu ? Vous pouvez redemander : vous ne paierez pas deux fois.",
		Refresh:          "Actualiser",

		RefusedHeading: "Le paiement n’est pas passé",
		Refused:        "Votre opérateur a refusé : {reason}. Rien n’a été débité. Vous pouvez réessayer.",
		RefusedUnsaid:  "Votre opérateur a refusé le paiement. Rien n’a été débité. Vous pouvez réessayer.",
		TryAgain:       "Réessayer",
		Trouble:        "Nous ne savons pas si la demande est arrivée. Regardez votre téléphone, ou redemandez ci-dessous : vous ne paierez pas deux fois.",
		TooMany:        "Il y a eu trop de tentatives pour ce paiement. Retournez à la boutique pour recommencer.",

		ProcessingHeading: "Paiement en cours",
		Processing:        "Votre opérateur traite le paiement de {amount}. Ne payez pas une seconde fois. Cette page se met à jour toute seule.",

		CompletedHeading: "Paiement réussi",
		Completed:        "Nous avons bien reçu {amount}. Merci.",
		FailedHeading:    "Paiement refusé",
		Failed:           "Le paiement a été refusé : {reason}.",
		FailedUnsaid:     "Le paiement a été refusé.",
		ExpiredHeading:   "Délai dépassé",
		Expired:          "Ce paiement n’a pas été fait à temps. Si une demande arrive encore sur votre téléphone, refusez-la, puis recommencez dans la boutique.",
		CancelledHeading: "Paiement annulé",
		Cancelled:        "Ce paiement a été annulé. Si une demande arrive encore sur votre téléphone, refusez-la.",
		LeaveHeading:     "Un instant…",
		Leave:            "Vous changez de page. Si rien ne se passe, touchez le bouton.",
		Continue:         "Continuer",
		BackToShop:       "Retour à la boutique",

		NotFoundHeading: "Page introuvable",
		NotFound:        "Ce lien de paiement n’existe pas ou n’existe plus. Vérifiez qu’il est complet, ou demandez-en un autre à la boutique.",
		ForeignHeading:  "Demande refusée",
		Foreign:         "Cette demande ne vient pas de notre page. Rien n’a été payé ni annulé.",
		TroubleHeading:  "Un instant, s’il vous plaît",
		Unavailable:     "Le service ne répond pas pour le moment. Rouvrez la page dans un instant : elle dira où en est le paiement.",
		BackToPage:      "Rouvrir la page de paiement",
	}
}

// English returns the words of the page in English.
func English() Texts {
	return Texts{
		PayTo:     "Pay to",
		Order:     "Order",
		Reference: "Reference",
		Phone:     "Phone",
		ValidFor:  "Time left:",
		Safety:    "Your PIN is typed on your phone only. This page will never ask for it.",
		TestMode:  "Test mode: no money moves.",
		Simulated: "Simulated payment: no money moves.",

		PayPhoneHeading: "Pay with your phone",
		PayCardHeading:  "Pay by card",
		PayPhone:        "You will get a request on {phone}. Confirm it with your PIN.",
		PayCard:         "You will enter your card on our payment processor’s secure page, then come back here.",
		Pay:             "Pay {amount}",
		Cancel:          "Cancel",

		WaitPhoneHeading: "Confirm on your phone",
		WaitPhone:        "A request for {amount} was sent to {phone}. Confirm it with your PIN. This page updates by itself.",
		WaitCardHeading:  "Waiting for your card",
		WaitCard:         "We are waiting for your payment of {amount} to be confirmed. This page updates by itself.",
		AgainPhone:       "Send the request again",
		AgainCard:        "Go to the card page",
		AgainHint:        "Nothing there? You can ask again: you will not pay twice.",
		Refresh:          "Refresh",

		RefusedHeading: "The payment did not go through",
		Refused:        "Your operator refused: {reason}. Nothing was taken. You can try again.",
		RefusedUnsaid:  "Your operator refused the payment. Nothing was taken. You can try again.",
		TryAgain:       "Try again",
		Trouble:        "We do not know whether the request arrived. Look at your phone, or ask again below: you will not pay twice.",
		TooMany:        "There were too many attempts at this payment. Go back to the shop to start over.",

		ProcessingHeading: "Payment in progress",
		Processing:        "Your operator is processing the payment of {amount}. Do not pay a second time. This page updates by itself.",

		CompletedHeading: "Payment received",
		Completed:        "We have received {amount}. Thank you.",
		FailedHeading:    "Payment refused",
		Failed:           "The payment was refused: {reason}.",
		FailedUnsaid:     "The payment was refused.",
		ExpiredHeading:   "Time is up",
		Expired:          "This payment was not made in time. If a request still arrives on your phone, refuse it, then start over in the shop.",
		CancelledHeading: "Payment cancelled",
		Cancelled:        "This payment was cancelled. If a request still arrives on your phone, refuse it.",
		LeaveHeading:     "One moment…",
		Leave:            "You are being taken to another page. If nothing happens, use the button.",
		Continue:         "Continue",
		BackToShop:       "Back to the shop",

		NotFoundHeading: "Page not found",
		NotFound:        "This payment link does not exist, or no longer does. Check that it is complete, or ask the shop for another one.",
		ForeignHeading:  "Request refused",
		Foreign:         "This request does not come from our page. Nothing was paid or cancelled.",
		TroubleHeading:  "One moment, please",
		Unavailable:     "The service does not answer right now. Open the page again in a moment: it will say where the payment stands.",
		BackToPage:      "Open the payment page again",
	}
}

// places has the values for {amount}, {phone} and {reason} in a text.
type places struct{ amount, phone, reason string }

// fill replaces the places in a text by their values. It changes nothing else in braces.
func (p *places) fill(text string) string {
	open := strings.IndexByte(text, '{')
	if open < 0 {
		return text
	}
	b := make([]byte, 0, len(text)+len(p.amount)+len(p.phone)+len(p.reason))
	for open >= 0 {
		b = append(b, text[:open]...)
		text = text[open:]
		switch {
		case strings.HasPrefix(text, "{amount}"):
			b, text = append(b, p.amount...), text[len("{amount}"):]
		case strings.HasPrefix(text, "{phone}"):
			b, text = append(b, p.phone...), text[len("{phone}"):]
		case strings.HasPrefix(text, "{reason}"):
			b, text = append(b, p.reason...), text[len("{reason}"):]
		default:
			b, text = append(b, '{'), text[1:]
		}
		open = strings.IndexByte(text, '{')
	}
	return string(append(b, text...))
}
