package checkout_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caisse/checkout"
	"github.com/google/uuid"
	"github.com/matryer/is"
)

// keyHeader returns a header with a new idempotency key.
func keyHeader() string { return "Idempotency-Key: " + uuid.NewString() }

func TestSameKeySameRequestIsReplayed(t *testing.T) {
	eachStore(t, func(t *testing.T, store checkout.Store) {
		a := newAPI(t, store)
		for _, dialect := range []struct {
			name, first string
			same        []string
		}{
			{"mobile money", with(t, mobileMoney, "description", `"Attiéké"`), []string{
				`{"user_phone":"+22507987654","description":"Attiéké","currency":"XOF","amount":5000}`,
				`{"user_phone": "+225 07 98-76.54", "description": "Atti\u00e9k\u00e9", "currency": "\u0058OF", "amount": 5000.0}`,
				`{"amount": 5e3, "currency": "XOF", "user_phone": "+22507987654", "description": "Attiéké", "expires_in": 1800}`,
				`{"amount": 5000, "currency": "XOF", "user_phone": "+22507987654", "description": "Attiéké", "payment_method": "mobile_money"}`,
				`{"amount": 5000, "currency": "XOF", "user_phone": "+22507987654", "description": "Attiéké", "payment_method": null, "expires_in": 1.8e3}`,
			}},
			{"card", card, []string{
				with(t, card, "currency", `"USD"`), with(t, card, "amount", `1e3`), with(t, card, "expires_in", `1800`, "description", `""`),
			}},
		} {
			t.Run(dialect.name, func(t *testing.T) {
				is := is.New(t)
				key := keyHeader()
				first := a.post(dialect.first, key)
				is.Equal(first.status, 201)
				is.Equal(first.header.Get("Idempotent-Replayed"), "")
				is.Equal(first.header.Get("Location"), "/v1/checkouts/"+first.id())
				for _, body := range append(dialect.same, dialect.first) {
					got := a.post(body, key)
					is.Equal(got.status, 200)
					is.Equal(got.raw, first.raw)
					is.Equal(got.header.Get("Idempotent-Replayed"), "true")
					is.Equal(got.header.Get("Location"), "/v1/checkouts/"+first.id())
				}
			})
		}
	})
}

func TestSameKeyOtherRequestIsRefused(t *testing.T) {
	eachStore(t, func(t *testing.T, store checkout.Store) {
		a := newAPI(t, store)
		for _, test := range []struct {
			name, first string
			members     []string
			differ      []string
		}{
			{"amount", mobileMoney, []string{"amount", `5001`}, []string{"amount"}},
			{"description", mobileMoney, []string{"description", `"x"`}, []string{"description"}},
			{"expires_in", mobileMoney, []string{"expires_in", `1801`}, []string{"expires_in"}},
			{"success_url", mobileMoney, []string{"success_url", `"https://example.com"`}, []string{"success_url"}},
			{"cancel_url", card, []string{"cancel_url", `"https://example.com/other"`}, []string{"cancel_url"}},
			{"a phone in its old and in its new form", mobileMoney, []string{"user_phone", `"+2250707987654"`}, []string{"user_phone"}},
			{"a card's currency", card, []string{"currency", `"eur"`}, []string{"currency"}},
			{"a card's phone", card, []string{"user_phone", `"+22507987654"`}, []string{"user_phone"}},
			{"several members", mobileMoney, []string{"amount", `100`, "user_phone", `"+221771234567"`, "description", `"secret-canary"`}, []string{"amount", "user_phone", "description"}},
			{"the payment method and its URLs", mobileMoney, []string{"payment_method", `"card"`, "success_url", `"https://example.com/s"`, "cancel_url", `"https://example.com/c"`}, []string{"payment_method", "success_url", "cancel_url"}},
		} {
			t.Run("names "+test.name, func(t *testing.T) {
				is := is.New(t)
				key := keyHeader()
				first := a.post(test.first, key)
				is.Equal(first.status, 201)
				got := a.post(with(t, test.first, test.members...), key)
				is.Equal(got.status, 422)
				is.Equal(got.code(), "idempotency_key_reused")
				want := make([]string, len(test.differ))
				for i, name := range test.differ {
					want[i] = "#/" + name + " differs"
				}
				is.Equal(got.faults(), want)
				problem := strings.ReplaceAll(got.raw, got.header.Get("Request-Id"), "") // the random Request-Id may contain such digits
				for i := 1; i < len(test.members); i += 2 {                              // the problem has no value of the request
					is.True(!strings.Contains(problem, strings.Trim(test.members[i], `"`)))
				}
				is.True(!strings.Contains(problem, "22507987654"))

				is.Equal(a.post(test.first, key).raw, first.raw) // the first request is still replayed, unchanged
			})
		}
	})
}

