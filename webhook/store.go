package webhook

import (
	"context"
	"errors"
	"time"

	"github.com/caisse/checkout"
)

// Store keeps endpoints and deliveries. Those of package store have one each, from their method Webhooks, beside their
// sessions. It decides nothing and keeps no clock. Package webhooktest holds a store to this contract.
//
// Times are in UTC and whole microseconds. Errors are those of [checkout.Store]: [checkout.ErrNotFound],
// [checkout.ErrConflict] for a lost compare-and-swap, [checkout.ErrUnavailable], [checkout.ErrOutcomeUnknown]; and those that are named
// here.
type Store interface {
	// CreateEndpoint writes e, or fails with [ErrEndpointExists] where its account has another with its URL, or with
	// [ErrTooManyEndpoints] where it has most already. Calls at once end as if one came after the other.
	CreateEndpoint(ctx context.Context, e StoredEndpoint, most int) error
	// GetEndpoint returns the account's endpoint of an ID, or ErrNotFound.
	GetEndpoint(ctx context.Context, account checkout.Account, id string) (StoredEndpoint, error)
	// ListEndpoints returns the endpoints of some accounts, the newest first, equal instants by ID, the greater first.
	ListEndpoints(ctx context.Context, accounts []checkout.Account) ([]StoredEndpoint, error)
	// UpdateEndpoint replaces the endpoint if its stored Version is e.Version-1: else ErrConflict, or ErrNotFound, or
	// ErrEndpointExists. It leaves Health as it is, unless the endpoint becomes active: then it is the zero Health.
	UpdateEndpoint(ctx context.Context, e StoredEndpoint) error
	// DeleteEndpoint removes an endpoint and its deliveries. There need not be one.
	DeleteEndpoint(ctx context.Context, account checkout.Account, id string) error

	// Position is how far the feed was planned; "" at first.
	Position(ctx context.Context) (checkout.Cursor, error)
	// Plan moves the position from one place to another and writes deliveries, in one atomic step. It is ErrConflict, and
	// changes nothing, where the position is another. A delivery of an endpoint that is gone is left out.
	Plan(ctx context.Context, from, to checkout.Cursor, deliveries []StoredDelivery) error
	// AddDelivery writes one delivery, or is ErrNotFound where its endpoint is gone.
	AddDelivery(ctx context.Context, d StoredDelivery) error

	// Claim returns up to limit deliveries that are pending and due at now, and sets each one's NextAttempt to until and its
	// Lease to one more, so that nobody else is given it before that. Of one endpoint there are at most perEndpoint, less
	// what busy says of it; the longest due come first. Of an endpoint that is not active, or whose NotBefore is later than now, there are only
	// those with Forced.
	Claim(ctx context.Context, now, until time.Time, limit, perEndpoint int, busy map[string]int) ([]Claim, error)
	// Settle writes what came of some claims: State, Attempts and NextAttempt of each delivery whose Lease is still the
	// same, and the endpoint's Health. Those of others, and of what is gone, are passed over. It is one atomic step.
	Settle(ctx context.Context, results []Settlement) error

	// GetDelivery returns a delivery of the account's endpoint, or ErrNotFound.
	GetDelivery(ctx context.Context, account checkout.Account, endpoint, id string) (StoredDelivery, error)
	// ListDeliveries returns up to limit deliveries of the account's endpoint whose ID is less than before, the greatest ID first;
	// before "" is from the start. IDs grow with time. It is ErrNotFound where there is no such endpoint.
	ListDeliveries(ctx context.Context, account checkout.Account, endpoint, before string, limit int) ([]StoredDelivery, error)
	// Requeue makes a delivery pending and due at an instant, with Forced set and its Lease one more, or is ErrNotFound.
	Requeue(ctx context.Context, account checkout.Account, endpoint, id string, at time.Time) error
	// PruneDeliveries removes up to limit deliveries that are not pending and were created before an instant.
	PruneDeliveries(ctx context.Context, before time.Time, limit int) (int, error)
}

// What a [Store] answers beside the errors of [checkout.Store].
var (
	ErrTooManyEndpoints = errors.New("webhook: the account has as many endpoints as it may have")
	ErrEndpointExists   = errors.New("webhook: the account has an endpoint with this URL")
)

// StoredEndpoint is an endpoint as a [Store] keeps it.
type StoredEndpoint struct {
	Endpoint                   // its Secret is ""
	Account   checkout.Account // whose it is
	Version   int64            // 1 when created, one more with every update
	Sealed    []byte           // the secret, as Config.Seal made it
	OldSealed []byte           // the one before it, which signs too until OldUntil; nil: none
	OldUntil  time.Time
	Health    Health
}

// Health is how an endpoint has answered since its last success.
type Health struct {
	Failures     int       // tries that failed
	FailingSince time.Time // of the first of them; zero: there was none
	NotBefore    time.Time // no delivery is tried earlier
}

// StoredDelivery is a delivery as a [Store] keeps it.
type StoredDelivery struct {
	Delivery
	EndpointID string
	Body       []byte // what is sent
	Forced     bool   // it is tried whatever the endpoint's status and health are: a test, or a retry that somebody asked for
	Once       bool   // it is not tried again: a test
	Lease      int64  // how often it was claimed
}

// Claim is a delivery to be tried, and where to.
type Claim struct {
	Delivery StoredDelivery
	Endpoint StoredEndpoint
}

// Settlement is what came of a claim.
type Settlement struct {
	Delivery StoredDelivery // as it is to be from now on, with the Lease of the claim
	// Failed says that the endpoint has failed: its Health then counts one failure more, since At unless it was failing before,
	// and its NotBefore is this one where that is later. Else its Health becomes the zero one.
	Failed    bool
	At        time.Time
	NotBefore time.Time
}
