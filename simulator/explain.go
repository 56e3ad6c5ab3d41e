package simulator

// Explain translates the simulator's reasons for a payer, into French ("fr") or English. It returns any other reason unchanged. It fits
// paypage.Config.Explain.
func Explain(language, reason string) string {
	french := map[string]string{
		ReasonFunds:    "solde insuffisant",
		ReasonPIN:      "code secret erroné",
		ReasonDeclined: "vous avez refusé sur votre téléphone",
		ReasonCard:     "la banque a refusé la carte",
		ReasonReplaced: "pas de réponse",
	}
	english := map[string]string{
		ReasonFunds:    "not enough money in the account",
		ReasonPIN:      "the PIN was wrong",
		ReasonDeclined: "you refused on your phone",
		ReasonCard:     "the bank declined the card",
		ReasonReplaced: "no answer",
	}
	words := english
	if language == "fr" {
		words = french
	}
	if said, known := words[reason]; known {
		return said
	}
	return reason
}
