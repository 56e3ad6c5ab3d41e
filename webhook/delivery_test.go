package webhook_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/matryer/is"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/webhook"
)

// TestEveryChangeIsDeliveredOnceAndVerified checks which events an endpoint gets: those of its account and mode, of the types that it
// wants, from its creation on. Each is sent once, with a signature that only the secret of the endpoint verifies.
func TestEveryChangeIsDeliveredOnceAndVerified(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		h := start(t, nil, nil)
		old := h.session(merchant)
		_, err := h.checkouts.Cancel(t.Context(), merchant, old.ID) // there is no endpoint yet, so nobody gets this event
		is.NoErr(err)
		time.Sleep(2 * time.Second)
		all, some := h.endpoint(shop), h.endpoint("https://other.example/", "checkout.completed")
		h.pay(h.session(checkout.Account{ID: "acct_2"}))
		h.pay(h.session(checkout.Account{ID: "acct_1", Test: true}))
		paid, unpaid := h.session(merchant), h.session(merchant)
		h.pay(paid)

		var ids []string
		for range 60 { // unpaid expires within this hour, and Run sweeps it
			time.Sleep(time.Minute)
			for _, r := range h.receivers.of(shop)[len(ids):] { // Verify refuses what was sent more than five minutes ago
				event, err := webhook.Verify(r.body, r.header, all.Secret)
				is.NoErr(err)
				_, err = webhook.Verify(r.body, r.header, some.Secret) // some.Secret is the secret of another endpoint
				is.True(errors.Is(err, webhook.ErrNotVerified))
				ids = append(ids, r.header.Get("webhook-id"))
				is.Equal(r.header.Get("Content-Type"), "application/json")
				is.Equal(event.ID, r.header.Get("webhook-id"))
			}
		}
		slices.Sort(ids)
		id := func(s checkout.Session, n int) string { return fmt.Sprintf("evt_%s_%d", s.ID[len(s.ID)-32:], n) }
		want := []string{id(paid, 2), id(paid, 3), id(unpaid, 2)}
		slices.Sort(want)
		is.Equal(ids, want)
		is.Equal(len(h.receivers.of("https://other.example/")), 1)

		h.pay(h.session(merchant))
		time.Sleep(2 * time.Second)
		last := h.receivers.of("https://other.example/")[1]
		event, err := webhook.Verify(last.body, last.header, some.Secret)
		is.NoErr(err)
		is.Equal(event.Type, "checkout.completed")
		is.Equal(event.Sequence, int64(3))
		is.Equal(event.Livemode, true)
		is.Equal(event.Data.Amount, int64(5000))
		_, err = webhook.Verify(last.body, last.header, all.Secret)
		is.True(errors.Is(err, webhook.ErrNotVerified))

		for _, d := range h.deliveries(all) {
			is.Equal(d.State, webhook.Delivered)
			is.Equal(len(d.Attempts), 1)
			is.Equal(d.Attempts[0].StatusCode, 204)
			is.True(d.NextAttempt.IsZero())
		}
	})
}

// TestDeliveriesFollowTheirChangeWithinAMoment proves that a delivery is sent within a second, also after a time without events.
func TestDeliveriesFollowTheirChangeWithinAMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		h := start(t, nil, nil)
		h.endpoint(shop)
		for range 5 {
			time.Sleep(17 * time.Minute) // the dispatcher finds nothing to do, and polls less often
			s := h.session(merchant)
			begun := time.Now()
			h.pay(s)
			time.Sleep(2 * time.Second)
			all := h.receivers.of(shop)
			is.True(all[len(all)-1].at.Sub(begun) <= time.Second)
		}
	})
}

// TestAReceiverThatIsDownForDays checks the schedule of the ten attempts, and that five days without a success disable the endpoint. After
// the merchant has enabled it again, deliveries are sent again.
func TestAReceiverThatIsDownForDays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		h := start(t, nil, nil)
		e := h.endpoint(shop, "checkout.completed")
		h.receivers.set(status(500))
		h.pay(h.session(merchant))
		time.Sleep(4 * 24 * time.Hour)
		tries := h.receivers.of(shop)
		is.Equal(len(tries), 10) // all attempts of the schedule, and no more
		for i, wait := range webhook.Schedule() {
			took := tries[i+1].at.Sub(tries[i].at)
			if took < wait || took > wait+wait/5+time.Second {
				t.Errorf("attempt %d came %v after the previous one, want %v and up to a fifth more", i+2, took, wait)
			}
		}
		for _, again := range tries[1:] {
			is.Equal(again.header.Get("webhook-id"), tries[0].header.Get("webhook-id"))
			is.Equal(string(again.body), string(tries[0].body))
		}
		d := h.deliveries(e)[0]
		is.Equal(d.State, webhook.Failed)
		is.Equal(len(d.Attempts), 10)
		is.Equal(d.Attempts[9].Error, webhook.FaultStatus)
		is.Equal(len(h.disabledEndpoints()), 0)

		h.pay(h.session(merchant)) // some attempts of this delivery come after the five days
		time.Sleep(2 * 24 * time.Hour)
		is.Equal(h.disabledEndpoints(), []string{"acct_1 " + e.ID + " failing"})
		now, err := h.Get(t.Context(), merchant, e.ID)
		is.NoErr(err)
		is.Equal(now.Status, webhook.Disabled)
		before := len(h.receivers.of(shop))
		h.pay(h.session(merchant)) // no delivery is planned for a disabled endpoint
		time.Sleep(24 * time.Hour)
		is.Equal(len(h.receivers.of(shop)), before)

		h.receivers.set(nil) // the receiver works again, and the merchant enables the endpoint
		_, err = h.Update(t.Context(), merchant, e.ID, webhook.EndpointChange{Status: new(webhook.Active)})
		is.NoErr(err)
		h.pay(h.session(merchant))
		time.Sleep(2 * time.Second)
		is.Equal(len(h.receivers.of(shop)), before+2) // the second delivery, which was still pending, and the new one
		is.NoErr(h.Retry(t.Context(), merchant, e.ID, d.ID))
		time.Sleep(2 * time.Second)
		is.Equal(len(h.receivers.of(shop)), before+3)
		is.True(!strings.Contains(h.logged(), "whsec_") && !strings.Contains(h.logged(), "shop.example"))
	})
}

