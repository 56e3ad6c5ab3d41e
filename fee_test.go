package checkout_test

import (
	"fmt"
	"math"
	"math/big"
	"testing"

	"github.com/caisse/checkout"
	"github.com/matryer/is"
	"github.com/shopspring/decimal"
)

func rate(s string) decimal.Decimal { return decimal.RequireFromString(s) }

func TestFee(t *testing.T) {
	for _, test := range []struct {
		name   string
		fee    checkout.FeeSchedule
		amount int64
		want   int64
	}{
		{"the zero schedule charges nothing", checkout.FeeSchedule{}, 5000, 0},
		{"half a percent of 5000 is the page's 25", checkout.FeeSchedule{Rate: rate("0.005")}, 5000, 25},
		{"half even: 2.5 is 2", checkout.FeeSchedule{Rate: rate("0.005")}, 500, 2},
		{"half even: 3.5 is 4", checkout.FeeSchedule{Rate: rate("0.005")}, 700, 4},
		{"half up: 2.5 is 3", checkout.FeeSchedule{Rate: rate("0.005"), Rounding: checkout.RoundHalfUp}, 500, 3},
		{"up: 2.005 is 3", checkout.FeeSchedule{Rate: rate("0.005"), Rounding: checkout.RoundUp}, 401, 3},
		{"up: 2 is 2", checkout.FeeSchedule{Rate: rate("0.005"), Rounding: checkout.RoundUp}, 400, 2},
		{"down: 2.995 is 2", checkout.FeeSchedule{Rate: rate("0.005"), Rounding: checkout.RoundDown}, 599, 2},
		{"the part by rate is rounded before the fixed part is added", checkout.FeeSchedule{Rate: rate("0.005"), Fixed: 10}, 500, 12},
		{"not below the minimum", checkout.FeeSchedule{Rate: rate("0.005"), Min: 50}, 5000, 50},
		{"not above the maximum", checkout.FeeSchedule{Rate: rate("0.5"), Max: 50}, 5000, 50},
		{"the fixed part is within the maximum", checkout.FeeSchedule{Rate: rate("0.01"), Fixed: 100, Max: 120}, 5000, 120},
		{"never above the amount", checkout.FeeSchedule{Fixed: 1000}, 100, 100},
		{"never above the amount, even if the minimum is", checkout.FeeSchedule{Min: 1000}, 100, 100},
		{"a rate of one takes the whole amount", checkout.FeeSchedule{Rate: rate("1")}, 9007199254740991, 9007199254740991},
		{"exact for an amount that floating point would round", checkout.FeeSchedule{Rate: rate("0.1"), Rounding: checkout.RoundUp}, 9007199254740990, 900719925474099},
		{"a rate of twelve decimals", checkout.FeeSchedule{Rate: rate("0.000000000001"), Rounding: checkout.RoundDown}, 9007199254740991, 9007},
		{"a rate with trailing zeros, as Div returns it", checkout.FeeSchedule{Rate: decimal.NewFromInt(5).Div(decimal.NewFromInt(1000))}, 5000, 25},
		{"an amount of zero has no fee", checkout.FeeSchedule{Fixed: 5}, 0, 0},
		{"a negative amount has no fee", checkout.FeeSchedule{Fixed: 5}, -100, 0},
		{"an amount above MaxAmount has no fee", checkout.FeeSchedule{Fixed: 5}, math.MaxInt64, 0},
	} {
		t.Run(test.name, func(t *testing.T) { is.New(t).Equal(test.fee.Fee(test.amount), test.want) })
	}
}

// The bias of a rounding mode is the sum of its fees minus the sum of the exact fees. The test uses amounts for which each fraction of a
// franc occurs equally often.
func TestRoundingBias(t *testing.T) {
	bias := func(mode checkout.Rounding) *big.Rat {
		f := checkout.FeeSchedule{Rate: rate("0.005"), Rounding: mode}
		sum := new(big.Rat)
		for amount := int64(1000); amount < 5000; amount++ {
			sum.Add(sum, big.NewRat(f.Fee(amount), 1))
			sum.Sub(sum, big.NewRat(amount*5, 1000))
		}
		return sum
	}
	for mode, want := range map[checkout.Rounding]*big.Rat{
		checkout.RoundHalfEven: big.NewRat(0, 1),     // neither side gains
		checkout.RoundHalfUp:   big.NewRat(10, 1),    // 20 fees have a fraction of one half, which is rounded up
		checkout.RoundUp:       big.NewRat(1990, 1),  // 199 of 200 fees are rounded up
		checkout.RoundDown:     big.NewRat(-1990, 1), // the same fees are rounded down
	} {
		t.Run(mode.String(), func(t *testing.T) {
			if got := bias(mode); got.Cmp(want) != 0 {
				t.Errorf("bias %s, want %s", got, want)
			}
		})
	}
}

