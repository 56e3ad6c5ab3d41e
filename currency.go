package checkout

import (
	"strings"

	"github.com/shopspring/decimal"
	"golang.org/x/text/currency"
)

// isCurrency reports whether code is an ISO 4217 code in upper case.
func isCurrency(code string) bool {
	upper, ok := currencyCode(code)
	return ok && upper == code
}

// currencyCode brings an ISO 4217 code of any letter case to upper case. Letters are ASCII: Unicode's upper case would
// make one code of "uſd" too.
func currencyCode(s string) (string, bool) {
	if len(s) != 3 {
		return "", false
	}
	for i := range len(s) {
		if c := s[i] | 0x20; c < 'a' || c > 'z' {
			return "", false
		}
	}
	s = strings.ToUpper(s)
	_, err := currency.ParseISO(s)
	return s, err == nil
}

// minorUnitExponent is how many decimals the major unit of an ISO 4217 currency has: XOF 0, USD 2. Two is the rule and
// these are the exceptions of the standard's list one. CLDR, which golang.org/x/text carries, is of no use here: it
// tells how many decimals people write, and says 0 where the standard says 2 or 3 (IQD, LBP, RSD, TZS and others).
func minorUnitExponent(code string) int32 {
	switch code {
	case "BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV",
		"XAF", "XOF", "XPF":
		return 0
	case "BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND":
		return 3
	case "CLF", "UYW":
		return 4
	}
	return 2
}

// AmountMajor is Amount in the currency's major unit, exactly: 1000 is 1000 for XOF, which has no smaller unit, and
// 10.00 for USD.
func (s Session) AmountMajor() decimal.Decimal {
	return decimal.New(s.Amount, -minorUnitExponent(s.Currency))
}
