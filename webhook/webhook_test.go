package webhook_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
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

// received is a request as the receiver got it.
type received struct {
	at     time.Time
	url    string
	header http.Header
	body   []byte
}

// receivers is an [http.RoundTripper] that answers in place of the servers of all endpoints. It records every request.
type receivers struct {
	mu     sync.Mutex
	all    []received
	answer func(r *http.Request) (*http.Response, error) // nil: the answer is 204
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

// status answers with a status code. header has the names and values of its headers, in turn.
func status(code int, header ...string) func(*http.Request) (*http.Response, error) {
	return func(r *http.Request) (*http.Response, error) {
		answer := &http.Response{StatusCode: code, Header: make(http.Header), Body: http.NoBody, Request: r}
		for i := 0; i+1 < len(header); i += 2 {
			answer.Header.Set(header[i], header[i+1])
		}
		return answer, nil
	}
}

// set changes the answer to later requests.
func (r *receivers) set(answer func(*http.Request) (*http.Response, error)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = answer
}

// of returns the requests to one URL.
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

// host is a program that delivers webhooks to receivers.
type host struct {
	*webhook.Webhooks
	t         *testing.T
	checkouts *checkout.Checkouts
	store     webhook.Store
	receivers *receivers
	disabled  []string // what Config.Disabled was called with
	log       strings.Builder
	stop      func() // ends Run and waits for it
}

// start makes a host and calls Run. It must be called in a bubble of synctest, in which hours take no time. change can change the
// configuration, and wrap can replace the store. Both may be nil.
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

// logged waits until all other goroutines are idle, and returns the log.
func (h *host) logged() string {
	synctest.Wait()
	return h.log.String()
}

// disabledEndpoints waits until all other goroutines are idle, and returns what Config.Disabled was called with.
func (h *host) disabledEndpoints() []string {
	synctest.Wait()
	return h.disabled
}

// run calls Run in the background, until stop is called.
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

// endpoint makes an endpoint of the merchant, for some types of events or for all.
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

// pay begins and completes a payment of a session, which makes two events.
func (h *host) pay(s checkout.Session) {
	h.t.Helper()
	_, err := h.checkouts.Begin(h.t.Context(), s.Account, s.ID, "pay_1")
	is.New(h.t).NoErr(err)
	_, err = h.checkouts.Complete(h.t.Context(), s.Account, s.ID, "pay_1")
	is.New(h.t).NoErr(err)
}

// deliveries returns the deliveries to an endpoint, the newest first.
func (h *host) deliveries(e webhook.Endpoint) []webhook.Delivery {
	h.t.Helper()
	page, err := h.Deliveries(h.t.Context(), merchant, e.ID, "", 100)
	is.New(h.t).NoErr(err)
	return page.Deliveries
}

const shop = "https://shop.example/hooks"

// TestASecretThatIsRotatedVerifiesForADay proves that deliveries are signed with the old and the new secret for 24 hours after a rotation,
// so that a merchant can replace the secret without losing an event.
func TestASecretThatIsRotatedVerifiesForADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		h := start(t, func(c *webhook.Config) {
			encrypt := func(b []byte) ([]byte, error) {
				flipped := slices.Clone(b)
				for i := range flipped {
					flipped[i] ^= 0x55
				}
				return flipped, nil
			}
			c.Seal, c.Open = encrypt, encrypt // the same function decrypts
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
		is.True(!strings.Contains(string(stored.Sealed), "whsec_")) // the stored secret is encrypted
	})
}

// TestASecretThatCannotBeOpenedCostsNoTry proves that a failure of Config.Open is not an attempt. Otherwise an outage of the host's key
// service would use up the attempts of a delivery and disable the endpoint.
func TestASecretThatCannotBeOpenedCostsNoTry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		var broken atomic.Int32
		h := start(t, func(c *webhook.Config) {
			c.Seal = func(b []byte) ([]byte, error) { return b, nil }
			c.Open = func(b []byte) ([]byte, error) {
				switch broken.Load() {
				case 1:
					return nil, errors.New("the key service is down")
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
		is.Equal(len(h.disabledEndpoints()), 0)
		broken.Store(0)
		time.Sleep(2 * time.Minute)
		is.Equal(h.deliveries(e)[0].State, webhook.Delivered)
		is.Equal(len(h.receivers.of(shop)), 1)
	})
}

// TestAPanicOfTheHostsCallbackStopsNothing proves that a panic of Config.Disabled is logged, and that later deliveries are sent.
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

// TestVerify proves that Verify accepts a delivery as it was sent, and refuses it if any part is changed or if it is too old.
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
		_, err := webhook.Verify(r.body, r.header, "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=", e.Secret) // one of several secrets is enough
		is.NoErr(err)
		refused(r.body, r.header)
		refused(r.body, r.header, "")
		refused(r.body, r.header, "secret")
		refused(append(slices.Clone(r.body), ' '), r.header, e.Secret)
		refused(r.body, http.Header{}, e.Secret)
		second, err := strconv.ParseInt(r.header.Get("webhook-timestamp"), 10, 64)
		is.NoErr(err)
		later := strconv.FormatInt(second+1, 10) // not too old, so only the signature can refuse it
		for name, value := range map[string]string{"webhook-id": "evt_other", "webhook-timestamp": later, "webhook-signature": "v1,AAAA"} {
			changed := r.header.Clone()
			changed.Set(name, value)
			refused(r.body, changed, e.Secret)
		}
		time.Sleep(5*time.Minute + time.Second)
		refused(r.body, r.header, e.Secret)
	})
}
