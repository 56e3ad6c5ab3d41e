package webhook

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/internal/outage"
)

// The limits of endpoints and deliveries, from the contract.
const (
	MaxEndpoints   = 16                  // of one account and mode
	MaxURLLength   = 2048                // characters
	MaxDescription = 200                 // characters
	Timeout        = 15 * time.Second    // how long an endpoint may take to answer a request
	RotationTime   = 24 * time.Hour      // how long the old secret signs too after a rotation
	FailingTime    = 5 * 24 * time.Hour  // how long an endpoint may fail before it is disabled
	KeepTime       = 30 * 24 * time.Hour // how long after its creation a delivery is kept, unless it is pending
	MaxRetryAfter  = 24 * time.Hour      // the longest wait that a Retry-After can ask for
)

// Schedule returns the pauses of the contract: how long after each failed attempt the next one comes. With these nine pauses there are
// at most ten attempts.
func Schedule() []time.Duration {
	return []time.Duration{
		5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 14 * time.Hour,
		20 * time.Hour, 24 * time.Hour,
	}
}

// Config configures [Webhooks]. The zero Config works: it sends to public https addresses only.
type Config struct {
	_ struct{} // keyed literals only

	// Clock gives the time, by which deliveries are due and endpoints have failed for five days. nil is the system's clock.
	Clock checkout.Clock
	// Logger gets a line for each delivery that has failed for good, for each endpoint that is disabled, for errors of the store and of
	// Open, and for the beginning and the end of an outage of the store. No secret, URL or body is logged. nil logs nothing.
	Logger *slog.Logger
	// Client sends the requests. nil, the default, is a client that connects to public addresses only. Any other client decides itself
	// where it connects, so a merchant could reach servers inside your network with it: set it in tests only. Redirects are not
	// followed and the time-out is 15 seconds with any client.
	Client *http.Client
	// AllowPrivate allows http URLs and addresses that are not public. Set it in tests on your own machine, and never where merchants may
	// choose URLs: they could have your server call your database.
	AllowPrivate bool
	// Disabled is called after an endpoint was disabled because it answered 410 or has failed for five days. It can send the merchant a
	// message. It should return quickly, because the result of the delivery is stored only afterwards. If it is nil, the merchant is not
	// told.
	Disabled func(context.Context, checkout.Account, Endpoint)
	// Concurrency is how many deliveries one instance sends at once, 1 to 10,000; 0 is 64. A delivery that has no answer after 250 ms
	// gives its place to another one, so that endpoints that hang do not delay the others. Up to 16 times Concurrency deliveries can wait
	// for an answer without a place.
	Concurrency int
	// PerEndpoint is how many deliveries one instance sends to one endpoint at once; 0 is 4.
	PerEndpoint int
	// Schedule says how long after each failed attempt the next one comes. nil is [Schedule]. Up to a fifth is added at random,
	// so that an endpoint that was down does not get all deliveries at the same moment.
	Schedule []time.Duration
	// Seal encrypts a secret before it is stored, and Open decrypts it when a delivery is signed. The host has the key. Set both or none.
	// If they are nil, secrets are stored in clear, and anybody who can read the database can sign events.
	Seal, Open func([]byte) ([]byte, error)
}

// Webhooks keeps endpoints and delivers to them. Make it with [New]. It is safe for concurrent use.
type Webhooks struct {
	checkouts *checkout.Checkouts
	store     Store
	config    Config
	client    *http.Client
	log       *slog.Logger
	wake      chan struct{} // gets a value when there is a new delivery, or one to send again
	outage    outage.Outage
}

// New returns a Webhooks over the host's sessions and a store of endpoints. Both are required. It starts no goroutine: call
// [Webhooks.Run]. The error lists every fault of the configuration.
func New(checkouts *checkout.Checkouts, store Store, cfg Config) (*Webhooks, error) {
	var errs []error
	if checkouts == nil {
		errs = append(errs, errors.New("the checkouts are nil"))
	}
	if store == nil {
		errs = append(errs, errors.New("the store is nil"))
	}
	if cfg.Concurrency < 0 || cfg.Concurrency > 10_000 {
		errs = append(errs, errors.New("Config.Concurrency must be 0 to 10,000"))
	}
	if cfg.PerEndpoint < 0 {
		errs = append(errs, errors.New("Config.PerEndpoint must not be negative"))
	}
	if (cfg.Seal == nil) != (cfg.Open == nil) {
		errs = append(errs, errors.New("Config.Seal and Config.Open must be given together"))
	}
	for i, wait := range cfg.Schedule {
		if wait < 0 {
			errs = append(errs, fmt.Errorf("wait %d of Config.Schedule is negative", i))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("webhook: %w", err)
	}
	if cfg.Clock == nil {
		cfg.Clock = checkout.ClockFunc(time.Now)
	}
	if cfg.Seal == nil {
		same := func(b []byte) ([]byte, error) { return b, nil }
		cfg.Seal, cfg.Open = same, same
	}
	if cfg.Schedule == nil {
		cfg.Schedule = Schedule()
	}
	cfg.Schedule = slices.Clone(cfg.Schedule)
	cfg.Concurrency, cfg.PerEndpoint = cmp.Or(cfg.Concurrency, 64), cmp.Or(cfg.PerEndpoint, 4)
	w := &Webhooks{
		checkouts: checkouts, store: store, config: cfg, log: cfg.Logger,
		client: newClient(cfg.Client, cfg.AllowPrivate), wake: make(chan struct{}, 1),
	}
	if w.log == nil {
		w.log = slog.New(slog.DiscardHandler)
	}
	return w, nil
}

func (w *Webhooks) now() time.Time { return w.config.Clock.Now().UTC().Truncate(time.Microsecond) }

// jittered returns the wait plus a random part of up to a fifth of it.
func jittered(wait time.Duration) time.Duration {
	return wait + time.Duration(rand.Float64()*0.2*float64(wait))
}
