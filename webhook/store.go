package webhook

import (
	"context"
	"errors"
	"time"

	"github.com/caisse/checkout"
)

// Store keeps endpoints and deliveries. The method Webhooks of each store of this module returns one, in the same database as the
// sessions. It decides nothing and has no clock. Package webhooktest tests a store against this contract.
//
// Times are in UTC and in whole microseconds. The errors are those of [checkout.Store]: [checkout.ErrNotFound],
// [checkout.ErrConflict] if another version is stored, [checkout.ErrUnavailable], [checkout.ErrOutcomeUnknown]; and those that are
// named here.
type Store interface {
	// CreateEndpoint writes e. The error is [ErrEndpointExists] if the account has another endpoint with this URL, and
	// [ErrTooManyEndpoints] if the number of its endpoints has reached most. Concurrent calls have the same results as calls one after
	// the other.
	CreateEndpoint(ctx context.Context, e StoredEndpoint, most int) error
	// GetEndpoint returns the account's endpoint with an ID, or ErrNotFound.
	GetEndpoint(ctx context.Context, account checkout.Account, id string) (StoredEndpoint, error)
	// ListEndpoints returns the endpoints of some accounts, the newest first. Of endpoints that were created at the same instant, the one
	// with the greater ID comes first.
	ListEndpoints(ctx context.Context, accounts []checkout.Account) ([]StoredEndpoint, error)
	// UpdateEndpoint replaces the endpoint if its stored Version is e.Version-1. If another version is stored, the error is ErrConflict.
	// If there is no such endpoint, it is ErrNotFound. If the account has another endpoint with the URL, it is ErrEndpointExists. The
	// Health of an endpoint that becomes active becomes zero. Otherwise Health is not changed.
	UpdateEndpoint(ctx context.Context, e StoredEndpoint) error
	// DeleteEndpoint removes an endpoint and its deliveries. If there is no such endpoint, that is no error.
	DeleteEndpoint(ctx context.Context, account checkout.Account, id string) error

	// Position returns the cursor up to which the feed was planned. At first it is "".
	Position(ctx context.Context) (checkout.Cursor, error)
	// Plan moves the position from one place to another and writes deliveries, in one atomic step. If the position is not from, the
	// error is ErrConflict and nothing changes. Plan leaves out deliveries to endpoints that were deleted.
	Plan(ctx context.Context, from, to checkout.Cursor, deliveries []StoredDelivery) error
	// AddDelivery writes one delivery. The error is ErrNotFound if its endpoint was deleted.
	AddDelivery(ctx context.Context, d StoredDelivery) error

	// Claim returns up to limit deliveries that are pending and due at now, those that have been due for longest first. It sets
	// the NextAttempt of each to until and increments its Lease, so that no other Claim returns it before until. For each
	// endpoint it returns at most perEndpoint deliveries, minus the number that busy has for it. If an endpoint is not active, or its
	// NotBefore is later than now, Claim returns only its deliveries with Forced.
	Claim(ctx context.Context, now, until time.Time, limit, perEndpoint int, busy map[string]int) ([]Claim, error)
	// Settle stores the results of claims in one atomic step: State, Attempts, NextAttempt and Forced of each delivery, and the Health
	// of its endpoint. The results change the Health in the order in which they are given. Settle ignores deliveries whose Lease has changed
	// since the claim, and those that were removed.
	Settle(ctx context.Context, results []Settlement) error

	// GetDelivery returns a delivery of the account's endpoint, or ErrNotFound.
	GetDelivery(ctx context.Context, account checkout.Account, endpoint, id string) (StoredDelivery, error)
	// ListDeliveries returns up to limit deliveries of the account's endpoint whose ID is less than before, the greatest ID first. If
	// before is "", it begins with the greatest. IDs grow with time. The error is ErrNotFound if there is no such endpoint.
	ListDeliveries(ctx context.Context, account checkout.Account, endpoint, before string, limit int) ([]StoredDelivery, error)
	// Requeue makes a delivery pending and due at an instant, sets Forced and increments its Lease. The error is ErrNotFound if there is no
	// such delivery.
	Requeue(ctx context.Context, account checkout.Account, endpoint, id string, at time.Time) error
	// PruneDeliveries removes up to limit deliveries that are not pending and were created before an instant.
	PruneDeliveries(ctx context.Context, before time.Time, limit int) (int, error)
}

// Errors of a [Store], besides those of [checkout.Store].
var (
	ErrTooManyEndpoints = errors.New("webhook: the account has as many endpoints as it may have")
	ErrEndpointExists   = errors.New("webhook: the account has an endpoint with this URL")
)

// StoredEndpoint is an endpoint as a [Store] keeps it.
type StoredEndpoint struct {
	Endpoint                   // its Secret is ""
	Account   checkout.Account // its owner
	Version   int64            // 1 when created, one more with every update
	Sealed    []byte           // the secret, as Config.Seal made it
	OldSealed []byte           // the previous secret, which also signs until OldUntil; nil: none
	OldUntil  time.Time
	Health    Health
}

// Health says how an endpoint has failed since its last success. It is zero after a success.
type Health struct {
	Failures     int       // how many tries have failed
	FailingSince time.Time // the time of the first of them; zero: there was none
	NotBefore    time.Time // before it, only Forced deliveries are tried
}

// StoredDelivery is a delivery as a [Store] keeps it.
type StoredDelivery struct {
	Delivery
	EndpointID string
	Body       []byte // the body of the request
	Forced     bool   // it is tried whatever the endpoint's status and health are: a test, or a retry that somebody asked for
	Once       bool   // it is not tried again: a test
	Lease      int64  // how often it was claimed or requeued
}

// Claim is a delivery to be tried, and its endpoint.
type Claim struct {
	Delivery StoredDelivery
	Endpoint StoredEndpoint
}

// Settlement is the result of a claim.
type Settlement struct {
	Delivery StoredDelivery // the state to be stored, with the Lease of the claim
	// Failed says that the endpoint has failed. The store then adds one failure to the endpoint's Health, sets its FailingSince
	// to At unless it was failing already, and sets its NotBefore to the NotBefore of the Settlement if that is later. If Failed is
	// false and the delivery was delivered, the endpoint's Health becomes zero.
	Failed    bool
	At        time.Time
	NotBefore time.Time
}
