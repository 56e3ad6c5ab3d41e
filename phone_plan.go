package checkout

import (
	"errors"
	"strconv"

	"github.com/nyaruka/phonenumbers"
)

// xofRegion returns the country that has the number's calling code, if it is one of the eight that use XOF, and otherwise "".
func xofRegion(number string) string {
	if len(number) < len("+225") {
		return ""
	}
	switch number[1:4] {
	case "221":
		return "SN"
	case "223":
		return "ML"
	case "225":
		return "CI"
	case "226":
		return "BF"
	case "227":
		return "NE"
	case "228":
		return "TG"
	case "229":
		return "BJ"
	case "245":
		return "GW"
	}
	return ""
}

// readXOF reads a number of one of the eight countries. Each has its own calling code of three digits and no national prefix, so
// phonenumbers.Parse would only split the digits after the third. This package does that itself, in a fraction of the time. The library
// still decides whether the number is valid.
func readXOF(number, region string) (Phone, *FieldError) {
	switch kind := xofKind(number, region); kind {
	case phonenumbers.MOBILE, phonenumbers.FIXED_LINE_OR_MOBILE:
		return Phone{Number: number, Dialable: number, Region: region}, nil
	case phonenumbers.UNKNOWN:
		return readOldPlan(number, region)
	default:
		return Phone{}, unsupportedPhone(kindOf(kind))
	}
}

// readOldPlan reads a number that does not belong to today's plan. Address books are full of such numbers, and the page itself shows one.
//
//   - Côte d'Ivoire went from 8 digits to 10 on 31 January 2021 (ARTCI). Mobile numbers got 07 (Orange), 05 (MTN) or 01 (Moov) in front;
//     the second old digit decides which. Fixed lines, which began with 2 or 3, got 27, 25 or 21.
//   - Benin went from 8 digits to 10 on 30 November 2024 (ARCEP). Every number got 01 in front. Those that began with 2 were fixed
//     lines.
//   - Guinea-Bissau went from 7 digits to 9 on 1 November 2015 (ARN). Numbers that began with 5, 6 or 7 got 95, 96 or 97 in front. That
//     is too long ago to accept the old form, but the refusal can say what the new one is.
//
// The other five changed their plans earlier, and the first digits no longer show what an old number would be today.
func readOldPlan(number, region string) (Phone, *FieldError) {
	code, national := number[:4], number[4:]
	switch {
	case region == "CI" && len(national) == 8 && (national[0] == '2' || national[0] == '3'):
		// The library knows the area codes that only Orange has. It cannot tell apart the numbers that got 21 and 25.
		if xofKind(code+"27"+national, region) == phonenumbers.FIXED_LINE {
			return Phone{}, unsupportedPhone("is an old-plan fixed line; today it is dialled +225 27 …")
		}
		return Phone{}, unsupportedPhone("is an old-plan fixed line; today it is dialled with 21, 25 or 27 after +225")
	case region == "BJ" && len(national) == 8 && national[0] == '2':
		return Phone{}, unsupportedPhone("is an old-plan fixed line; today it is dialled +229 01 …")
	}

	prefix, accepted := "", true
	switch {
	case region == "CI" && len(national) == 8 && national[0] != '1':
		switch national[1] {
		case '7', '8', '9':
			prefix = "07"
		case '4', '5', '6':
			prefix = "05"
		default:
			prefix = "01"
		}
	case region == "BJ" && len(national) == 8:
		prefix = "01"
	case region == "GW" && len(national) == 7 && '5' <= national[0] && national[0] <= '7':
		prefix, accepted = "9"+national[:1], false
	default:
		return Phone{}, malformedPhone(unknownXOF(code, national, region))
	}

	dialable := code + prefix + national
	switch kind := xofKind(dialable, region); {
	case kind != phonenumbers.MOBILE && kind != phonenumbers.FIXED_LINE_OR_MOBILE:
		return Phone{}, malformedPhone(unknownXOF(code, national, region))
	case !accepted:
		return Phone{}, malformedPhone("is an old-plan number; today it is dialled " + code + " " + prefix + " …")
	}
	return Phone{Number: number, Dialable: dialable, Region: region, Legacy: true}, nil
}

// unknownXOF says why no plan of the country has the number. In each of the eight, all mobile numbers have the same length.
func unknownXOF(code, national, region string) string {
	example := phonenumbers.GetExampleNumberForType(region, phonenumbers.MOBILE)
	if want := len(phonenumbers.GetNationalSignificantNumber(example)); len(national) != want {
		return "has " + plural(len(national), "digit", "digits") + " after " + code + "; mobile numbers there have " + strconv.Itoa(want)
	}
	return unknownRange(code)
}

func unknownRange(code string) string { return "is in no range of the numbering plan of " + code }

