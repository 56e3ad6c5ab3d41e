package webhook_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/matryer/is"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/store/memory"
	"github.com/caisse/checkout/webhook"
)

// TestEndpointsThatHangHoldUpNobody proves that deliveries to other endpoints arrive within a second, while 15 endpoints of one merchant
// do not answer at all.
func TestEndpointsThatHangHoldUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		h := start(t, func(c *webhook.Config) { c.Concurrency = 16 }, nil)
		const hanging, others = 15, 20
		for n := range hanging { // four deliveries each would need 60 places, and there are 16
			h.endpoint(fmt.Sprintf("%s/%d", shop, n))
		}
		for n := range others {
			h.endpointOf(checkout.Account{ID: fmt.Sprint("acct_other_", n)}, fmt.Sprintf("https://other%d.example/", n))
		}
		h.receivers.set(func(r *http.Request) (*http.Response, error) {
			if r.URL.Host == "shop.example" {
				<-r.Context().Done() // until the request times out
				return nil, r.Context().Err()
			}
			return status(200)(r)
		})
		for range 50 {
			h.pay(h.session(merchant))
		}
		time.Sleep(2 * time.Second)
		for round := range 20 {
			begun := time.Now()
			for n := range others {
				h.pay(h.session(checkout.Account{ID: fmt.Sprint("acct_other_", n)}))
			}
			time.Sleep(2 * time.Second)
			for n := range others {
				all := h.receivers.of(fmt.Sprintf("https://other%d.example/", n))
				is.Equal(len(all), 2*(round+1))
				is.True(all[len(all)-1].at.Sub(begun) < time.Second)
			}
		}
		for n := range hanging {
			// At most four requests at once, each for 15 seconds, and the pauses between them grow.
			is.True(len(h.receivers.of(fmt.Sprintf("%s/%d", shop, n))) <= 4*4)
		}
	})
}

// endpointOf makes an endpoint of any account, for all events.
func (h *host) endpointOf(a checkout.Account, url string) {
	h.t.Helper()
	_, err := h.Create(h.t.Context(), a, webhook.EndpointParams{URL: url})
	is.New(h.t).NoErr(err)
}

// unsettledStore is a store whose Settle fails once fail is set. Then a dispatcher cannot store the results of its requests, just as if it
// had been killed before it could.
type unsettledStore struct {
	webhook.Store
	mu   sync.Mutex
	fail bool
}

func (u *unsettledStore) Settle(ctx context.Context, results []webhook.Settlement) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.fail {
		return checkout.ErrUnavailable
	}
	return u.Store.Settle(ctx, results)
}

// TestADispatcherThatIsKilledLosesNothing proves that another dispatcher sends again the deliveries whose results the first one could not
// store, and no others.
func TestADispatcherThatIsKilledLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		store := new(unsettledStore)
		h := start(t, nil, func(s webhook.Store) webhook.Store { store.Store = s; return store })
		e := h.endpoint(shop)
		h.pay(h.session(merchant))
		time.Sleep(2 * time.Second)
		store.mu.Lock()
		store.fail = true
		store.mu.Unlock()
		unsettled := h.session(merchant)
		h.pay(unsettled)
		time.Sleep(2 * time.Second)
		is.Equal(len(h.receivers.of(shop)), 4) // all four are sent; the results of the last two are not stored
		go h.stop()
		time.Sleep(2 * time.Minute)

		other, err := webhook.New(h.checkouts, h.store, webhook.Config{Client: &http.Client{Transport: h.receivers}})
		is.NoErr(err)
		h.Webhooks = other
		h.run()
		time.Sleep(time.Hour)
		seen := make(map[string]int)
		for _, r := range h.receivers.of(shop) {
			seen[r.header.Get("webhook-id")]++
		}
		is.Equal(len(seen), 4)
		for id, n := range seen {
			again := strings.Contains(id, unsettled.ID[len(unsettled.ID)-32:])
			is.Equal(n == 1, !again) // only a delivery without a stored result is sent again
		}
		for _, d := range h.deliveries(e) {
			is.Equal(d.State, webhook.Delivered)
		}
	})
}

// TestInstancesShareTheWork proves that three dispatchers over one store send each delivery once. Two of them must not claim the same
// delivery.
func TestInstancesShareTheWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		h := start(t, nil, nil)
		for range 2 {
			other, err := webhook.New(h.checkouts, h.store, webhook.Config{Client: &http.Client{Transport: h.receivers}})
			is.NoErr(err)
			ctx, cancel := context.WithCancel(t.Context())
			var running sync.WaitGroup
			running.Go(func() { other.Run(ctx) })
			t.Cleanup(func() { cancel(); running.Wait() })
		}
		h.endpoint(shop)
		const sessions = 300
		for range sessions {
			h.pay(h.session(merchant))
		}
		time.Sleep(time.Minute)
		seen := make(map[string]int)
		for _, r := range h.receivers.of(shop) {
			seen[r.header.Get("webhook-id")]++
		}
		is.Equal(len(seen), 2*sessions)
		for _, n := range seen {
			is.Equal(n, 1) // nothing fails, so each delivery is sent exactly once
		}
	})
}

