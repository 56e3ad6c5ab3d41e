package checkout_test

import (
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/idempotency"
	"github.com/caisse/checkout/store/memory"
	"github.com/matryer/is"
)

// configFaults returns the reason of each ConfigError that err joins, by field.
func configFaults(err error) map[string]string {
	faults := map[string]string{}
	var walk func(error)
	walk = func(err error) {
		if list, ok := err.(interface{ Unwrap() []error }); ok {
			for _, e := range list.Unwrap() {
				walk(e)
			}
		} else if fault, ok := err.(*checkout.ConfigError); ok {
			faults[fault.Field] = fault.Reason
		}
	}
	walk(err)
	return faults
}

func TestConfigReportsEveryFaultAtOnce(t *testing.T) {
	is := is.New(t)
	_, err := checkout.New(nil, checkout.Config{
		MaxAmount:      checkout.MaxAmount + 1,
		CardCurrencies: []string{"USD", "usd", "ZZZ"},
		PhoneRegions:   []string{"CI", "ci", "XX"},
		Fees:           map[string]checkout.FeeSchedule{"xof": {}, "XOF": {Fixed: -1, Min: 2, Max: 1}},
	})
	got := configFaults(err)
	for _, field := range []string{"Store", "Config.MaxAmount", "Config.CardCurrencies[1]", "Config.CardCurrencies[2]",
		"Config.PhoneRegions[1]", "Config.PhoneRegions[2]", `Config.Fees["xof"]`, `Config.Fees["XOF"].Fixed`, `Config.Fees["XOF"].Min`} {
		is.True(got[field] != "")
	}
	is.Equal(len(got), 9)
	_, err = checkout.New(memory.New(), checkout.Config{MaxAmount: 99})
	is.Equal(len(configFaults(err)), 1)
}

// List one of ISO 4217 has the currencies in use. New must refuse currencies that were withdrawn, and codes of metals and tests.
func TestCurrenciesAreThoseOfListOne(t *testing.T) {
	for code, listed := range map[string]bool{
		"XOF": true, "USD": true, "SLE": true, "MRU": true, "VES": true, "XCG": true, "ZWG": true, // including recent ones
		"DEM": false, "HRK": false, "BGN": false, "XXX": false, "XTS": false, "XAU": false, "ZZZ": false, "usd": false, "US": false, "": false, "D A": false, "AED AFN": false,
	} {
		_, err := checkout.New(memory.New(), checkout.Config{CardCurrencies: []string{code}})
		if (err == nil) != listed {
			t.Errorf("currency %q: got error %v, but want listed=%v", code, err, listed)
		}
	}
}

func TestHandlerConfigReportsEveryFaultAtOnce(t *testing.T) {
	is := is.New(t)
	_, err := checkout.NewHandler(nil, nil, checkout.HandlerConfig{BasePath: "pay", MaxBodyBytes: -1, MaxInFlight: -1})
	is.Equal(len(configFaults(err)), 5)
	_, err = checkout.NewHandler(&checkout.Checkouts{}, checkout.AuthenticatorFunc(nil), checkout.HandlerConfig{MaxBodyBytes: math.MaxInt64})
	is.Equal(len(configFaults(err)), 3)
	for _, path := range []string{"/", "/pay/", "pay", "//pay", "/pay?x=1", "/pay#x", "/a b", "https://example.com"} {
		a := newAPI(t, memory.New())
		_, err := checkout.NewHandler(a.Checkouts, checkout.AuthenticatorFunc(func(*http.Request) (checkout.Account, error) { return live, nil }), checkout.HandlerConfig{BasePath: path})
		is.Equal(len(configFaults(err)), 1)
	}
}

func TestBearerTokensReportEveryFaultAndNoToken(t *testing.T) {
	is := is.New(t)
	_, err := checkout.BearerTokens(nil)
	is.True(err != nil)
	_, err = checkout.BearerTokens(map[string]checkout.Account{"": {ID: "a"}, "two words": {ID: "b"}, "CANARY": {}})
	is.True(err != nil)
	is.Equal(strings.Count(err.Error(), "\n"), 2)
	is.True(!strings.Contains(err.Error(), "CANARY"))
	is.True(!strings.Contains(err.Error(), "two words"))
}

