package checkout

import "strings"

// Phone is a mobile number and what its numbering plan says of it. Nothing is looked up over a network: only an operator knows whether
// the number is in use, and which operator serves it after it was ported.
type Phone struct {
	// Number is in E.164 form, as it was sent but without separators, such as +22507987654.
	Number string
	// Dialable is in E.164 form, as it is dialled today, such as +2250707987654. Give this one to an operator.
	Dialable string
	// Region is the country, as an ISO 3166-1 alpha-2 code in upper case. It is the phonenumbers library's, which has XK for Kosovo.
	Region string
	// Operator is the brand to which the number's range was given, such as Orange; "" where the plan does not say. A number that
	// was ported belongs to another one.
	Operator string
	// Legacy says that the number is of a plan that is no longer dialled. Dialable then differs from Number.
	Legacy bool
}

// ParsePhone reads an international mobile number of any country, or one of a plan that cannot tell mobile from fixed.
// Which countries may pay is a setting of the host, checked elsewhere by Region.
//
// The number begins with +, and nothing stands before it. After it come 1 to 15 ASCII digits, the calling code first;
// spaces, dots, hyphens and parentheses before and between them are ignored, and so is a closing parenthesis at the end:
// "+225 (07) 98.76-54" is a number. Letters, digits of other scripts, extensions and 00 for + are refused, and so is
// more than 64 bytes.
//
// Old-plan mobile numbers of Côte d'Ivoire and Benin, eight digits after the calling code, are accepted: Number is as
// it was sent, Dialable has today's ten digits, and Legacy is set.
//
// Operator is the brand that people of the country know, such as Orange or MTN. Looking it up unpacks the library's
// tables at the first call of a process (about 25 ms and 2 MB).
//
// The error is a [*ValidationError] with one field, "user_phone": [CodeMissing] for "", [CodeMalformed] for what is no
// number, [CodeUnsupported] for a number that is not mobile. It never holds what was sent.
func ParsePhone(s string) (Phone, error) {
	p, fault := parsePhone(s)
	if fault != nil {
		return Phone{}, &ValidationError{Fields: []FieldError{*fault}}
	}
	p.Operator = operatorOf(p)
	return p, nil
}

// MaskPhone is a phone number as a log may show it: the calling code, a star for every digit after it, and the last
// two digits where at least four others stay hidden: "+225******54". What [ParsePhone] could not read as digits after a
// known calling code is "***", and "" is "".
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

// parsePhone is [ParsePhone] without the operator, which creating a session has no use for.
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

// maxPhoneBytes bounds the work on any input. Fifteen digits leave room for three separators after each.
const maxPhoneBytes = 64

// readDigits brings s to + and 1 to 15 digits, the most that E.164 (section 6.2.1) allows.
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
	case s[len(s)-1] < '0' && s[len(s)-1] != ')': // of what was let through, the other separators
		return "", malformedPhone("must end with a digit")
	case n == len(s):
		return s, nil // spares the copy where there was nothing to leave out
	}
	return string(digits[:n]), nil
}

// strangeCharacter tells what is wrong with a byte that is neither digit nor separator.
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
