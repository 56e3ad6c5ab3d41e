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

// Config holds the rules that a host may set. The zero Config works: it takes any amount up to [MaxAmount], numbers of the eight
// countries that use XOF, and charges no fee.
//
// [New] checks all of it at once and reports each fault as a [*ConfigError], so a host that starts has a Config without faults.
// Nothing in it can change later: New copies what it needs.
//
//	checkout.Config{
//		Fees:      map[string]checkout.FeeSchedule{"XOF": {Rate: decimal.RequireFromString("0.005"), Min: 10}},
//		MaxAmount: 2_000_000,
//		Logger:    slog.Default(),
//	}
type Config struct {
	_ struct{} // keyed literals only

	// Clock tells the time. Tests set it, to move a session's life along without waiting. nil, or a nil ClockFunc, is the
	// system's clock.
	//
	// It decides when a session expires, so the clocks of several instances should agree to well under a second. It may step
	// backwards: no session that has ended comes back to life, because its status is stored.
	Clock Clock

	// Fees are what payments cost, by currency: an ISO 4217 code in upper case, such as "XOF". A currency that is not in the map
	// costs nothing. The fee of a session is computed when it is created and never changes, also if Fees do later.
	//
	// New refuses a code that is not of three letters in upper case, and a schedule that [FeeSchedule.Validate] refuses.
	Fees map[string]FeeSchedule

	// MaxAmount is the greatest amount of a session, in the smallest unit of its currency, whatever the currency is: 2_000_000 is
	// two million francs of XOF, and twenty thousand dollars. 0 is 9007199254740991, the greatest integer that every JSON
	// parser reads exactly (RFC 8259, section 6). Otherwise it must be [MinAmount] or more.
	//
	// Set it to what your contract with the operator allows: a mistyped zero is then refused here rather than by the operator. To
	// lower it breaks no retry of a request that was accepted before.
	MaxAmount int64

	// CardCurrencies are the ISO 4217 codes, in upper case, in which cards may be charged. nil is USD, EUR and XOF. An empty list
	// that is not nil refuses every card: set it so where you take mobile money only. Mobile money is always in XOF.
	CardCurrencies []string

	// PhoneRegions are the countries whose numbers may pay, as ISO 3166-1 alpha-2 codes in upper case. nil is the eight that use XOF:
	// BJ, BF, CI, GW, ML, NE, SN and TG. An empty list that is not nil refuses every number.
	//
	// Name only the countries that your operator serves. A payer elsewhere then learns at once that the number cannot pay, instead of
	// waiting for a prompt that never comes.
	PhoneRegions []string

	// Logger is told when sessions are created, moved and swept (Info), of late payments (Warn), and when two payments claim one
	// session (Error), which a person must look at. Phone numbers are masked. Keys, tokens, descriptions and URLs are never
	// logged. nil logs nothing.
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