// A Go call may name a payment, and Begin may later begin another one. A retry is compared with the payment of the first request, not
// with the payment that the session has at the time of the retry.
func TestKeyReuseInProcess(t *testing.T) {
	a := newAPI(t, openSQLite(t))
	for _, test := range []struct {
		name          string
		first, second func(*checkout.CreateParams)
		between       func(checkout.Session)
		differ        []string // nil: the same request
	}{
		{name: "the same payment", first: func(p *checkout.CreateParams) { p.PaymentID = "A" }, second: func(p *checkout.CreateParams) { p.PaymentID = "A" }},
		{name: "another payment", first: func(p *checkout.CreateParams) { p.PaymentID = "A" }, second: func(p *checkout.CreateParams) { p.PaymentID = "B" }, differ: []string{"payment_id"}},
		{name: "a payment first and none later", first: func(p *checkout.CreateParams) { p.PaymentID = "A" }, second: func(p *checkout.CreateParams) {}, differ: []string{"payment_id"}},
		{name: "another customer", first: func(p *checkout.CreateParams) { p.CustomerID = "A" }, second: func(p *checkout.CreateParams) { p.CustomerID = "B" }, differ: []string{"customer_id"}},
		{name: "another amount, without the payment and the customer", first: func(p *checkout.CreateParams) { p.CustomerID, p.PaymentID = "A", "A" }, second: func(p *checkout.CreateParams) { p.Amount = 6000 }, differ: []string{"amount", "payment_id", "customer_id"}},
		{name: "the same request after the payment has begun", between: func(s checkout.Session) { a.Begin(t.Context(), live, s.ID, "P") }},
		{name: "another amount after the payment has begun", between: func(s checkout.Session) { a.Begin(t.Context(), live, s.ID, "P") },
			second: func(p *checkout.CreateParams) { p.Amount = 6000 }, differ: []string{"amount"}},
		{name: "the payment that has begun, if the first request named none", between: func(s checkout.Session) { a.Begin(t.Context(), live, s.ID, "P") },
			second: func(p *checkout.CreateParams) { p.PaymentID = "P" }, differ: []string{"payment_id"}},
		{name: "the first payment after another has begun", first: func(p *checkout.CreateParams) { p.PaymentID = "A" }, second: func(p *checkout.CreateParams) { p.PaymentID = "A" },
			between: func(s checkout.Session) { a.Begin(t.Context(), live, s.ID, "P") }},
		{name: "a third payment after another has begun", first: func(p *checkout.CreateParams) { p.PaymentID = "A" }, second: func(p *checkout.CreateParams) { p.PaymentID = "C" },
			between: func(s checkout.Session) { a.Begin(t.Context(), live, s.ID, "P") }, differ: []string{"payment_id"}},
		{name: "the same card request, whose customer was generated", first: asCard, second: asCard},
		{name: "another amount of a card request, whose customer was generated", first: asCard, second: func(p *checkout.CreateParams) { asCard(p); p.Amount = 6000 }, differ: []string{"amount"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			is := is.New(t)
			p := params(live, uuid.NewString())
			q := p
			if test.first != nil {
				test.first(&p)
			}
			if test.second != nil {
				test.second(&q)
			}
			s, _, err := a.Create(t.Context(), p)
			is.NoErr(err)
			if test.between != nil {
				test.between(s)
			}
			again, replayed, err := a.Create(t.Context(), q)
			if test.differ == nil {
				is.NoErr(err)
				is.True(replayed)
				is.Equal(again.ID, s.ID)
				return
			}
			var reused *checkout.KeyReusedError
			is.True(asError(err, &reused))
			is.Equal(reused.SessionID, s.ID)
			is.Equal(reused.Fields, test.differ)
		})
	}
}

