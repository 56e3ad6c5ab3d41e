// Package webhook tells merchants what becomes of their checkout sessions: it sends each change to the endpoints that they
// have registered, signed as Standard Webhooks 1.0 has it, at least once, whatever is killed meanwhile.
//
//	hooks, err := webhook.New(checkouts, store.Webhooks(), webhook.Config{})
//	go hooks.Run(ctx) // on any number of instances
//	handler, err := webhook.NewHandler(hooks, auth, webhook.HandlerConfig{})
//	mux.Handle("/v1/webhooks", handler)
//	mux.Handle("/v1/webhooks/", handler)
//
// # What is promised
//
// Every change of a session, its creation aside, is sent to every endpoint of its account and mode that is active and wants
// it, until the endpoint answers with a 2xx or the schedule of ten tries, over some three days, is over. The events come from the feed of
// package checkout, which holds every change that was made and no other.
//
// Two steps make that safe. Planning writes one delivery for each endpoint that wants an event, and moves the place in the
// feed, in one transaction: so no event is planned twice or never. Delivering claims what is due for a while (the lease), sends it and
// writes down what came of it. A program that is killed after the answer and before that was written leaves a lease that runs out, and the
// delivery is sent once more: a receiver must know an event that it has seen, by webhook-id or by session and sequence.
//
// Deliveries are in no order. Each event carries the session's sequence number, so a receiver drops what is stale with one
// comparison.
//
// # What may be dialled
//
// A merchant chooses the address, and the server that calls it stands inside the host's network. So a URL must be https, and
// what it resolves to is checked when the connection is made: whatever is not a public address is refused. Redirects are
// not followed, and no proxy of the environment is used.
//
// # Secrets
//
// A secret is kept as it is needed to sign, which is in clear unless Config.Seal and Config.Open say otherwise. It is shown
// when it is made and never again, and stands in no log, error or list.
package webhook
