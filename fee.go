package checkout

import (
	"errors"
	"fmt"
	"math/bits"

	"github.com/shopspring/decimal"
)

// Rounding says how the part of a fee that comes from the rate becomes a whole number of the currency's smallest unit.
type Rounding int

const (
	// RoundHalfEven rounds to the nearest whole number, and a half to the even one: 2.5 and 1.5 become 2. Over many payments it
	// favours neither side. It is the zero value.
	RoundHalfEven Rounding = iota
	// RoundHalfUp rounds to the nearest whole number, and a half up: 2.5 becomes 3.
	RoundHalfUp
	// RoundUp rounds every fraction up: 2.1 becomes 3. The merchant pays the difference.
	RoundUp
	// RoundDown drops every fraction: 2.9 becomes 2. The host pays the difference.
	RoundDown
)

// String returns the name of the mode in words, such as "half even".
func (r Rounding) String() string {
	switch r {
	case RoundHalfEven:
		return "half even"
	case RoundHalfUp:
		return "half up"
	case RoundUp:
		return "up"
	case RoundDown:
		return "down"
	}
	return fmt.Sprintf("Rounding(%d)", int(r))
}

// maxRateDecimals bounds the rate, so that a product of rate and amount fits into 128 bits. A millionth of a percent has eight decimals.
const maxRateDecimals = 12

// FeeSchedule says what a payment costs the merchant. The fee is Rate times the amount, rounded, plus Fixed. It is at least Min and at
// most Max, and never more than the amount, so the merchant's net amount is never negative. All amounts are in the currency's smallest
// unit. The zero FeeSchedule charges nothing.
//
//	FeeSchedule{Rate: decimal.RequireFromString("0.005")}                      // 0.5 %: 25 on 5000, as on the page
//	FeeSchedule{Rate: decimal.RequireFromString("0.01"), Fixed: 50, Max: 5000} // 1 % and 50 francs, at most 5000
//	FeeSchedule{Rate: decimal.RequireFromString("0.029"), Fixed: 30}           // 2.9 % and 30 cents: 175 on 50 dollars
//
// In the last example, Rate times 50 dollars is exactly 145 cents, so nothing is rounded. Rate times 4999 cents is 144.971, which every
// mode but RoundDown rounds to 145.
type FeeSchedule struct {
	// Rate is the share of the amount, 0 to 1, with at most 12 decimals: 0.005 is half a percent. Make it with
	// decimal.RequireFromString rather than with NewFromFloat, which keeps the rounding error of a computed float64, such as the
	// 0.30000000000000004 of 0.1+0.2.
	Rate decimal.Decimal
	// Fixed is added to the rounded share, 0 to 9007199254740991.
	Fixed int64
	// Min is the lowest fee and Max the highest, 0 to 9007199254740991. Max 0 sets no maximum. Min must not be above Max.
	Min, Max int64
	// Rounding applies only to the share, which is Rate times the amount. The zero value is RoundHalfEven.
	Rounding Rounding
}

// Fee returns the fee on an amount, both in the smallest unit: 0 to amount. It uses no floating point. It returns 0 for a schedule that
// Validate refuses, and for an amount outside 0 to 9007199254740991.
func (f FeeSchedule) Fee(amount int64) int64 {
	if amount <= 0 || amount > MaxAmount || f.Validate() != nil {
		return 0
	}
	return f.trimmed().charge(amount)
}

// trimmed removes zeros at the end of the rate, such as those that [decimal.Decimal.Div] leaves: its result for 5/1000 has sixteen
// decimals.
func (f FeeSchedule) trimmed() FeeSchedule {
	const longest = 64 // a rate with more decimals stays as it is: it may have a billion
	if e := f.Rate.Exponent(); e < -maxRateDecimals && e >= -longest {
		if short := f.Rate.Truncate(maxRateDecimals); short.Equal(f.Rate) {
			f.Rate = short
		}
	}
	return f
}

// charge is Fee for a valid schedule that is trimmed, and a valid amount.
func (f FeeSchedule) charge(amount int64) int64 {
	fee := max(f.share(uint64(amount))+f.Fixed, f.Min)
	if f.Max > 0 {
		fee = min(fee, f.Max)
	}
	return min(fee, amount)
}

// share returns Rate times amount, rounded. It works on whole numbers only. A valid rate is c/10^d with d at most 12 and c at most
// 10^d. So amount times c has at most 93 bits, which fit the 128 bits of bits.Mul64, and the quotient is at most the amount.
func (f FeeSchedule) share(amount uint64) int64 {
	if f.Rate.IsZero() {
		return 0 // the exponent of a zero may be anything
	}
	unit := uint64(1)
	for range -f.Rate.Exponent() {
		unit *= 10
	}
	high, low := bits.Mul64(amount, uint64(f.Rate.CoefficientInt64()))
	whole, rest := bits.Div64(high, low, unit)
	if f.roundsUp(whole, rest, unit) {
		whole++
	}
	return int64(whole)
}

// roundsUp reports whether the exact value whole + rest/unit is rounded to whole+1.
func (f FeeSchedule) roundsUp(whole, rest, unit uint64) bool {
	switch f.Rounding {
	case RoundHalfUp:
		return 2*rest >= unit
	case RoundUp:
		return rest > 0
	case RoundDown:
		return false
	}
	return 2*rest > unit || 2*rest == unit && whole%2 == 1
}

// Validate returns every fault of the schedule as a [*ConfigError], joined. [New] calls it.
func (f FeeSchedule) Validate() error { return f.validate("FeeSchedule") }

func (f FeeSchedule) validate(path string) error {
	var errs []error
	fault := func(field, reason string) {
		errs = append(errs, &ConfigError{Field: path + "." + field, Reason: reason})
	}
	f = f.trimmed()
	// The exponent is checked first. To compare a number with a huge exponent, package decimal would write out all of its digits.
	if e := f.Rate.Exponent(); !f.Rate.IsZero() && (e < -maxRateDecimals || e > 0) {
		fault("Rate", fmt.Sprintf("must be 0 to 1 with at most %d decimals", maxRateDecimals))
	} else if f.Rate.IsNegative() || f.Rate.GreaterThan(decimal.NewFromInt(1)) {
		fault("Rate", "must be 0 to 1: 0.005 is half a percent")
	}
	for _, v := range []struct {
		name  string
		value int64
	}{{"Fixed", f.Fixed}, {"Min", f.Min}, {"Max", f.Max}} {
		if v.value < 0 || v.value > MaxAmount {
			fault(v.name, fmt.Sprintf("must be 0 to %d", int64(MaxAmount)))
		}
	}
	if f.Max > 0 && f.Min > f.Max {
		fault("Min", "must not be above Max")
	}
	if f.Rounding < RoundHalfEven || f.Rounding > RoundDown {
		fault("Rounding", "must be one of the four modes")
	}
	return errors.Join(errs...)
}
