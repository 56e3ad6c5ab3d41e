package webhook_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
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

var merchant = checkout.Account{ID: "acct_1"}

// received is a request as a receiver saw it.
type received struct {
	at     time.Time
	url    string
	header http.Header
	body   []byte
}

// receivers are all that there is to call, as a transport.
type receivers struct {
	mu     sync.Mutex
	all    []received
	answer func(r *http.Request) (*http.Response, error) // nil: 204
}

func (r *receivers) RoundTrip(request *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(request.Body)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	r.all = append(r.all, received{time.Now(), request.URL.String(), request.Header, body})
	answer := r.answer
	r.mu.Unlock()
	if answer == nil {
		return status(204)(request)
	}
	return answer(request)
}

func status(code int, header ...string) func(*http.Request) (*http.Response, error) {
	return func(r *http.Request) (*http.Response, error) {
		answer := &http.Response{StatusCode: code, Header: make(http.Header), Body: http.NoBody, Request: r}
		for i := 0; i+1 < len(header); i += 2 {
			answer.Header.Set(header[i], header[i+1])
		}
		return answer, nil
	}
}

func (r *receivers) set(answer func(*http.Request) (*http.Response, error)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = answer
}

// of are the requests to one URL.
func (r *receivers) of(url string) (some []received) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, one := range r.all {
		if one.url == url {
			some = append(some, one)
		}
	}
	return some
}

// host is a program that sends webhooks.
type host struct {
	*webhook.Webhooks
	t         *testing.T
	checkouts *checkout.Checkouts
	store     webhook.Store
	receivers *receivers
	disabled  []string
	log       strings.Builder
	stop      func()
}

// start is within a bubble of synctest: hours take no time.
func start(t *testing.T, change func(*webhook.Config), wrap func(webhook.Store) webhook.Store) *host {
	t.Helper()
	is := is.New(t)
	sessions := memory.New()
	checkouts, err := checkout.New(sessions, checkout.Config{})
	is.NoErr(err)
	h := &host{t: t, checkouts: checkouts, store: sessions.Webhooks(), receivers: new(receivers)}
	cfg := webhook.Config{
		Client: &http.Client{Transport: h.receivers},
		Logger: slog.New(slog.NewTextHandler(&h.log, nil)),
		Disabled: func(_ context.Context, a checkout.Account, e webhook.Endpoint) {
			h.disabled = append(h.disabled, a.ID+" "+e.ID+" "+e.DisabledReason)
		},
	}
	if change != nil {
		change(&cfg)
	}
	store := h.store
	if wrap != nil {
		store = wrap(store)
	}
	h.Webhooks, err = webhook.New(checkouts, store, cfg)
	is.NoErr(err)
	h.run()
	t.Cleanup(func() { h.stop() })
	return h
}

// logged is what was logged so far, once nothing runs that would log more.
func (h *host) logged() string {
	synctest.Wait()
	return h.log.String()
}

// told is what Config.Disabled was told so far.
func (h *host) told() []string {
	synctest.Wait()
	return h.disabled
}

func (h *host) run() {
	ctx, cancel := context.WithCancel(h.t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := h.Run(ctx); err != nil {
			h.t.Error(err)
		}
	})
	h.stop = func() { cancel(); running.Wait() }
}

func (h *host) endpoint(url string, events ...string) webhook.Endpoint {
	h.t.Helper()
	e, err := h.Create(h.t.Context(), merchant, webhook.EndpointParams{URL: url, Events: events})
	is.New(h.t).NoErr(err)
	return e
}

func (h *host) session(a checkout.Account) checkout.Session {
	h.t.Helper()
	s, _, err := h.checkouts.Create(h.t.Context(), checkout.CreateParams{Account: a, Amount: 5000, Currency: "XOF", UserPhone: "+22507987654"})
	is.New(h.t).NoErr(err)
	return s
}

func (h *host) pay(s checkout.Session) {
	h.t.Helper()
	_, err := h.checkouts.Begin(h.t.Context(), s.Account, s.ID, "pay_1")
	is.New(h.t).NoErr(err)
	_, err = h.checkouts.Complete(h.t.Context(), s.Account, s.ID, "pay_1")
	is.New(h.t).NoErr(err)
}

func (h *host) deliveries(e webhook.Endpoint) []webhook.Delivery {
	h.t.Helper()
	page, err := h.Deliveries(h.t.Context(), merchant, e.ID, "", 100)
	is.New(h.t).NoErr(err)
	return page.Deliveries
}

const shop = "https://shop.example/hooks"

