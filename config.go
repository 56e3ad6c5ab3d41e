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

// Config has the rules that a host may set. The zero Config works: it accepts any amount from [MinAmount] to [MaxAmount] and phone
// numbers of the eight countries that use XOF, and charges no fee.
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

	// Clock gives the time. nil, or a nil ClockFunc, is the system's clock. Tests set it, to move a session through its life without
	// waiting:
	//
	//	Clock: checkout.ClockFunc(func() time.Time { return now }),
	//
	// It decides when a session expires, so the clocks of several instances should agree to well under a second: run NTP. It may
	// step backwards. A session whose end is stored stays ended then. But a session that only the clock had expired, before a sweep
	// stored the expiry, can be paid again until its ExpiresAt comes again.
	Clock Clock

	// Fees are what payments cost the merchant, by currency: an ISO 4217 code in upper case, such as "XOF". A currency that is not in
	// the map costs nothing. Half a percent, but at least 10 francs:
	//
	//	Fees: map[string]checkout.FeeSchedule{"XOF": {Rate: decimal.RequireFromString("0.005"), Min: 10}},
	//
	// The fee of a session is computed when it is created, and never changes. So a new schedule applies to new sessions, and a retry
	// of an old request shows the old fee. During a deployment that changes Fees, instances charge by what they were started with.
	//
	// New refuses a key that is not a code of ISO 4217 in upper case, because nobody would ever be charged by it, and a schedule
	// that [FeeSchedule.Validate] refuses.
	Fees map[string]FeeSchedule

	// MaxAmount is the greatest amount of a session, in the smallest unit of its currency, whatever the currency is: 2_000_000 is
	// two million francs of XOF, and twenty thousand dollars. 0 is 9007199254740991, the greatest integer that every JSON
	// parser reads exactly (RFC 8259, section 6). Otherwise it must be [MinAmount] or more.
	//
	// Set it to what your contract with the operator allows. An amount with a zero too many is then refused here, with a clear
	// answer, rather than by the operator or not at all. You can lower it at any time: requests that were accepted before can still
	// be retried.
	MaxAmount int64

	// CardCurrencies are the ISO 4217 codes, in upper case, in which cards may be charged. nil is USD, EUR and XOF. Mobile money is
	// always in XOF. An empty list that is not nil refuses every card. Set it so if you take mobile money only: otherwise a merchant
	// can create card sessions that nobody will ever charge.
	//
	//	CardCurrencies: []string{}, // no cards
	//
	// New refuses a code that ISO 4217 does not have, such as "FCFA", or that is in lower case.
	CardCurrencies []string

	// PhoneRegions are the countries whose numbers may pay, as ISO 3166-1 alpha-2 codes in upper case. nil is the eight that use XOF:
	// BJ, BF, CI, GW, ML, NE, SN and TG. An empty list that is not nil refuses every number.
	//
	// Name only the countries that your operator serves. A payer elsewhere then learns at once that the number cannot pay, instead of
	// waiting for a prompt that never comes:
	//
	//	PhoneRegions: []string{"CI", "SN"},
	//
	// New refuses a code that no country has. A country outside the eight is allowed, for an operator that serves it; the payment
	// is in XOF all the same.
	PhoneRegions []string

	// Logger gets a line when a session is created or changed, when sessions were swept, and for a report about a payment that is not
	// the session's (Info), for a late payment (Warn), and when two payments claim one session (Error). A person must look at each
	// Error, since a payer may have paid twice. Phone numbers are masked. Keys, tokens, descriptions, metadata and URLs are never
	// logged. nil logs nothing.
	//
	// At level Info a busy host gets several lines for each payment. Raise the level of your handler to Warn if that is too much.
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

// settings fills in the defaults, copies the maps and slices, so that the host cannot change them later, and checks everything.
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

// validate returns all faults, in an order that does not change from run to run.
func (s settings) validate() error {
	var errs []error
	fault := func(field, reason string) {
		errs = append(errs, &ConfigError{Field: "Config." + field, Reason: reason})
	}
	for _, code := range slices.Sorted(maps.Keys(s.fees)) {
		field := fmt.Sprintf("Fees[%q]", code)
		if !isCurrency(code) {
			fault(field, "must have an ISO 4217 code in upper case as its key")
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
