package webhook

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/caisse/checkout"
)

// State says how far a delivery has come.
type State string

// The states of a delivery.
const (
	Pending   State = "pending"
	Delivered State = "delivered" // the endpoint answered with a 2xx
	Failed    State = "failed"    // no attempt is left
)

// The values of [Attempt].Error.
const (
	FaultTimeout        = "timeout"         // no answer within 15 s
	FaultConnection     = "connection"      // refused, reset or closed
	FaultDNS            = "dns"             // the name could not be resolved
	FaultTLS            = "tls"             // the TLS handshake failed, for example because the certificate is not valid for the name
	FaultRefusedAddress = "refused_address" // the name resolved to an address that is not public
	FaultRedirect       = "redirect"        // a 3xx, which is not followed
	FaultStatus         = "status"          // an answer with any other status that is not 2xx
)

// Delivery is one event on its way to one endpoint.
type Delivery struct {
	ID          string // wd_ and 32 hex digits
	EventID     string // the value of the header webhook-id
	EventType   string
	State       State
	Attempts    []Attempt
	NextAttempt time.Time // zero unless pending
	CreatedAt   time.Time
}

// Attempt is one try to send a delivery.
type Attempt struct {
	At         time.Time
	StatusCode int    // 0 where there was no answer
	Error      string // one of the constants whose name begins with Fault; "" where it was delivered
	Duration   time.Duration
}

// DeliveryPage is a page of deliveries.
type DeliveryPage struct {
	Deliveries []Delivery
	HasMore    bool
	NextCursor string // "" if there are no more deliveries
}

// The limits of a page of deliveries.
const (
	DefaultPage = 50
	MaxPage     = 100
)

// Deliveries returns the deliveries to an endpoint, the newest first. limit is 1 to 100; 0 is 50. cursor is the NextCursor of
// the previous page, or "" for the first page.
func (w *Webhooks) Deliveries(ctx context.Context, account checkout.Account, endpoint, cursor string, limit int) (DeliveryPage, error) {
	if err := addressable(account, "we_", endpoint); err != nil {
		return DeliveryPage{}, err
	}
	var f faults
	if limit < 0 || limit > MaxPage {
		f.add("limit", checkout.CodeOutOfRange, "must be from 1 to "+strconv.Itoa(MaxPage))
	}
	if cursor != "" && addressable(account, "wd_", cursor) != nil {
		f.add("cursor", checkout.CodeMalformed, "must be the next_cursor of a page")
	}
	if err := f.err(); err != nil {
		return DeliveryPage{}, err
	}
	if limit == 0 {
		limit = DefaultPage
	}
	stored, err := w.store.ListDeliveries(ctx, account, endpoint, cursor, limit+1)
	if err != nil {
		return DeliveryPage{}, fmt.Errorf("list deliveries: %w", err)
	}
	var page DeliveryPage
	if len(stored) > limit {
		stored, page.HasMore, page.NextCursor = stored[:limit], true, stored[limit-1].ID
	}
	for _, d := range stored {
		page.Deliveries = append(page.Deliveries, d.Delivery)
	}
	return page, nil
}

// Retry makes a delivery due at once, whatever its state is. It is sent even if the endpoint is disabled.
func (w *Webhooks) Retry(ctx context.Context, account checkout.Account, endpoint, delivery string) error {
	if err := addressable(account, "we_", endpoint); err != nil {
		return err
	}
	if err := addressable(account, "wd_", delivery); err != nil {
		return err
	}
	if err := w.store.Requeue(ctx, account, endpoint, delivery, w.now()); err != nil {
		return fmt.Errorf("retry a delivery: %w", err)
	}
	w.signal()
	return nil
}

// Test sends one event of the type checkout.test to an endpoint at once, even if the endpoint is disabled. If the delivery fails, it is not
// repeated. The session in the event does not exist.
func (w *Webhooks) Test(ctx context.Context, account checkout.Account, endpoint string) error {
	e, err := w.stored(ctx, account, endpoint)
	if err != nil {
		return err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return err
	}
	now := w.now()
	body, err := json.Marshal(struct {
		ID        string           `json:"id"`
		Type      string           `json:"type"`
		Timestamp time.Time        `json:"timestamp"`
		Sequence  int64            `json:"sequence"`
		Livemode  bool             `json:"livemode"`
		Data      checkout.Session `json:"data"`
	}{
		"evt_test_" + hex.EncodeToString(id[:]), "checkout.test", now, 1, !account.Test, checkout.Session{
			ID: "cs_test_" + hex.EncodeToString(id[:]), Account: account, Status: checkout.StatusCompleted, Amount: 5000, Currency: "XOF",
			PaymentMethod: checkout.MobileMoney, UserPhone: "+22507987654", PaymentID: "ORDER_123", Description: "A test of this webhook",
			CreatedAt: now.Add(-time.Minute), ExpiresAt: now.Add(29 * time.Minute), CompletedAt: now, TransactionFee: 25, Version: 1,
		},
	})
	if err != nil {
		return err
	}
	d, err := w.newDelivery(e.ID, "evt_test_"+hex.EncodeToString(id[:]), "checkout.test", body, now)
	if err != nil {
		return err
	}
	d.Forced, d.Once = true, true
	if err := w.store.AddDelivery(ctx, d); err != nil {
		return fmt.Errorf("test an endpoint: %w", err)
	}
	w.signal()
	return nil
}

func (w *Webhooks) newDelivery(endpoint, eventID, eventType string, body []byte, now time.Time) (StoredDelivery, error) {
	id, err := newID("wd_")
	if err != nil {
		return StoredDelivery{}, err
	}
	return StoredDelivery{
		Delivery:   Delivery{ID: id, EventID: eventID, EventType: eventType, State: Pending, NextAttempt: now, CreatedAt: now},
		EndpointID: endpoint, Body: body,
	}, nil
}

// signal wakes the dispatcher of this process if it is waiting.
func (w *Webhooks) signal() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// creation reports whether an event is a session's creation. Webhooks do not report creations, because the merchant already has
// the answer to its create.
func creation(e checkout.Event) bool { return strings.HasSuffix(e.ID, "_1") && e.Session.Version == 1 }