// outageStore is a store whose Position, Claim and ListEndpoints fail while down is set.
type outageStore struct {
	webhook.Store
	down atomic.Bool
}

func (o *outageStore) Position(ctx context.Context) (checkout.Cursor, error) {
	if o.down.Load() {
		return "", fmt.Errorf("%w: no primary", checkout.ErrUnavailable)
	}
	return o.Store.Position(ctx)
}

func (o *outageStore) Claim(ctx context.Context, now, until time.Time, limit, perEndpoint int, busy map[string]int) ([]webhook.Claim, error) {
	if o.down.Load() {
		return nil, fmt.Errorf("%w: no primary", checkout.ErrUnavailable)
	}
	return o.Store.Claim(ctx, now, until, limit, perEndpoint, busy)
}

func (o *outageStore) ListEndpoints(ctx context.Context, accounts []checkout.Account) ([]webhook.StoredEndpoint, error) {
	if o.down.Load() {
		return nil, fmt.Errorf("%w: no primary", checkout.ErrUnavailable)
	}
	return o.Store.ListEndpoints(ctx, accounts)
}

// TestTheNextDeliveryGoesAsSoonAsTheOneBeforeIsAnswered proves that the dispatcher sends an endpoint the next delivery without waiting for
// the next poll, if PerEndpoint allows one delivery at a time.
func TestTheNextDeliveryGoesAsSoonAsTheOneBeforeIsAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		h := start(t, func(c *webhook.Config) { c.PerEndpoint = 1 }, nil)
		const answerTime = 200 * time.Millisecond
		h.receivers.set(func(r *http.Request) (*http.Response, error) {
			time.Sleep(answerTime)
			return status(204)(r)
		})
		h.endpoint(shop)
		for range 5 {
			h.pay(h.session(merchant))
		}
		time.Sleep(time.Minute)
		got := h.receivers.of(shop)
		is.Equal(len(got), 10)
		for i := 1; i < len(got); i++ {
			is.Equal(got[i].at.Sub(got[i-1].at), answerTime) // and not at the next poll
		}
	})
}

// TestAnOutageIsTwoLinesOfTheHandlersLog proves that the handler logs the first failure of an outage and its end, and does not fill the
// log with a line for each request.
func TestAnOutageIsTwoLinesOfTheHandlersLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		sessions := memory.New()
		checkouts, err := checkout.New(sessions, checkout.Config{})
		is.NoErr(err)
		store := &outageStore{Store: sessions.Webhooks()}
		hooks, err := webhook.New(checkouts, store, webhook.Config{})
		is.NoErr(err)
		auth, err := checkout.BearerTokens(map[string]checkout.Account{"one": merchant})
		is.NoErr(err)
		var log strings.Builder
		handler, err := webhook.NewHandler(hooks, auth, webhook.HandlerConfig{Logger: slog.New(slog.NewTextHandler(&log, nil))})
		is.NoErr(err)
		client := apiClient{t, handler, "one"}
		store.down.Store(true)
		for range 20 {
			code, _, _ := client.call("GET", "/v1/webhooks", "")
			is.Equal(code, 503)
		}
		is.Equal(strings.Count(log.String(), "\n"), 1)
		store.down.Store(false)
		time.Sleep(5 * time.Second)
		for range 2 {
			code, _, _ := client.call("GET", "/v1/webhooks", "")
			is.Equal(code, 200)
		}
		is.Equal(strings.Count(log.String(), "\n"), 2)
		is.True(strings.Contains(log.String(), "failed=20"))
	})
}

// TestAnOutageIsTwoLinesOfTheLog proves that the dispatcher logs the first failure of an outage and its end, and nothing in between. After
// the outage it delivers the events that were written meanwhile.
func TestAnOutageIsTwoLinesOfTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		store := new(outageStore)
		h := start(t, nil, func(s webhook.Store) webhook.Store { store.Store = s; return store })
		h.endpoint(shop)
		time.Sleep(time.Minute)
		is.Equal(h.logged(), "")
		store.down.Store(true)
		h.pay(h.session(merchant))
		time.Sleep(time.Minute)
		is.Equal(strings.Count(h.logged(), "\n"), 1)
		is.True(strings.Contains(h.logged(), "no primary"))
		store.down.Store(false)
		time.Sleep(time.Minute)
		is.Equal(strings.Count(h.logged(), "\n"), 2)
		is.True(strings.Contains(h.logged(), "the store answers again"))
		is.Equal(len(h.receivers.of(shop)), 2) // the events "pending" and "completed" are not lost
	})
}
