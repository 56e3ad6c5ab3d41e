// Package checkout is the endpoint POST /v1/checkouts for Go hosts that take mobile-money or card payments in the
// eight countries that use XOF: validated, idempotent and durable.
//
// A [Checkouts] over a [Store] holds every rule. Call it in process:
//
//	store, err := sqlite.Open(ctx, "checkouts.db")
//	checkouts, err := checkout.New(store, checkout.Config{})
//	session, replayed, err := checkouts.Create(ctx, checkout.CreateParams{
//		Account:        checkout.Account{ID: "acct_1"},
//		IdempotencyKey: key, // chosen once per payment, before the first try
//		Amount:         5000,
//		Currency:       "XOF",
//		UserPhone:      "+22507987654",
//	})
//
// or mount it in any server as an [http.Handler]:
//
//	auth, err := checkout.BearerTokens(map[string]checkout.Account{token: {ID: "acct_1"}})
//	handler, err := checkout.NewHandler(checkouts, auth, checkout.HandlerConfig{})
//	mux.Handle("/v1/", handler)
//
// # What it promises
//
// One idempotency key of one account in one mode names at most one session, ever. The same request under it finds that
// session as it is now; another request is refused and changes nothing. The key is written in the same atomic step as the
// session, so there is no state in between, no lock, and nothing to clean up.
//
// A session that was acknowledged is there after a crash, on a store that is durable. An error that is not
// [ErrOutcomeUnknown] says that nothing was written. Under an idempotency key the same call may be made again after any
// error.
//
// Amounts are whole numbers of the currency's smallest unit and never pass through floating point. Phone numbers, keys and
// tokens never appear in full in a log or an error of this package.
//
// # What the host does
//
// The host drives the session by what its operator tells it: [Checkouts.Begin], [Checkouts.Process],
// [Checkouts.Complete], [Checkouts.Fail], [Checkouts.Cancel]. All of them may be repeated, since operators repeat their
// callbacks. [Transitions] is the table that they follow. Expiry needs no timer: a session answers expired from its
// instant on; [Checkouts.ExpireDue] makes that permanent and tells which sessions it was.
//
// # Stores
//
// Package store/memory is for tests and first steps, store/sqlite for one machine, store/postgres past one machine.
// Another [Store] proves itself in five lines with store/storetest.
package checkout
