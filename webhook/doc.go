// Package webhook tells merchants about the changes of their checkout sessions. It sends each change to the endpoints that they have
// registered, signed as Standard Webhooks 1.0 requires, at least once, even if a process is killed meanwhile.
//
//	hooks, err := webhook.New(checkouts, store.Webhooks(), webhook.Config{})
//	go hooks.Run(ctx) // on any number of instances
//	handler, err := webhook.NewHandler(hooks, auth, webhook.HandlerConfig{})
//	mux.Handle("/v1/webhooks", handler)
//	mux.Handle("/v1/webhooks/", handler)
//
// # What is promised
//
// Every change of a session except its creation is sent to every endpoint of its account and mode that is active, wants this type of
// event, and was created before the change. The event is sent until the endpoint answers with a 2xx, in at most ten tries over some three days.
// The events come from the feed of package checkout, which has every change that was made and no other.
//
// Two steps make that safe. Planning reads the feed. In one transaction it writes one delivery for each endpoint that wants an
// event, and stores how far it has read. So no event is planned twice or forgotten. Delivering claims deliveries that are due,
// sends them, and stores the results. A claim is valid for a limited time, the lease. If a program is killed after an endpoint has answered and
// before the result is stored, the lease runs out and the delivery is sent once more. So a receiver must recognize an event that
// it has seen before, by webhook-id, or by session and sequence.
//
// Deliveries may arrive in any order. Each event carries its sequence number in the session. A receiver that keeps the greatest number
// of each session can recognize an older event, and drop it.
//
// # Which addresses are allowed
//
// A merchant chooses the URL, and the server that calls it is inside the host's network. So a URL must be https, and the
// address to which its host resolves is checked when the connection is made: an address that is not public is refused. Redirects are
// not followed, and no proxy of the environment is used.
//
// # Secrets
//
// A secret is stored in clear, because it is needed to sign, unless Config.Seal and Config.Open encrypt it. It is shown once, when it is
// made. It is in no log, error or list.
package webhook
