package checkout

import "strings"

// Phone is a mobile number with the facts that its numbering plan gives. Nothing is looked up over a network: only an operator knows
// whether the number is in use, and which operator serves it after it was ported.
type Phone struct {
	// Number is in E.164 form, such as +22507987654: as it was sent, but without separators, and without the national prefix that
	// some countries write, such as the (0) of +44 (0)7400 123456.
	Number string
	// Dialable is in E.164 form, as it is dialled today, such as +2250707987654. Give this one to an operator.
	Dialable string
	// Region is the country, as an ISO 3166-1 alpha-2 code in upper case. The phonenumbers library chooses it: XK for Kosovo, for
	// example.
	Region string
	// Operator is the brand to which the number's range was given, such as Orange; "" where the plan does not say. A number that
	// was ported belongs to another brand.
	Operator string
	// Legacy says that the number belongs to an old numbering plan, and cannot be called in this form any more. Dialable then differs
	// from Number.
	Legacy bool
}

// ParsePhone reads a mobile number in international form, of any country. Where a numbering plan does not separate mobile from fixed
// lines, it accepts both. It does not decide which countries may pay: Config.PhoneRegions does.
//
// The number begins with "+". After it come 1 to 15 ASCII digits, the calling code first. Spaces, dots, hyphens and parentheses before
// and between digits are ignored, and so is a closing parenthesis at the end. Letters, digits of other scripts, extensions, "00" in
// place of the "+", and texts of more than 64 bytes are refused.
//
//	+225 (07) 07-98.76 54   Number +2250707987654, Region CI
//	+22507987654            Number +22507987654, Dialable +2250707987654, Region CI, Legacy
//	+221771234567           Number +221771234567, Region SN
//	07 98 76 54             malformed: no country
//	00225 0707987654        malformed: 00 means "+" in some countries only
//	+22521234567            unsupported: a fixed line of Côte d'Ivoire, of the old plan
//
// Mobile numbers of the old numbering plans of Côte d'Ivoire and Benin, with eight digits after the calling code, are accepted, because
// address books still have them. Number is then as it was sent, Dialable has today's ten digits, and Legacy is true. So when requests
// are compared, "+22507987654" and "+2250707987654" are two different numbers, although they reach the same phone.
//
// Operator is the brand that people in the country know, such as Orange or MTN. The first call in a process unpacks the tables of the
// phonenumbers library for it, which takes about 25 ms and 2 MB.
//
// The error is a [*ValidationError] with one field, "user_phone": [CodeMissing] for "", [CodeMalformed] for a text that is not a number,
// and [CodeUnsupported] for a number that is not mobile. It never contains what was sent.
func ParsePhone(s string) (Phone, error) {
	p, fault := parsePhone(s)
	if fault != nil {
		return Phone{}, &ValidationError{Fields: []FieldError{*fault}}
	}
	p.Operator = operatorOf(p)
	return p, nil
}

// MaskPhone returns a phone number as a log may show it, such as "+225******54". The calling code stays, and each digit after it becomes a
// star. The last two digits stay too, if at least four others are hidden. MaskPhone returns "***" for a text that does not begin with a
// known calling code or is no number, and "" for "".
func MaskPhone(s string) string {
	if s == "" {
		return ""
	}
	number, fault := readDigits(s)
	if fault != nil {
		return "***"
	}
	code, national := splitCallingCode(number)
	if code == "" {
		return "***"
	}
	hidden := len(national)
	if hidden >= 6 {
		hidden -= 2
	}
	return "+" + code + strings.Repeat("*", hidden) + national[hidden:]
}

// parsePhone is [ParsePhone] without the operator, which a create does not need.
func parsePhone(s string) (Phone, *FieldError) {
	number, fault := readDigits(s)
	if fault != nil {
		return Phone{}, fault
	}
	if region := xofRegion(number); region != "" {
		return readXOF(number, region)
	}
	return readAny(number)
}

// maxPhoneBytes bounds the work on any input. It leaves room for fifteen digits with three separators after each.
const maxPhoneBytes = 64

// readDigits returns s without separators: "+" and 1 to 15 digits, the most that E.164 (section 6.2.1) allows. It refuses a text that is
// not clearly a number, such as one with an extension, a letter or a second "+". It does not guess, because a wrong guess would ask a
// stranger for money.
func readDigits(s string) (number string, fault *FieldError) {
	switch {
	case s == "":
		return "", &FieldError{Field: "user_phone", Code: CodeMissing, Detail: "is required"}
	case s[0] != '+':
		return "", malformedPhone("must begin with + and the country's calling code")
	case len(s) > maxPhoneBytes:
		return "", malformedPhone("is longer than any phone number")
	}
	var digits [1 + 15]byte
	digits[0] = '+'
	n := 1
	for i := 1; i < len(s); i++ {
		c := s[i]
		switch {
		case '0' <= c && c <= '9':
			if n == len(digits) {
				return "", malformedPhone("has more than 15 digits, the most that an international number has")
			}
			digits[n] = c
			n++
		case c == ' ' || c == '.' || c == '-' || c == '(' || c == ')':
		default:
			return "", malformedPhone(strangeCharacter(c))
		}
	}
	switch {
	case n == 1:
		return "", malformedPhone("has no digits after the +")
	case s[len(s)-1] < '0' && s[len(s)-1] != ')': // it ends with a separator other than a closing parenthesis
		return "", malformedPhone("must end with a digit")
	case n == len(s):
		return s, nil // without separators, s needs no copy
	}
	return string(digits[:n]), nil
}

// strangeCharacter says what is wrong with a byte that is neither a digit nor a separator.
func strangeCharacter(c byte) string {
	const allowed = "; after the + only ASCII digits, spaces, dots, hyphens and parentheses may stand"
	switch {
	case c >= 0x80:
		return "has a character that is not ASCII" + allowed
	case 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '#' || c == '*' || c == ',' || c == ';':
		return "has a letter or an extension" + allowed
	case c == '+':
		return "has a second +"
	}
	return "has a character that no phone number has" + allowed
}

func malformedPhone(detail string) *FieldError {
	return &FieldError{Field: "user_phone", Code: CodeMalformed, Detail: detail}
}

func unsupportedPhone(what string) *FieldError {
	return &FieldError{Field: "user_phone", Code: CodeUnsupported, Detail: what + "; only mobile numbers can pay"}
}
