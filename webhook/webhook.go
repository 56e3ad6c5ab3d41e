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
	MaxEndpoints   = 16               // of one account and mode
	MaxURLLength   = 2048             // characters
	MaxDescription = 200              // characters
	Timeout        = 15 * time.Second // within which an endpoint must answer
	RotationTime   = 24 * time.Hour   // for which the secret before a rotation signs too
	FailingTime    = 5 * 24 * time.Hour
	KeepTime       = 30 * 24 * time.Hour // after which deliveries that are not pending are removed
	MaxRetryAfter  = 24 * time.Hour
)

// Schedule is how long after each try that failed the next one comes, by the contract: ten tries in all.
func Schedule() []time.Duration {
	return []time.Duration{
		5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 14 * time.Hour,
		20 * time.Hour, 24 * time.Hour,
	}
}

// Config is what a [Webhooks] may be told. The zero Config works.
type Config struct {
	_ struct{} // keyed literals only

	// Clock tells what time it is. nil is the system's clock.
	Clock checkout.Clock
	// Logger is told of deliveries that fail for good, endpoints that are disabled, and a store that fails. It is never told a
	// secret, a URL or a body. nil is silent.
	Logger *slog.Logger
	// Client sends. Its redirects and its timeout are this package's in any case. nil is a client that dials public
	// addresses alone. Another one decides for itself what may be dialled: it is for tests.
	Client *http.Client
	// AllowPrivate lets endpoints have http URLs and addresses that are not public: for tests, on a machine of one's own.
	AllowPrivate bool
	// Disabled is called after an endpoint was disabled because it answered 410 or has failed for five days, to tell the merchant. It runs
	// within the dispatcher, so it should not take long. nil: nobody is told.
	Disabled func(context.Context, checkout.Account, Endpoint)
	// Concurrency is how many deliveries one instance sends at once, from 1 to 10,000; 0 is 64. One that has had no answer for 250 ms
	// leaves its place to another, so that endpoints that hang hold up nobody; of such there are 16 times as many at most.
	Concurrency int
	// PerEndpoint is how many of them may go to one endpoint; 0 is 4.
	PerEndpoint int
	// Schedule is how long after each try that failed the next one comes; nil is [Schedule]. Up to a fifth is added at random.
	Schedule []time.Duration
	// Seal is applied to each secret before it is stored, and Open to what is stored before it signs: encryption by a key of the
	// host's, say. Both or none. nil: secrets are stored as they are.
	Seal, Open func([]byte) ([]byte, error)
}

// Webhooks keeps endpoints and delivers to them. It is made by [New], and safe for concurrent use.
type Webhooks struct {
	checkouts *checkout.Checkouts
	store     Store
	config    Config
	client    *http.Client
	log       *slog.Logger
	wake      chan struct{} // something was planned
	outage    outage.Outage
}

// New returns a Webhooks over the host's sessions and a store of endpoints. Both are required. It starts nothing: call
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
		errs = append(errs, errors.New("the Concurrency must be from 0 to 10,000"))
	}
	if cfg.PerEndpoint < 0 {
		errs = append(errs, errors.New("the PerEndpoint must not be negative"))
	}
	if (cfg.Seal == nil) != (cfg.Open == nil) {
		errs = append(errs, errors.New("of Seal and Open there must be both or none"))
	}
	for i, wait := range cfg.Schedule {
		if wait < 0 {
			errs = append(errs, fmt.Errorf("wait %d of the Schedule is negative", i))
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

// jittered is a wait with up to a fifth more.
func jittered(wait time.Duration) time.Duration {
	return wait + time.Duration(rand.Float64()*0.2*float64(wait))
}