// New must copy the maps and slices of Config. Otherwise a host that changes them later would change the rules for requests.
func TestNewCopiesTheConfiguration(t *testing.T) {
	is := is.New(t)
	fees := map[string]checkout.FeeSchedule{"XOF": {Fixed: 10}}
	regions, currencies := []string{"CI"}, []string{"USD"}
	a := newAPIWith(t, memory.New(), checkout.Config{Fees: fees, PhoneRegions: regions, CardCurrencies: currencies}, checkout.HandlerConfig{})
	fees["XOF"], regions[0], currencies[0] = checkout.FeeSchedule{Fixed: 99}, "SN", "EUR"
	is.Equal(a.post(mobileMoney).body["transaction_fee"], 10.0)
	is.Equal(a.post(card).status, 201)
}

func TestZeroConfigWorks(t *testing.T) {
	is := is.New(t)
	checkouts, err := checkout.New(memory.New(), checkout.Config{})
	is.NoErr(err)
	before := time.Now().Truncate(time.Microsecond)
	s, replayed, err := checkouts.Create(t.Context(), params(live, ""))
	is.NoErr(err)
	is.True(!replayed)
	is.Equal(s.TransactionFee, int64(0))
	is.True(!s.CreatedAt.Before(before) && !s.CreatedAt.After(time.Now())) // by the system's clock
	is.Equal(s.ExpiresAt.Sub(s.CreatedAt), 30*time.Minute)
	is.Equal(s.Version, int64(1))
}

func TestHostsLimits(t *testing.T) {
	is := is.New(t)
	a := newAPIWith(t, memory.New(), checkout.Config{MaxAmount: 5000, CardCurrencies: []string{"GBP"}, PhoneRegions: []string{"FR"}}, checkout.HandlerConfig{})
	french := with(t, mobileMoney, "user_phone", `"+33 6 12 34 56 78"`)
	got := a.post(french)
	is.Equal(got.status, 201)
	is.True(strings.HasPrefix(got.id(), "cs_fr_"))
	is.Equal(a.post(with(t, french, "amount", "5001")).faults(), []string{"#/amount out_of_range"})
	is.Equal(a.post(mobileMoney).faults(), []string{"#/user_phone unsupported"})
	is.Equal(a.post(card).faults(), []string{"#/currency unsupported"})
	is.Equal(a.post(with(t, card, "currency", `"gbp"`)).status, 201)

	none := newAPIWith(t, memory.New(), checkout.Config{CardCurrencies: []string{}, PhoneRegions: []string{}}, checkout.HandlerConfig{})
	is.Equal(none.post(card).faults(), []string{"#/currency unsupported"})
	is.Equal(none.post(mobileMoney).faults(), []string{"#/user_phone unsupported"})
}