// TestFeeAgainstRationals compares Fee with exact arithmetic, for a sample of amounts up to the maximum.
func TestFeeAgainstRationals(t *testing.T) {
	half := big.NewRat(1, 2)
	roundings := map[checkout.Rounding]func(whole int64, rest *big.Rat) bool{
		checkout.RoundDown:   func(int64, *big.Rat) bool { return false },
		checkout.RoundUp:     func(_ int64, rest *big.Rat) bool { return rest.Sign() > 0 },
		checkout.RoundHalfUp: func(_ int64, rest *big.Rat) bool { return rest.Cmp(half) >= 0 },
		checkout.RoundHalfEven: func(whole int64, rest *big.Rat) bool {
			return rest.Cmp(half) > 0 || rest.Cmp(half) == 0 && whole%2 == 1
		},
	}
	for _, r := range []string{"0.005", "0.0175", "0.333333333333", "0.029", "1", "1.0", "0.5", "0.999999999999", "0.000000000001", "0"} {
		exact, _ := new(big.Rat).SetString(r)
		for rounding, up := range roundings {
			f := checkout.FeeSchedule{Rate: rate(r), Rounding: rounding}
			for amount := int64(1); amount <= checkout.MaxAmount; amount += amount/7 + 1 {
				product := new(big.Rat).Mul(exact, big.NewRat(amount, 1))
				want := new(big.Int).Quo(product.Num(), product.Denom()).Int64()
				if up(want, product.Sub(product, big.NewRat(want, 1))) {
					want++
				}
				if got := f.Fee(amount); got != want {
					t.Errorf("%s of %d, rounded %v: %d, want %d", r, amount, rounding, got, want)
				}
			}
		}
	}
}

func TestValidFeeSchedules(t *testing.T) {
	for _, f := range []checkout.FeeSchedule{
		{}, {Rate: rate("1")}, {Rate: rate("0.000000000001")}, {Rate: decimal.New(0, 5)}, {Min: 5, Max: 5}, {Min: 5},
		{Fixed: checkout.MaxAmount, Min: checkout.MaxAmount, Max: checkout.MaxAmount}, {Rounding: checkout.RoundDown},
	} {
		is.New(t).NoErr(f.Validate())
	}
}

func TestInvalidFeeSchedules(t *testing.T) {
	for name, f := range map[string]checkout.FeeSchedule{
		"a negative rate":                {Rate: rate("-0.01")},
		"a rate above one":               {Rate: rate("1.01")},
		"a percentage instead of a rate": {Rate: rate("2.5")},
		"a rate of 13 decimals":          {Rate: rate("0.0000000000001")},
		"a third of a percent, from Div": {Rate: decimal.NewFromInt(1).Div(decimal.NewFromInt(300))},
		"a rate of a billion digits":     {Rate: decimal.New(1, 1000000000)},
		"a rate of a billion decimals":   {Rate: decimal.New(1, -1000000000)},
		"a negative fixed part":          {Fixed: -1},
		"a negative minimum":             {Min: -1},
		"a negative maximum":             {Max: -1},
		"a fixed part above MaxAmount":   {Fixed: checkout.MaxAmount + 1},
		"a minimum above the maximum":    {Min: 2, Max: 1},
		"an unknown rounding mode":       {Rounding: 9},
	} {
		t.Run(name, func(t *testing.T) {
			is := is.New(t)
			is.True(f.Validate() != nil)
			is.Equal(f.Fee(5000), int64(0))
			_, err := checkout.New(openSQLite(t), checkout.Config{Fees: map[string]checkout.FeeSchedule{"XOF": f}})
			var fault *checkout.ConfigError
			is.True(asError(err, &fault))
		})
	}
}

func TestFeeIsOfTheCurrencyAndFixedAtCreation(t *testing.T) {
	is := is.New(t)
	store := openSQLite(t)
	a := newAPIWith(t, store, checkout.Config{Fees: map[string]checkout.FeeSchedule{"USD": {Fixed: 30, Rate: rate("0.029")}}}, checkout.HandlerConfig{})
	is.Equal(a.post(card).body["transaction_fee"], 59.0)
	is.Equal(a.post(mobileMoney).body["transaction_fee"], 0.0)
	key := keyHeader()
	is.Equal(a.post(card, key).body["transaction_fee"], 59.0)
	dearer := newAPIWith(t, store, checkout.Config{Fees: map[string]checkout.FeeSchedule{"USD": {Fixed: 500}}}, checkout.HandlerConfig{})
	is.Equal(dearer.post(card, key).body["transaction_fee"], 59.0)
}

func TestAmountMajor(t *testing.T) {
	for currency, want := range map[string]string{
		"XOF": "12345", "USD": "123.45", "EUR": "123.45", "JPY": "12345", "KRW": "12345", "GBP": "123.45",
		"TND": "12.345", "KWD": "12.345",
		// ISO 4217 has more decimals for these than CLDR, which has only the decimals that people write.
		"RSD": "123.45", "TZS": "123.45", "LBP": "123.45", "IQD": "12.345",
	} {
		t.Run(currency, func(t *testing.T) {
			is := is.New(t)
			s := checkout.Session{Amount: 12345, Currency: currency}
			is.Equal(s.AmountMajor().String(), want)
			is.Equal(fmt.Sprint(s.AmountMajor().Shift(-s.AmountMajor().Exponent())), "12345") // nothing is lost
		})
	}
}