// asCard makes the request a card payment in USD.
func asCard(p *checkout.CreateParams) {
	p.PaymentMethod, p.Currency = checkout.Card, "usd"
	p.SuccessURL, p.CancelURL = "https://example.com/s", "https://example.com/c"
}

func TestReplayAnswersTheSessionAsItIsNow(t *testing.T) {
	eachStore(t, func(t *testing.T, store checkout.Store) {
		is := is.New(t)
		a := newAPI(t, store)
		key := keyHeader()
		first := a.post(mobileMoney, key)
		_, err := a.Complete(t.Context(), live, first.id(), "PAY_1")
		is.NoErr(err)
		got := a.post(mobileMoney, key)
		is.Equal(got.status, 200)
		is.Equal(got.body["status"], "completed")
		is.Equal(got.body["payment_id"], "PAY_1")

		key = keyHeader()
		is.Equal(a.post(mobileMoney, key).body["status"], "created")
		a.clock.Advance(30 * time.Minute)
		is.Equal(a.post(mobileMoney, key).body["status"], "expired")
	})
}

// If the host tightens its limits, it must still replay the requests that it accepted before.
func TestReplayOutlivesTheHostsLimits(t *testing.T) {
	eachStore(t, func(t *testing.T, store checkout.Store) {
		is := is.New(t)
		before := newAPI(t, store)
		mobileKey, cardKey := keyHeader(), keyHeader()
		is.Equal(before.post(mobileMoney, mobileKey).status, 201)
		is.Equal(before.post(card, cardKey).status, 201)

		after := newAPIWith(t, store, checkout.Config{MaxAmount: 200, CardCurrencies: []string{"EUR"}, PhoneRegions: []string{"SN"}}, checkout.HandlerConfig{})
		is.Equal(after.post(mobileMoney).faults(), []string{"#/amount out_of_range", "#/user_phone unsupported"})
		is.Equal(after.post(card).faults(), []string{"#/amount out_of_range", "#/currency unsupported"})
		is.Equal(after.post(mobileMoney, mobileKey).status, 200)
		is.Equal(after.post(card, cardKey).status, 200)
		is.Equal(after.post(with(t, mobileMoney, "amount", "5001"), mobileKey).status, 422)
	})
}

func TestReplayWritesNothing(t *testing.T) {
	eachStore(t, func(t *testing.T, store checkout.Store) {
		is := is.New(t)
		a := newAPI(t, store)
		key := uuid.NewString()
		s := a.mustCreate(live, key)
		before, err := store.Get(t.Context(), live, s.ID)
		is.NoErr(err)
		a.clock.Advance(time.Hour) // the replay shows the session as expired, but only ExpireDue writes that
		again, replayed, err := a.Create(t.Context(), params(live, key))
		is.NoErr(err)
		is.True(replayed)
		is.Equal(again.Status, checkout.StatusExpired)
		after, err := store.Get(t.Context(), live, s.ID)
		is.NoErr(err)
		is.Equal(after, before)
		page, err := a.List(t.Context(), live, checkout.Query{})
		is.NoErr(err)
		is.Equal(page.Total, 1)
	})
}

func TestKeysOfAccountsAndModesAreStrangers(t *testing.T) {
	eachStore(t, func(t *testing.T, store checkout.Store) {
		is := is.New(t)
		a := newAPI(t, store)
		key := keyHeader()
		ids := map[string]bool{}
		for _, token := range []string{liveToken, testToken, otherToken} {
			got := a.post(mobileMoney, key, "Authorization: Bearer "+token)
			is.Equal(got.status, 201)
			ids[got.id()] = true
		}
		is.Equal(len(ids), 3)
	})
}

