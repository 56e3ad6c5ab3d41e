package strictjson

import (
	"math"
	"strings"
)

// Every number of up to 19 digits fits in a uint64.
const maxDigits = 19

// farExponent stands for any exponent that is greater than the number of digits of any text in memory.
const farExponent = 1 << 50

// parseInt64 returns the value of a JSON number. It allocates nothing, and its time does not depend on the exponent.
//
// The number is read as a whole number that does not end in 0, times a power of ten. It has a fraction exactly if that power is negative.
func parseInt64(literal string) (int64, error) {
	mantissa, negative := strings.CutPrefix(literal, "-")
	var exponent int64
	if i := strings.IndexAny(mantissa, "eE"); i >= 0 {
		mantissa, exponent = mantissa[:i], parseExponent(mantissa[i+1:])
	}
	if i := strings.IndexByte(mantissa, '.'); i >= 0 {
		exponent -= int64(len(mantissa) - i - 1)
	}
	var whole uint64 // the digits without zeros at the beginning and the end; not used if there are more than maxDigits
	var digits int64 // how many digits whole has
	var zeros int64  // how many zeros follow them
	for _, c := range []byte(mantissa) {
		switch {
		case c == '.', c == '0' && digits == 0:
		case c == '0':
			zeros++
		default:
			digits += zeros + 1
			whole = whole*pow10(zeros+1) + uint64(c-'0')
			zeros = 0
		}
	}
	exponent += zeros
	switch {
	case digits == 0:
		return 0, nil
	case exponent < 0:
		return 0, ErrFraction
	case digits+exponent > maxDigits:
		return 0, ErrRange
	}
	whole *= pow10(exponent)
	switch {
	case negative && whole <= -math.MinInt64:
		return int64(-whole), nil
	case !negative && whole <= math.MaxInt64:
		return int64(whole), nil
	}
	return 0, ErrRange
}

// parseExponent returns the exponent, limited to -farExponent and farExponent.
func parseExponent(text string) int64 {
	text, negative := strings.CutPrefix(text, "-")
	var n int64
	for _, c := range []byte(strings.TrimPrefix(text, "+")) {
		n = min(10*n+int64(c-'0'), farExponent)
	}
	if negative {
		return -n
	}
	return n
}

// pow10 returns ten to the power of n, modulo 2^64.
func pow10(n int64) uint64 {
	p := uint64(1)
	for range n {
		p *= 10
	}
	return p
}
