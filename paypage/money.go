package paypage

import (
	"strconv"
	"strings"

	"github.com/caisse/checkout"
)

const noBreak = "\u00a0"

// amount formats the amount of a session. For XOF it is "5 000 F CFA" in every language. For other currencies it depends on the language,
// and the code of the currency follows: "1 234,50 USD" in French, "1,234.50 USD" otherwise.
func amount(s *checkout.Session, french bool) string {
	group, point := ",", "."
	if french || s.Currency == "XOF" {
		group, point = noBreak, ","
	}
	decimals := 0
	if s.Currency != "XOF" {
		decimals = int(-s.AmountMajor().Exponent())
	}
	digits := strconv.FormatInt(s.Amount, 10)
	if missing := decimals + 1 - len(digits); missing > 0 {
		digits = strings.Repeat("0", missing) + digits
	}
	whole, fraction := digits[:len(digits)-decimals], digits[len(digits)-decimals:]
	var b strings.Builder
	b.Grow(2*len(digits) + 12)
	for i := range len(whole) {
		if i > 0 && (len(whole)-i)%3 == 0 {
			b.WriteString(group)
		}
		b.WriteByte(whole[i])
	}
	if fraction != "" {
		b.WriteString(point)
		b.WriteString(fraction)
	}
	b.WriteString(noBreak)
	if s.Currency == "XOF" {
		b.WriteString("F" + noBreak + "CFA")
	} else {
		b.WriteString(s.Currency)
	}
	return b.String()
}

// maskedPhone returns the payer's number. Only its calling code and its last digits are readable.
func maskedPhone(s *checkout.Session) string {
	return strings.ReplaceAll(checkout.MaskPhone(s.UserPhone), "*", "•")
}