func TestManyAtOnceWithOneKeyMakeOneSession(t *testing.T) {
	eachStore(t, func(t *testing.T, store checkout.Store) {
		is := is.New(t)
		a := newAPI(t, store)
		const callers = 100
		key := keyHeader()
		got := make([]response, callers)
		var wg sync.WaitGroup
		for i := range callers {
			wg.Go(func() { got[i] = a.post(mobileMoney, key) })
		}
		wg.Wait()
		statuses, bodies := map[int]int{}, map[string]bool{}
		for _, r := range got {
			statuses[r.status]++
			bodies[r.raw] = true
		}
		is.Equal(statuses, map[int]int{201: 1, 200: callers - 1})
		is.Equal(len(bodies), 1)
	})
}

func TestSessionShape(t *testing.T) {
	eachStore(t, func(t *testing.T, store checkout.Store) {
		a := newAPI(t, store)
		id := func(body string, headers ...string) string { return a.post(body, headers...).id() }
		t.Run("an ID has a prefix for the mode or the country, then a UUIDv7 without hyphens", func(t *testing.T) {
			is := is.New(t)
			for want, got := range map[string]string{
				"cs_ci_":   id(mobileMoney),
				"cs_sn_":   id(with(t, mobileMoney, "user_phone", `"+221771234567"`)),
				"cs_live_": id(card),
				"cs_test_": id(card, "Authorization: Bearer "+testToken),
			} {
				hex, ok := strings.CutPrefix(got, want)
				is.True(ok)
				is.Equal(len(hex), 32)
				parsed, err := uuid.Parse(hex)
				is.NoErr(err)
				is.Equal(parsed.Version(), uuid.Version(7))
				is.Equal(hex, strings.ToLower(hex))
			}
			is.True(strings.HasPrefix(id(mobileMoney, "Authorization: Bearer "+testToken), "cs_test_"))
			is.True(strings.HasPrefix(id(with(t, card, "user_phone", `"+22507987654"`)), "cs_ci_"))
		})
		t.Run("times are in UTC and truncated to microseconds", func(t *testing.T) {
			is := is.New(t)
			for at, want := range map[time.Time]string{
				time.Date(2026, 1, 2, 3, 4, 5, 123456789, time.FixedZone("", 3600)): "2026-01-02T02:04:05.123456Z",
				time.Date(2026, 1, 2, 3, 4, 5, 500000000, time.UTC):                 "2026-01-02T03:04:05.5Z",
				time.Date(2026, 1, 2, 3, 4, 5, 999, time.UTC):                       "2026-01-02T03:04:05Z",
			} {
				a.clock.Set(at)
				created := a.post(mobileMoney)
				is.Equal(created.body["created_at"], want)
				is.Equal(a.get("/v1/checkouts/"+created.id()).raw, created.raw)
			}
		})
		t.Run("shows exactly the members of the contract", func(t *testing.T) {
			is := is.New(t)
			got := a.post(mobileMoney)
			is.Equal(memberNames(got.body), "amount completed_at created_at currency expires_at failure_reason id status transaction_fee user_phone")
			got = a.post(with(t, card, "user_phone", `"+22507987654"`, "description", `"x"`))
			is.Equal(memberNames(got.body), "amount cancel_url completed_at created_at currency customer_id description expires_at failure_reason id payment_method status success_url transaction_fee user_phone")
		})
	})
}

func TestExpiryOnTheWire(t *testing.T) {
	eachStore(t, func(t *testing.T, store checkout.Store) {
		a := newAPI(t, store)
		created := a.post(mobileMoney)
		expires := a.clock.Now().Add(30 * time.Minute)
		for _, test := range []struct {
			offset time.Duration
			status string
		}{{-1, "created"}, {0, "expired"}, {1, "expired"}} {
			t.Run(fmt.Sprintf("%d ns from expires_at", test.offset), func(t *testing.T) {
				is := is.New(t)
				a.clock.Set(expires.Add(test.offset))
				is.Equal(a.get("/v1/checkouts/" + created.id()).body["status"], test.status)
				for _, status := range []string{"created", "expired"} {
					want := 0.0
					if status == test.status {
						want = 1
					}
					is.Equal(a.get("/v1/checkouts?status=" + status).body["total_count"], want)
				}
				if test.status == "expired" {
					is.Equal(a.do(http.MethodPost, "/v1/checkouts/"+created.id()+"/cancel", "").status, 409)
				}
			})
		}
	})
}