func TestEveryChangeIsDeliveredOnceAndVerified(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		h := start(t, nil, nil)
		old := h.session(merchant)
		_, err := h.checkouts.Cancel(t.Context(), merchant, old.ID) // before there is an endpoint
		is.NoErr(err)
		time.Sleep(2 * time.Second)
		all, some := h.endpoint(shop), h.endpoint("https://other.example/", "checkout.completed")
		h.pay(h.session(checkout.Account{ID: "acct_2"}))
		h.pay(h.session(checkout.Account{ID: "acct_1", Test: true}))
		paid, left := h.session(merchant), h.session(merchant)
		h.pay(paid)
		time.Sleep(time.Hour) // left expires, and Run sweeps

		var told []string
		for _, r := range h.receivers.of(shop) {
			event, err := webhook.Verify(r.body, r.header, all.Secret)
			if err != nil && !strings.Contains(err.Error(), "too old") { // it was sent an hour ago
				t.Fatal(err)
			}
			told = append(told, r.header.Get("webhook-id"))
			is.Equal(r.header.Get("Content-Type"), "application/json")
			is.True(event.ID == "" || event.ID == r.header.Get("webhook-id"))
		}
		slices.Sort(told)
		id := func(s checkout.Session, n int) string { return fmt.Sprintf("evt_%s_%d", s.ID[len(s.ID)-32:], n) }
		want := []string{id(paid, 2), id(paid, 3), id(left, 2)}
		slices.Sort(want)
		is.Equal(told, want)
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
		_, err = webhook.Verify(last.body, last.header, all.Secret) // another endpoint's
		is.True(errors.Is(err, webhook.ErrNotVerified))

		for _, d := range h.deliveries(all) {
			is.Equal(d.State, webhook.Delivered)
			is.Equal(len(d.Attempts), 1)
			is.Equal(d.Attempts[0].StatusCode, 204)
			is.True(d.NextAttempt.IsZero())
		}
	})
}

func TestDeliveriesFollowTheirChangeWithinAMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		h := start(t, nil, nil)
		h.endpoint(shop)
		for range 5 {
			time.Sleep(17 * time.Minute) // it is idle
			s := h.session(merchant)
			begun := time.Now()
			h.pay(s)
			time.Sleep(2 * time.Second)
			all := h.receivers.of(shop)
			is.True(all[len(all)-1].at.Sub(begun) <= time.Second)
		}
	})
}

func TestAReceiverThatIsDownForDays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		h := start(t, nil, nil)
		e := h.endpoint(shop, "checkout.completed")
		h.receivers.set(status(500))
		h.pay(h.session(merchant))
		time.Sleep(4 * 24 * time.Hour)
		tries := h.receivers.of(shop)
		is.Equal(len(tries), 10) // and no more
		for i, wait := range webhook.Schedule() {
			took := tries[i+1].at.Sub(tries[i].at)
			if took < wait || took > wait+wait/5+time.Second {
				t.Errorf("try %d came %v after the one before, not %v", i+2, took, wait)
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
		is.Equal(len(h.told()), 0)

		h.pay(h.session(merchant)) // some of whose tries come after five days
		time.Sleep(2 * 24 * time.Hour)
		is.Equal(h.told(), []string{"acct_1 " + e.ID + " failing"})
		now, err := h.Get(t.Context(), merchant, e.ID)
		is.NoErr(err)
		is.Equal(now.Status, webhook.Disabled)
		before := len(h.receivers.of(shop))
		h.pay(h.session(merchant)) // is not even planned
		time.Sleep(24 * time.Hour)
		is.Equal(len(h.receivers.of(shop)), before)

		h.receivers.set(nil) // it is up again, and the merchant says so
		_, err = h.Update(t.Context(), merchant, e.ID, webhook.EndpointChange{Status: new(webhook.Active)})
		is.NoErr(err)
		h.pay(h.session(merchant))
		time.Sleep(2 * time.Second)
		is.Equal(len(h.receivers.of(shop)), before+2) // what was pending, and what is new
		is.NoErr(h.Retry(t.Context(), merchant, e.ID, d.ID))
		time.Sleep(2 * time.Second)
		is.Equal(len(h.receivers.of(shop)), before+3)
		is.True(!strings.Contains(h.logged(), "whsec_") && !strings.Contains(h.logged(), "shop.example"))
	})
}

func TestAnEndpointThatIsGoneIsDisabledAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		h := start(t, nil, nil)
		e := h.endpoint(shop)
		h.receivers.set(status(410))
		h.pay(h.session(merchant))
		time.Sleep(time.Hour)
		is.Equal(h.told(), []string{"acct_1 " + e.ID + " gone"})
		is.True(len(h.receivers.of(shop)) <= 2) // both events were under way
		is.NoErr(h.Test(t.Context(), merchant, e.ID))
		time.Sleep(2 * time.Second)
		tests := h.receivers.of(shop)
		test := tests[len(tests)-1]
		event, err := webhook.Verify(test.body, test.header, e.Secret)
		is.NoErr(err)
		is.Equal(event.Type, "checkout.test")
		is.Equal(event.Sequence, int64(1))
		time.Sleep(24 * time.Hour)
		is.Equal(len(h.receivers.of(shop)), len(tests)) // once, though it failed
	})
}

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
					t.Errorf("it came after %v, not %v", took, want)
				}
			})
		})
	}
}

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

func TestASecretThatIsRotatedVerifiesForADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		h := start(t, func(c *webhook.Config) {
			flip := func(b []byte) ([]byte, error) {
				flipped := slices.Clone(b)
				for i := range flipped {
					flipped[i] ^= 0x55
				}
				return flipped, nil
			}
			c.Seal, c.Open = flip, flip
		}, nil)
		first := h.endpoint(shop)
		second, err := h.Rotate(t.Context(), merchant, first.ID)
		is.NoErr(err)
		is.True(second.Secret != first.Secret)
		verified := func(secret string) bool {
			h.pay(h.session(merchant))
			time.Sleep(2 * time.Second)
			all := h.receivers.of(shop)
			last := all[len(all)-1]
			_, err := webhook.Verify(last.body, last.header, secret)
			return err == nil
		}
		is.True(verified(first.Secret))
		is.True(verified(second.Secret))
		time.Sleep(webhook.RotationTime)
		is.True(!verified(first.Secret))
		is.True(verified(second.Secret))
		stored, err := h.store.GetEndpoint(t.Context(), merchant, first.ID)
		is.NoErr(err)
		is.True(!strings.Contains(string(stored.Sealed), "whsec_")) // as the host has sealed it
	})
}

func TestASecretThatCannotBeOpenedCostsNoTry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		var broken atomic.Int32
		h := start(t, func(c *webhook.Config) {
			c.Seal = func(b []byte) ([]byte, error) { return b, nil }
			c.Open = func(b []byte) ([]byte, error) {
				switch broken.Load() {
				case 1:
					return nil, errors.New("the key service is away")
				case 2:
					panic("the key service")
				}
				return b, nil
			}
		}, nil)
		e := h.endpoint(shop, "checkout.completed")
		broken.Store(1)
		h.pay(h.session(merchant))
		time.Sleep(24 * time.Hour)
		broken.Store(2)
		time.Sleep(5 * 24 * time.Hour)
		d := h.deliveries(e)[0]
		is.Equal(d.State, webhook.Pending)
		is.Equal(len(d.Attempts), 0)
		is.Equal(len(h.told()), 0)
		broken.Store(0)
		time.Sleep(2 * time.Minute)
		is.Equal(h.deliveries(e)[0].State, webhook.Delivered)
		is.Equal(len(h.receivers.of(shop)), 1)
	})
}

func TestAPanicOfTheHostsCallbackStopsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		h := start(t, func(c *webhook.Config) {
			c.Disabled = func(context.Context, checkout.Account, webhook.Endpoint) { panic("no mail server") }
		}, nil)
		h.endpoint(shop)
		h.receivers.set(status(410))
		h.pay(h.session(merchant))
		time.Sleep(time.Minute)
		is.True(strings.Contains(h.logged(), "Config.Disabled panicked"))
		h.receivers.set(nil)
		h.endpoint("https://other.example/")
		h.pay(h.session(merchant))
		time.Sleep(time.Minute)
		is.Equal(len(h.receivers.of("https://other.example/")), 2)
	})
}

func TestVerify(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		h := start(t, nil, nil)
		e := h.endpoint(shop)
		h.pay(h.session(merchant))
		time.Sleep(2 * time.Second)
		r := h.receivers.of(shop)[0]
		refused := func(body []byte, header http.Header, secrets ...string) {
			t.Helper()
			_, err := webhook.Verify(body, header, secrets...)
			is.True(errors.Is(err, webhook.ErrNotVerified))
		}
		_, err := webhook.Verify(r.body, r.header, "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=", e.Secret) // old and new
		is.NoErr(err)
		refused(r.body, r.header)
		refused(r.body, r.header, "")
		refused(r.body, r.header, "secret")
		refused(append(slices.Clone(r.body), ' '), r.header, e.Secret)
		refused(r.body, http.Header{}, e.Secret)
		for name, value := range map[string]string{"webhook-id": "evt_other", "webhook-timestamp": "1", "webhook-signature": "v1,AAAA"} {
			changed := r.header.Clone()
			changed.Set(name, value)
			refused(r.body, changed, e.Secret)
		}
		time.Sleep(5*time.Minute + time.Second)
		refused(r.body, r.header, e.Secret)
	})
}
