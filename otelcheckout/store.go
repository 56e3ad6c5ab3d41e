package otelcheckout

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/idempotency"
)

// scope is the name of the instrumentation.
const scope = "github.com/caisse/checkout/otelcheckout"

// Option changes what [Store] does.
type Option func(*config)

type config struct {
	tracers trace.TracerProvider
	meters  metric.MeterProvider
	system  string
}

// TracerProvider makes spans with p instead of the global provider.
func TracerProvider(p trace.TracerProvider) Option { return func(c *config) { c.tracers = p } }

// MeterProvider records measurements with p instead of the global provider.
func MeterProvider(p metric.MeterProvider) Option { return func(c *config) { c.meters = p } }

// System sets the attribute db.system.name, such as "postgresql" or "sqlite". The names are those of OpenTelemetry's semantic conventions
// for databases. Without this option there is no such attribute.
func System(name string) Option { return func(c *config) { c.system = name } }

// Store returns a store that passes each call to the given store, and makes a span and a measurement of it. The given store must not be
// nil. It may also be one that a method WithTx has returned.
func Store(store checkout.Store, options ...Option) checkout.Store {
	c := config{tracers: otel.GetTracerProvider(), meters: otel.GetMeterProvider()}
	for _, option := range options {
		option(&c)
	}
	duration, err := c.meters.Meter(scope).Float64Histogram("checkout.store.duration",
		metric.WithDescription("How long calls of the checkout store take."), metric.WithUnit("s"),
		metric.WithExplicitBucketBoundaries(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10))
	if err != nil {
		otel.Handle(err) // the instrument that comes with the error does nothing
	}
	return &observed{store: store, tracer: c.tracers.Tracer(scope), duration: duration, system: c.system}
}

type observed struct {
	store    checkout.Store
	tracer   trace.Tracer
	duration metric.Float64Histogram
	system   string
}

var _ checkout.Store = (*observed)(nil)

// call makes a span and a measurement of one call.
func (o *observed) call(ctx context.Context, operation string, f func(context.Context) error) {
	attributes := []attribute.KeyValue{attribute.String("checkout.operation", operation)}
	if o.system != "" {
		attributes = append(attributes, attribute.String("db.system.name", o.system))
	}
	begin := time.Now()
	ctx, span := o.tracer.Start(ctx, "checkout.store "+operation, trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(attributes...))
	err, returned := error(nil), false
	defer func() {
		if !returned {
			err = errPanicked
		}
		if err != nil {
			kind, fault := kindOf(err)
			errorType := attribute.String("error.type", kind)
			span.SetAttributes(errorType)
			attributes = append(attributes, errorType)
			if fault {
				span.SetStatus(codes.Error, kind) // not the error's own text, which may contain anything
			}
		}
		span.End()
		o.duration.Record(ctx, time.Since(begin).Seconds(), metric.WithAttributes(attributes...))
	}()
	err = f(ctx)
	returned = true
}

var errPanicked = errors.New("the call panicked")

// kindOf returns the error.type of a store's error, and whether it is a failure rather than an answer.
func kindOf(err error) (kind string, fault bool) {
	var invalid *checkout.ValidationError
	switch {
	case errors.Is(err, checkout.ErrOutcomeUnknown): // first, because such an error may also wrap others
		return "outcome_unknown", true
	case errors.Is(err, checkout.ErrUnavailable):
		return "unavailable", true
	case errors.Is(err, checkout.ErrNotFound):
		return "not_found", false
	case errors.Is(err, checkout.ErrConflict):
		return "conflict", false
	case errors.As(err, &invalid):
		return "invalid", false
	case errors.Is(err, context.Canceled):
		return "canceled", true
	case errors.Is(err, context.DeadlineExceeded):
		return "deadline_exceeded", true
	}
	return "_OTHER", true // OpenTelemetry's conventions give this name to all other errors
}

// Create implements [checkout.Store].
func (o *observed) Create(ctx context.Context, s checkout.Session) (held checkout.Session, created bool, err error) {
	o.call(ctx, "create", func(ctx context.Context) error {
		held, created, err = o.store.Create(ctx, s)
		return err
	})
	return held, created, err
}

// Get implements [checkout.Store].
func (o *observed) Get(ctx context.Context, account checkout.Account, id string) (s checkout.Session, err error) {
	o.call(ctx, "get", func(ctx context.Context) error {
		s, err = o.store.Get(ctx, account, id)
		return err
	})
	return s, err
}

// GetByKey implements [checkout.Store].
func (o *observed) GetByKey(ctx context.Context, account checkout.Account, key idempotency.Key) (s checkout.Session, err error) {
	o.call(ctx, "get_by_key", func(ctx context.Context) error {
		s, err = o.store.GetByKey(ctx, account, key)
		return err
	})
	return s, err
}

// Update implements [checkout.Store].
func (o *observed) Update(ctx context.Context, s checkout.Session) (err error) {
	o.call(ctx, "update", func(ctx context.Context) error {
		err = o.store.Update(ctx, s)
		return err
	})
	return err
}

// List implements [checkout.Store].
func (o *observed) List(ctx context.Context, account checkout.Account, q checkout.Query) (sessions []checkout.Session, total int, err error) {
	o.call(ctx, "list", func(ctx context.Context) error {
		sessions, total, err = o.store.List(ctx, account, q)
		return err
	})
	return sessions, total, err
}

// Expire implements [checkout.Store].
func (o *observed) Expire(ctx context.Context, now time.Time, limit int) (sessions []checkout.Session, err error) {
	o.call(ctx, "expire", func(ctx context.Context) error {
		sessions, err = o.store.Expire(ctx, now, limit)
		return err
	})
	return sessions, err
}

// Events implements [checkout.Store].
func (o *observed) Events(ctx context.Context, after checkout.Cursor, limit int) (events []checkout.Event, err error) {
	o.call(ctx, "events", func(ctx context.Context) error {
		events, err = o.store.Events(ctx, after, limit)
		return err
	})
	return events, err
}

// History implements [checkout.Store].
func (o *observed) History(ctx context.Context, account checkout.Account, id string) (events []checkout.Event, err error) {
	o.call(ctx, "history", func(ctx context.Context) error {
		events, err = o.store.History(ctx, account, id)
		return err
	})
	return events, err
}

// Prune implements [checkout.Store].
func (o *observed) Prune(ctx context.Context, before time.Time, limit int) (n int, err error) {
	o.call(ctx, "prune", func(ctx context.Context) error {
		n, err = o.store.Prune(ctx, before, limit)
		return err
	})
	return n, err
}
