package otelcheckout

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/caisse/checkout"
)

const (
	observePage = 100         // how many events one read takes
	observeIdle = time.Second // between two reads if nothing is new, and after an error
)

// Observe counts how the sessions of all accounts end. It reads the feed of events, and records the counter
// checkout.sessions.ended and the histogram checkout.sessions.duration, the seconds from the creation to the outcome. A session
// that is paid late is counted twice: when it ends unpaid, and again as completed and late.
//
// It counts only events that come after its first read of the feed that succeeds. It returns ctx's error when ctx ends. If the store fails,
// it tries again a second later, and continues after the last event that it has read. It returns an error if the feed no longer accepts
// its cursor, for example because the database was restored from a dump.
//
// Every instance that runs it counts all sessions, so run it on one instance only. An expiry is in the feed only after a sweep: see
// [checkout.Checkouts.ExpireDue].
func Observe(ctx context.Context, checkouts *checkout.Checkouts, meter metric.Meter) error {
	ended, err := meter.Int64Counter("checkout.sessions.ended",
		metric.WithDescription("Sessions that were completed, failed, expired or cancelled."), metric.WithUnit("{session}"))
	if err != nil {
		return err
	}
	duration, err := meter.Float64Histogram("checkout.sessions.duration",
		metric.WithDescription("From the creation of a session to its outcome."), metric.WithUnit("s"),
		metric.WithExplicitBucketBoundaries(1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600, 21600, 86400))
	if err != nil {
		return err
	}
	var cursor checkout.Cursor
	after := checkout.Cursor(checkout.LastEvent)
	for {
		events, err := checkouts.Events(ctx, after, observePage)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if invalid := (*checkout.ValidationError)(nil); errors.As(err, &invalid) {
			return err
		}
		for _, event := range events {
			cursor = event.Cursor
			if after == checkout.LastEvent {
				break // this is the last past event, and is not counted
			}
			s := event.Session
			if !outcome(s.Status) {
				continue
			}
			attributes := metric.WithAttributes(
				attribute.String("checkout.status", string(s.Status)),
				attribute.String("checkout.currency", s.Currency),
				attribute.Bool("checkout.livemode", !s.Account.Test),
				attribute.Bool("checkout.late", s.Late),
			)
			ended.Add(ctx, 1, attributes)
			duration.Record(ctx, event.At.Sub(s.CreatedAt).Seconds(), attributes)
		}
		if err == nil {
			after = cursor
		}
		if len(events) == observePage {
			continue
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(observeIdle):
		}
	}
}

func outcome(s checkout.Status) bool {
	switch s {
	case checkout.StatusCompleted, checkout.StatusFailed, checkout.StatusExpired, checkout.StatusCancelled:
		return true
	}
	return false
}
