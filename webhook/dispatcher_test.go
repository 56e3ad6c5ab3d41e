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

func TestEndpointsThatHangHoldUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		h := start(t, func(c *webhook.Config) { c.Concurrency = 16 }, nil)
		const hanging, others = 15, 20
		for n := range hanging { // four times as many as there are places
			h.endpoint(fmt.Sprintf("%s/%d", shop, n))
		}
		for n := range others {
			h.endpointOf(checkout.Account{ID: fmt.Sprint("acct_other_", n)}, fmt.Sprintf("https://other%d.example/", n))
		}
		h.receivers.set(func(r *http.Request) (*http.Response, error) {
			if r.URL.Host == "shop.example" {
				<-r.Context().Done() // for as long as it may
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
			is.True(len(h.receivers.of(fmt.Sprintf("%s/%d", shop, n))) <= 4*4) // four at once, each for fifteen seconds, then ever more rarely
		}
	})
}

func (h *host) endpointOf(a checkout.Account, url string) {
	h.t.Helper()
	_, err := h.Create(h.t.Context(), a, webhook.EndpointParams{URL: url})
	is.New(h.t).NoErr(err)
}

// dying is a store whose settlements fail from some moment on, as those of a program that is killed before it could write them.
type dying struct {
	webhook.Store
	mu   sync.Mutex
	dead bool
}

func (d *dying) Settle(ctx context.Context, results []webhook.Settlement) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.dead {
		return checkout.ErrUnavailable
	}
	return d.Store.Settle(ctx, results)
}

func TestADispatcherThatIsKilledLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		store := new(dying)
		h := start(t, nil, func(s webhook.Store) webhook.Store { store.Store = s; return store })
		e := h.endpoint(shop)
		h.pay(h.session(merchant))
		time.Sleep(2 * time.Second)
		store.mu.Lock()
		store.dead = true
		store.mu.Unlock()
		lost := h.session(merchant)
		h.pay(lost)
		time.Sleep(2 * time.Second)
		is.Equal(len(h.receivers.of(shop)), 4) // told, and not written down
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
			again := strings.Contains(id, lost.ID[len(lost.ID)-32:])
			is.Equal(n == 1, !again) // what was settled is not sent again, what was not is
		}
		for _, d := range h.deliveries(e) {
			is.Equal(d.State, webhook.Delivered)
		}
	})
}

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
			is.Equal(n, 1) // with no fault at all: exactly once
		}
	})
}

// away is a store that does not answer for a while.
type away struct {
	webhook.Store
	down atomic.Bool
}

func (a *away) Position(ctx context.Context) (checkout.Cursor, error) {
	if a.down.Load() {
		return "", fmt.Errorf("%w: no primary", checkout.ErrUnavailable)
	}
	return a.Store.Position(ctx)
}

func (a *away) Claim(ctx context.Context, now, until time.Time, limit, perEndpoint int, busy map[string]int) ([]webhook.Claim, error) {
	if a.down.Load() {
		return nil, fmt.Errorf("%w: no primary", checkout.ErrUnavailable)
	}
	return a.Store.Claim(ctx, now, until, limit, perEndpoint, busy)
}

func (a *away) ListEndpoints(ctx context.Context, accounts []checkout.Account) ([]webhook.StoredEndpoint, error) {
	if a.down.Load() {
		return nil, fmt.Errorf("%w: no primary", checkout.ErrUnavailable)
	}
	return a.Store.ListEndpoints(ctx, accounts)
}

func TestTheNextDeliveryGoesAsSoonAsTheOneBeforeIsAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		h := start(t, func(c *webhook.Config) { c.PerEndpoint = 1 }, nil)
		const takes = 200 * time.Millisecond
		h.receivers.set(func(r *http.Request) (*http.Response, error) {
			time.Sleep(takes)
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
			is.Equal(got[i].at.Sub(got[i-1].at), takes) // not when a poll comes by
		}
	})
}

func TestAnOutageIsTwoLinesOfTheHandlersLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		sessions := memory.New()
		checkouts, err := checkout.New(sessions, checkout.Config{})
		is.NoErr(err)
		store := &away{Store: sessions.Webhooks()}
		hooks, err := webhook.New(checkouts, store, webhook.Config{})
		is.NoErr(err)
		auth, err := checkout.BearerTokens(map[string]checkout.Account{"one": merchant})
		is.NoErr(err)
		var log strings.Builder
		handler, err := webhook.NewHandler(hooks, auth, webhook.HandlerConfig{Logger: slog.New(slog.NewTextHandler(&log, nil))})
		is.NoErr(err)
		w := wire{t, handler, "one"}
		store.down.Store(true)
		for range 20 {
			code, _, _ := w.call("GET", "/v1/webhooks", "")
			is.Equal(code, 503)
		}
		is.Equal(strings.Count(log.String(), "\n"), 1)
		store.down.Store(false)
		time.Sleep(5 * time.Second)
		for range 2 {
			code, _, _ := w.call("GET", "/v1/webhooks", "")
			is.Equal(code, 200)
		}
		is.Equal(strings.Count(log.String(), "\n"), 2)
		is.True(strings.Contains(log.String(), "failed=20"))
	})
}

func TestAnOutageIsTwoLinesOfTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		store := new(away)
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
		is.Equal(len(h.receivers.of(shop)), 2) // pending and completed: nothing was lost
	})
}
