package checkout

import (
	"strings"

	"github.com/shopspring/decimal"
)

// The three constants have the currencies of "list one" of ISO 4217, grouped by the number of decimals of their major unit. They leave
// out the codes of metals, funds and tests, and the codes withdrawn by November 2026. The source is currency-codes 2.2.0 on npm, which
// contains the standard's own list. XCG was added by hand, because it is newer than that release.
//
// The data of CLDR in golang.org/x/text does not fit. It has codes that were withdrawn decades ago and lacks new ones (SLE, XCG).
// Its decimals are those that people write: 0 for IQD, LBP, RSD, TZS and others, where the standard says 2 or 3.
const (
	currencies0 = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF"
	currencies2 = "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY " +
		"COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR " +
		"IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD " +
		"NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC " +
		"SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG"
	currencies3 = "BHD IQD JOD KWD LYD OMR TND"
)

// minorUnitExponent returns how many decimals the major unit of a currency has: 0 for XOF, 2 for USD. ok is false for anything
// but a code of list one in upper case. An amount of 5000 is 5000 francs in XOF, but 50 dollars in USD.
func minorUnitExponent(code string) (exponent int32, ok bool) {
	if len(code) != 3 || strings.IndexByte(code, ' ') >= 0 {
		return 0, false
	}
	switch {
	case strings.Contains(currencies2, code):
		return 2, true
	case strings.Contains(currencies0, code):
		return 0, true
	case strings.Contains(currencies3, code):
		return 3, true
	}
	return 0, false
}

// isCurrency reports whether code is an ISO 4217 code in upper case.
func isCurrency(code string) bool {
	_, ok := minorUnitExponent(code)
	return ok
}

// currencyCode returns an ISO 4217 code in upper case. The length is checked in bytes first: in Unicode "ſ" is a lower case of "S", so
// "uſd" would otherwise become USD.
func currencyCode(s string) (string, bool) {
	if len(s) != 3 {
		return "", false
	}
	s = strings.ToUpper(s)
	return s, isCurrency(s)
}

// AmountMajor returns Amount in the currency's major unit, exactly. An Amount of 1000 is 1000 in XOF, which has no smaller unit,
// and 10 in USD. StringFixed of package decimal writes it with the decimals that people expect. A newer release may have stored a
// currency that this release does not know. It is taken to have two decimals, as nearly all currencies have.
func (s Session) AmountMajor() decimal.Decimal {
	exponent, ok := minorUnitExponent(s.Currency)
	if !ok {
		exponent = 2
	}
	return decimal.New(s.Amount, -exponent)
}