// TestAnEndpointThatIsGoneIsDisabledAtOnce proves that one 410 disables an endpoint, and that the merchant can still send it a test, which
// is tried once.
func TestAnEndpointThatIsGoneIsDisabledAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		h := start(t, nil, nil)
		e := h.endpoint(shop)
		h.receivers.set(status(410))
		h.pay(h.session(merchant))
		time.Sleep(time.Hour)
		is.Equal(h.disabledEndpoints(), []string{"acct_1 " + e.ID + " gone"})
		is.True(len(h.receivers.of(shop)) <= 2) // both deliveries may have been sent before the first answer
		is.NoErr(h.Test(t.Context(), merchant, e.ID))
		time.Sleep(2 * time.Second)
		tests := h.receivers.of(shop)
		test := tests[len(tests)-1]
		event, err := webhook.Verify(test.body, test.header, e.Secret)
		is.NoErr(err)
		is.Equal(event.Type, "checkout.test")
		is.Equal(event.Sequence, int64(1))
		time.Sleep(24 * time.Hour)
		is.Equal(len(h.receivers.of(shop)), len(tests)) // a test that fails is not sent again
	})
}

// TestATestThatFailsDoesNotHoldUpDeliveries proves that failed tests do not count for the endpoint's health. Otherwise the dispatcher would
// send the endpoint nothing for a while.
func TestATestThatFailsDoesNotHoldUpDeliveries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		h := start(t, nil, nil)
		e := h.endpoint(shop, "checkout.completed")
		h.receivers.set(status(500))
		for range 6 { // the merchant sends tests until the receiver works
			is.NoErr(h.Test(t.Context(), merchant, e.ID))
			time.Sleep(2 * time.Second)
		}
		is.Equal(len(h.receivers.of(shop)), 6)
		h.receivers.set(nil)
		h.pay(h.session(merchant))
		time.Sleep(2 * time.Second)
		is.Equal(len(h.receivers.of(shop)), 7)
		is.Equal(h.deliveries(e)[0].State, webhook.Delivered)
	})
}

// TestAnEndpointThatHasMovedIsNotDisabledByItsOldURL proves that a 410 of the old URL does not disable an endpoint whose URL has changed
// meanwhile.
func TestAnEndpointThatHasMovedIsNotDisabledByItsOldURL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		h := start(t, nil, nil)
		e := h.endpoint(shop, "checkout.completed")
		const moved = "https://new.shop.example/hooks"
		h.receivers.set(func(r *http.Request) (*http.Response, error) {
			if r.URL.String() == moved {
				return status(204)(r)
			}
			// The merchant changes the URL while this request is under way.
			_, err := h.Update(r.Context(), merchant, e.ID, webhook.EndpointChange{URL: new(moved)})
			is.NoErr(err)
			return status(410)(r)
		})
		h.pay(h.session(merchant))
		time.Sleep(time.Minute)
		is.Equal(len(h.disabledEndpoints()), 0)
		now, err := h.Get(t.Context(), merchant, e.ID)
		is.NoErr(err)
		is.Equal(now.Status, webhook.Active)
		is.Equal(len(h.receivers.of(shop)), 1)
		is.Equal(len(h.receivers.of(moved)), 1) // the next attempt goes to the new URL
		is.Equal(h.deliveries(e)[0].State, webhook.Delivered)
	})
}

// TestRetryAfter proves that the next attempt waits at least as long as Retry-After says, in seconds or as a date, but not for more than a
// day. A value that is not valid has no effect.
func TestRetryAfter(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"1": 5 * time.Second, "3600": time.Hour, "99999999999": 24 * time.Hour, "soon": 5 * time.Second, "-1": 5 * time.Second, "": 5 * time.Second,
		"date": 2 * time.Hour,
	} {
		t.Run(text, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				h := start(t, nil, nil)
				h.endpoint(shop, "checkout.completed")
				if text == "date" {
					text = time.Now().Add(2 * time.Hour).UTC().Format(http.TimeFormat)
				}
				h.receivers.set(status(429, "Retry-After", text))
				h.pay(h.session(merchant))
				time.Sleep(2 * time.Second)
				h.receivers.set(nil)
				time.Sleep(want + want/5 + time.Hour)
				tries := h.receivers.of(shop)
				is.Equal(len(tries), 2)
				if took := tries[1].at.Sub(tries[0].at); took < want-time.Second || took > want+want/5+time.Second {
					t.Errorf("the next attempt came after %v, want %v and up to a fifth more", took, want)
				}
			})
		})
	}
}
