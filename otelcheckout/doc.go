// Package otelcheckout reports to OpenTelemetry what the stores of github.com/caisse/checkout do and how sessions end. It is a module of
// its own, so that the library itself does not depend on OpenTelemetry.
//
//	store = otelcheckout.Store(store, otelcheckout.System("postgresql"))
//	checkouts, err := checkout.New(store, checkout.Config{})
//	go otelcheckout.Observe(ctx, checkouts, meter) // on one instance
//	http.Handle("/", otelhttp.NewHandler(mux, "checkout"))
//
// The handlers set [net/http.Request.Pattern], so otelhttp and others name spans and metrics by route, such as "POST /v1/checkouts" and
// "GET /v1/checkouts/{id}".
//
// Spans and metrics:
//
//   - a span "checkout.store create" (or get, get_by_key, update, list, expire, events, history, prune) for each call of the
//     store; its kind is client, and its parent is the span of the request, if there is one;
//   - the histogram checkout.store.duration, in seconds, of the same calls;
//   - by [Observe], the counter checkout.sessions.ended, and the histogram checkout.sessions.duration, in seconds from the
//     creation of a session to its outcome.
//
// The attributes of store calls are checkout.operation, db.system.name if the host has set it, and error.type. Those of sessions are
// checkout.status, checkout.currency, checkout.livemode and checkout.late. So there are few time series, however many merchants
// and payers there are. No attribute contains an account, a session's ID, a phone number, a key or a token.
//
// error.type is one of not_found, conflict, invalid, unavailable, outcome_unknown, canceled, deadline_exceeded and _OTHER. The first
// three are answers of a store that works. They do not set the span's status to Error.
package otelcheckout
