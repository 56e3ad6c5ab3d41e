package checkout

import (
	"errors"
	"fmt"
	"math/bits"

	"github.com/shopspring/decimal"
)

// Rounding says how the part of a fee that comes from the rate becomes a whole number of smallest units.
type Rounding int

const (
	RoundHalfEven Rounding = iota // to the nearest, a half to the even neighbour: no bias over many payments
	RoundHalfUp                   // to the nearest, a half up
	RoundUp                       // any fraction up
	RoundDown                     // any fraction away
)

// String is the name of the mode in words, such as "half even".
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

// maxRateDecimals bounds the work of a multiplication. A millionth of a percent has eight.
const maxRateDecimals = 12

// FeeSchedule is what a payment costs: Rate of the amount, rounded, plus Fixed, held between Min and Max, and never above
// the amount, so that amount = net + fee always. All amounts are in the currency's smallest unit. The zero
// FeeSchedule charges nothing.
type FeeSchedule struct {
	Rate     decimal.Decimal // 0.005 is half a percent; 0 to 1, at most 12 decimals
	Fixed    int64           // 0 to 9007199254740991
	Min, Max int64           // 0 to 9007199254740991; Max 0: no maximum
	Rounding Rounding        // zero: RoundHalfEven
}

// Fee is the fee on an amount in the smallest unit, 0 to amount. It computes without floating point. A schedule that
// Validate refuses, and an amount outside 0 to 9007199254740991, have no fee: the answer is 0.
func (f FeeSchedule) Fee(amount int64) int64 {
	if amount <= 0 || amount > MaxAmount || f.Validate() != nil {
		return 0
	}
	return f.trimmed().charge(amount)
}

// trimmed leaves out zeros at the end of the rate, as [decimal.Decimal.Div] leaves them: 5/1000 has sixteen decimals.
func (f FeeSchedule) trimmed() FeeSchedule {
	const longest = 64 // decimals that are looked at, for there may be a billion
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

// share is Rate of the amount, rounded. A valid rate is a whole number of at most 10^12 parts of a unit of as many, so
// the product has at most 93 bits and the quotient is not above the amount.
func (f FeeSchedule) share(amount uint64) int64 {
	if f.Rate.IsZero() {
		return 0 // whatever its exponent is
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

// roundsUp says whether whole and rest/unit becomes whole+1.
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

// Validate reports all that is wrong with the schedule as [*ConfigError] values, joined. [New] calls it.
func (f FeeSchedule) Validate() error { return f.validate("FeeSchedule") }

func (f FeeSchedule) validate(path string) error {
	var errs []error
	fault := func(field, reason string) {
		errs = append(errs, &ConfigError{Field: path + "." + field, Reason: reason})
	}
	f = f.trimmed()
	// The exponent first: comparing a number of unbounded exponent would write all of its digits.
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
