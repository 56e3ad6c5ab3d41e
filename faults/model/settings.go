package model

import (
	"math/big"

	"github.com/shopspring/decimal"

	"github.com/caisse/checkout"
)

// Settings are those settings of a host that a program changes.
type Settings struct {
	Name           string
	MaxAmount      int64 // 0: the contract's own limit
	CardCurrencies []string
	PhoneRegions   []string
	Fees           map[string]Fee
}

// Fee is a schedule of fees.
type Fee struct {
	Rate            string
	Fixed, Min, Max int64 // Max 0: no maximum
	Rounding        checkout.Rounding
}

// Hosts returns the settings between which a program changes: the default, one with fees, and a strict one.
func Hosts() []Settings {
	eight := []string{"BJ", "BF", "CI", "GW", "ML", "NE", "SN", "TG"}
	return []Settings{
		{Name: "default", CardCurrencies: []string{"USD", "EUR", "XOF"}, PhoneRegions: eight},
		{
			Name:           "charging",
			CardCurrencies: []string{"USD", "EUR", "GBP"},
			PhoneRegions:   append(eight, "FR"),
			Fees: map[string]Fee{
				"XOF": {Rate: "0.005"},
				"USD": {Rate: "0.029", Fixed: 30, Rounding: checkout.RoundHalfUp},
				"EUR": {Rate: "0.0145", Fixed: 30, Min: 40, Max: 900, Rounding: checkout.RoundUp},
				"GBP": {Rate: "0.3335", Fixed: 90, Rounding: checkout.RoundDown},
			},
		},
		{Name: "strict", MaxAmount: 5000, CardCurrencies: []string{"USD"}, PhoneRegions: []string{"CI"}},
	}
}

// config returns the settings in the types of the code.
func (s Settings) config(clock checkout.Clock) checkout.Config {
	cfg := checkout.Config{
		Clock:          clock,
		MaxAmount:      s.MaxAmount,
		CardCurrencies: s.CardCurrencies,
		PhoneRegions:   s.PhoneRegions,
		Fees:           make(map[string]checkout.FeeSchedule),
	}
	for currency, f := range s.Fees {
		cfg.Fees[currency] = checkout.FeeSchedule{
			Rate: decimal.RequireFromString(f.Rate), Fixed: f.Fixed, Min: f.Min, Max: f.Max, Rounding: f.Rounding,
		}
	}
	return cfg
}

// fee returns the fee on an amount: the rate's part, rounded, plus Fixed, at least Min, at most Max, and never more than the amount.
func (s Settings) fee(currency string, amount int64) int64 {
	f, ok := s.Fees[currency]
	if !ok {
		return 0
	}
	rate, _ := new(big.Rat).SetString(f.Rate)
	part := rate.Mul(rate, new(big.Rat).SetInt64(amount))
	whole, rest := new(big.Int).QuoRem(part.Num(), part.Denom(), new(big.Int))
	half := new(big.Int).Lsh(rest, 1).Cmp(part.Denom()) // compares the fraction with one half
	up := false
	switch f.Rounding {
	case checkout.RoundHalfEven:
		up = half > 0 || half == 0 && whole.Bit(0) == 1
	case checkout.RoundHalfUp:
		up = half >= 0
	case checkout.RoundUp:
		up = rest.Sign() > 0
	}
	fee := whole.Int64() + f.Fixed
	if up {
		fee++
	}
	fee = max(fee, f.Min)
	if f.Max > 0 {
		fee = min(fee, f.Max)
	}
	return min(fee, amount)
}
