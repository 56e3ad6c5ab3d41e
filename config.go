package checkout

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/nyaruka/phonenumbers"
)

// Config is what a host may settle. The zero Config works.
type Config struct {
	_ struct{} // keyed literals only

	// Clock tells the time; nil, or a nil ClockFunc, is the system's.
	Clock Clock
	// Fees are charged by currency, an ISO 4217 code in upper case. A currency that is not here costs nothing.
	Fees map[string]FeeSchedule
	// MaxAmount is the greatest amount of a session in the smallest unit, whatever the currency; 0 is
	// 9007199254740991. A smaller one breaks no retry of what was accepted before.
	MaxAmount int64
	// CardCurrencies are the ISO 4217 codes, in upper case, in which cards may be charged; nil is USD, EUR and XOF.
	// An empty list refuses every card.
	CardCurrencies []string
	// PhoneRegions are the countries, as ISO 3166-1 alpha-2 codes in upper case, whose numbers may pay; nil is the
	// eight that use XOF: BJ, BF, CI, GW, ML, NE, SN and TG. An empty list refuses every number.
	PhoneRegions []string
	// Logger hears of sessions created, moved and swept (Info), of late payments (Warn) and of payments that conflict
	// (Error). Phone numbers are masked; keys, descriptions and URLs never appear. nil is silent.
	Logger *slog.Logger
}

// settings is a Config that was checked, with its defaults filled in and nothing shared with the host.
type settings struct {
	clock          Clock
	fees           map[string]FeeSchedule
	maxAmount      int64
	cardCurrencies []string
	phoneRegions   []string
	log            *slog.Logger
}

func (cfg Config) settings() (settings, error) {
	s := settings{
		clock:          cfg.Clock,
		fees:           maps.Clone(cfg.Fees),
		maxAmount:      cfg.MaxAmount,
		cardCurrencies: slices.Clone(cfg.CardCurrencies),
		phoneRegions:   slices.Clone(cfg.PhoneRegions),
		log:            cfg.Logger,
	}
	for code, fee := range s.fees {
		s.fees[code] = fee.trimmed()
	}
	if f, ok := s.clock.(ClockFunc); s.clock == nil || ok && f == nil {
		s.clock = ClockFunc(time.Now)
	}
	if s.maxAmount == 0 {
		s.maxAmount = MaxAmount
	}
	if cfg.CardCurrencies == nil {
		s.cardCurrencies = []string{"USD", "EUR", currencyXOF}
	}
	if cfg.PhoneRegions == nil {
		s.phoneRegions = []string{"BJ", "BF", "CI", "GW", "ML", "NE", "SN", "TG"}
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	return s, s.validate()
}

func (s settings) validate() error {
	var errs []error
	fault := func(field, reason string) {
		errs = append(errs, &ConfigError{Field: "Config." + field, Reason: reason})
	}
	for _, code := range slices.Sorted(maps.Keys(s.fees)) {
		field := fmt.Sprintf("Fees[%q]", code)
		if !isCurrency(code) {
			fault(field, "is not for an ISO 4217 code in upper case")
		}
		if err := s.fees[code].validate("Config." + field); err != nil {
			errs = append(errs, err)
		}
	}
	if s.maxAmount < MinAmount || s.maxAmount > MaxAmount {
		fault("MaxAmount", fmt.Sprintf("must be 0, or %d to %d", MinAmount, int64(MaxAmount)))
	}
	for i, code := range s.cardCurrencies {
		if !isCurrency(code) {
			fault(fmt.Sprintf("CardCurrencies[%d]", i), "must be an ISO 4217 code in upper case")
		}
	}
	supported := phonenumbers.GetSupportedRegions()
	for i, region := range s.phoneRegions {
		if !supported[region] {
			fault(fmt.Sprintf("PhoneRegions[%d]", i), "must be an ISO 3166-1 alpha-2 code in upper case")
		}
	}
	return errors.Join(errs...)
}