// libraryNumber returns a number with a calling code of three digits as phonenumbers.Parse would. The library keeps the national
// number as an integer, and the count of leading zeros, which an integer loses, beside it. In a number of only zeros, the last
// zero is not counted.
func libraryNumber(number string) *phonenumbers.PhoneNumber {
	code, _ := strconv.Atoi(number[1:4])
	national := number[4:]
	value, _ := strconv.ParseUint(national, 10, 64) // at most 12 digits; 0 where there are none
	n := &phonenumbers.PhoneNumber{CountryCode: new(int32(code)), NationalNumber: new(value)}
	zeros := int32(0)
	for int(zeros) < len(national)-1 && national[zeros] == '0' {
		zeros++
	}
	if zeros > 0 {
		n.ItalianLeadingZero = new(true)
	}
	if zeros > 1 {
		n.NumberOfLeadingZeros = new(zeros)
	}
	return n
}

// readAny reads a number of any other country. The library also removes a national prefix, as in "+44 (0)7400 …".
func readAny(number string) (Phone, *FieldError) {
	n, err := phonenumbers.Parse(number, "")
	if err != nil {
		return Phone{}, malformedPhone(unparsable(err))
	}
	switch kind := phonenumbers.GetNumberType(n); kind {
	case phonenumbers.MOBILE, phonenumbers.FIXED_LINE_OR_MOBILE:
	case phonenumbers.UNKNOWN:
		return Phone{}, malformedPhone(unknownAny(n))
	default:
		return Phone{}, unsupportedPhone(kindOf(kind))
	}
	region := phonenumbers.GetRegionCodeForNumber(n)
	if region == phonenumbers.REGION_CODE_FOR_NON_GEO_ENTITY { // satellites and the like
		return Phone{}, unsupportedPhone("is of an international network, not of a country")
	}
	e164 := phonenumbers.Format(n, phonenumbers.E164)
	return Phone{Number: e164, Dialable: e164, Region: region}, nil
}

// unparsable says why "+" and up to 15 digits are not a number. There are only two possible reasons.
func unparsable(err error) string {
	if errors.Is(err, phonenumbers.ErrInvalidCountryCode) {
		return "must have the calling code of a country after the +"
	}
	return "has too few digits for a phone number"
}

func unknownAny(n *phonenumbers.PhoneNumber) string {
	code := "+" + strconv.Itoa(int(n.GetCountryCode()))
	switch phonenumbers.IsPossibleNumberWithReason(n) {
	case phonenumbers.TOO_SHORT, phonenumbers.IS_POSSIBLE_LOCAL_ONLY:
		return "has too few digits for a number of " + code
	case phonenumbers.TOO_LONG:
		return "has too many digits for a number of " + code
	case phonenumbers.INVALID_LENGTH:
		return "does not have as many digits as a number of " + code
	}
	return unknownRange(code)
}

func kindOf(kind phonenumbers.PhoneNumberType) string {
	switch kind {
	case phonenumbers.FIXED_LINE:
		return "is a fixed line"
	case phonenumbers.TOLL_FREE:
		return "is a toll-free number"
	case phonenumbers.PREMIUM_RATE:
		return "is a premium-rate number"
	case phonenumbers.SHARED_COST:
		return "is a shared-cost number"
	case phonenumbers.VOIP:
		return "is an internet telephony number"
	case phonenumbers.PAGER:
		return "is a pager"
	case phonenumbers.UAN:
		return "is a company's universal access number"
	case phonenumbers.VOICEMAIL:
		return "is a voicemail number"
	}
	return "is not a mobile number"
}

// splitCallingCode splits off the calling code. No code is the beginning of another, so the first known one is right.
func splitCallingCode(number string) (code, national string) {
	digits := number[1:]
	if digits[0] == '0' {
		return "", digits
	}
	for i := 1; i <= 3 && i <= len(digits); i++ {
		value, _ := strconv.Atoi(digits[:i])
		if len(phonenumbers.GetRegionCodesForCountryCode(value)) > 0 {
			return digits[:i], digits[i:]
		}
	}
	return "", digits
}

// operatorOf returns the brand that the number's range belongs to, or "".
func operatorOf(p Phone) string {
	var n *phonenumbers.PhoneNumber
	if xofRegion(p.Dialable) != "" {
		n = libraryNumber(p.Dialable)
	} else if parsed, err := phonenumbers.Parse(p.Dialable, ""); err == nil {
		n = parsed
	} else {
		return ""
	}
	name, err := phonenumbers.GetCarrierForNumber(n, "en")
	if err != nil {
		return "" // the library could not read the tables it embeds
	}
	return brandOf(p.Region, name)
}

// brandOf returns the name that payers know. For some ranges the library still has the name of the company, or a former brand. A host
// that chose the payer's wallet by such a name would ask Orange Money in Niger, which ended years ago. If a later version of the
// library corrects a name, this function passes it on unchanged.
func brandOf(region, name string) string {
	switch region + " " + name {
	case "BF Onatel", "ML Sotelma": // both belong to Maroc Telecom; Moov Africa since 1 January 2021
		return "Moov"
	case "ML Atel": // the company Alpha Télécommunication; its brand was Telecel from the first day, 28 December 2017
		return "Telecel"
	case "GW Spacetel": // MTN until its sale to Telecel on 7 August 2024
		return "Telecel"
	case "NE Orange": // sold to Zamani Com in November 2019, Zamani Telecom since December 2020
		return "Zamani"
	case "SN Free", "TG Togo Telecom": // both belong to Axian; Yas since November 2024
		return "Yas"
	}
	return name
}