func TestGoRefusesWhatTheWireRefuses(t *testing.T) {
	a := newAPI(t, memory.New())
	for name, test := range map[string]struct {
		set  func(*checkout.CreateParams)
		want string
	}{
		"no account":                               {func(p *checkout.CreateParams) { p.Account.ID = "" }, "account missing"},
		"an account ID too long":                   {func(p *checkout.CreateParams) { p.Account.ID = strings.Repeat("a", 256) }, "account too_long"},
		"no amount":                                {func(p *checkout.CreateParams) { p.Amount = 0 }, "amount out_of_range"},
		"an amount above 2^53-1":                   {func(p *checkout.CreateParams) { p.Amount = checkout.MaxAmount + 1 }, "amount out_of_range"},
		"no currency":                              {func(p *checkout.CreateParams) { p.Currency = "" }, "currency missing"},
		"no phone":                                 {func(p *checkout.CreateParams) { p.UserPhone = "" }, "user_phone missing"},
		"an unknown payment method":                {func(p *checkout.CreateParams) { p.PaymentMethod = "cash" }, "payment_method unsupported"},
		"invalid UTF-8":                            {func(p *checkout.CreateParams) { p.Description = "\xff" }, "description malformed"},
		"U+0000":                                   {func(p *checkout.CreateParams) { p.PaymentID = "\x00" }, "payment_id malformed"},
		"a payment ID too long":                    {func(p *checkout.CreateParams) { p.PaymentID = strings.Repeat("é", 256) }, "payment_id too_long"},
		"a customer ID too long":                   {func(p *checkout.CreateParams) { p.CustomerID = strings.Repeat("é", 256) }, "customer_id too_long"},
		"a lifetime of an hour and a nanosecond":   {func(p *checkout.CreateParams) { p.ExpiresIn = time.Hour + 1 }, "expires_in wrong_type"},
		"a lifetime half a second below the range": {func(p *checkout.CreateParams) { p.ExpiresIn = 300*time.Second - 500*time.Millisecond }, "expires_in out_of_range"},
		"a lifetime half a second above the range": {func(p *checkout.CreateParams) { p.ExpiresIn = 86400*time.Second + 500*time.Millisecond }, "expires_in out_of_range"},
		"a lifetime of an hour and a millisecond":  {func(p *checkout.CreateParams) { p.ExpiresIn = time.Hour + time.Millisecond }, "expires_in wrong_type"},
		"a negative lifetime":                      {func(p *checkout.CreateParams) { p.ExpiresIn = -time.Hour }, "expires_in out_of_range"},
		"a key with a comma":                       {func(p *checkout.CreateParams) { p.IdempotencyKey = "a,b" }, "idempotency_key malformed"},
		"a key too long":                           {func(p *checkout.CreateParams) { p.IdempotencyKey = idempotency.Key(strings.Repeat("a", 1001)) }, "idempotency_key malformed"},
		"the nil UUID as a key":                    {func(p *checkout.CreateParams) { p.IdempotencyKey = "00000000-0000-0000-0000-000000000000" }, "idempotency_key malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			is := is.New(t)
			p := params(live, "")
			test.set(&p)
			_, _, err := a.Create(t.Context(), p)
			var invalid *checkout.ValidationError
			is.True(asError(err, &invalid))
			is.Equal(len(invalid.Fields), 1)
			is.Equal(invalid.Fields[0].Field+" "+invalid.Fields[0].Code, test.want)
		})
	}
	for name, q := range map[string]checkout.Query{
		"a limit of 101":        {Limit: 101},
		"a negative limit":      {Limit: -1},
		"a negative offset":     {Offset: -1},
		"an unknown status":     {Status: "paid"},
		"a payment ID too long": {PaymentID: strings.Repeat("a", 256)},
	} {
		t.Run(name, func(t *testing.T) {
			is := is.New(t)
			_, err := a.List(t.Context(), live, q)
			var invalid *checkout.ValidationError
			is.True(asError(err, &invalid))
		})
	}
	t.Run("a list without an account", func(t *testing.T) {
		_, err := a.List(t.Context(), checkout.Account{}, checkout.Query{})
		var invalid *checkout.ValidationError
		is.New(t).True(asError(err, &invalid))
	})
}

func TestListByPayment(t *testing.T) {
	eachStore(t, func(t *testing.T, store checkout.Store) {
		is := is.New(t)
		a := newAPI(t, store)
		s := a.mustCreate(live, "")
		a.mustCreate(live, "")
		_, err := a.Begin(t.Context(), live, s.ID, "PAY_1")
		is.NoErr(err)
		page, err := a.List(t.Context(), live, checkout.Query{PaymentID: "PAY_1"})
		is.NoErr(err)
		is.Equal(page.Total, 1)
		is.Equal(page.Sessions[0].ID, s.ID)
		is.Equal(page.Sessions[0].Phone().Dialable, "+2250707987654")
	})
}

func TestCreateWithoutAKeyIsNotDeduplicated(t *testing.T) {
	eachStore(t, func(t *testing.T, store checkout.Store) {
		a := newAPI(t, store)
		first, second := a.mustCreate(live, ""), a.mustCreate(live, "")
		is.New(t).True(first.ID != second.ID)
	})
}
