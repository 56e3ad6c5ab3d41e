// Package checkout is the endpoint POST /v1/checkouts for Go hosts that take mobile-money or card payments in the
// eight countries that use XOF: validated, idempotent, durable and fast.
//
// A [Checkouts] has all of the rules, and keeps its sessions in a [Store]. Call it in process:
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
// # Terms
//
// A host is the program that imports this package. A merchant is a customer of the host, and the host takes payments for the
// merchant. An [Account] is a merchant in live or in test mode. A [Session] is a merchant's request for money: it has an amount, a
// payer and a time limit. The operator is the company that moves the money: a mobile-money operator or a card processor. A payment
// is one request of the host to the operator, and is named by its ID. The host may try several payments for one session, and one of
// them may pay it.
//
// An event is one change of a session, or its creation. The feed has the changes of all accounts, in order; a creation is only in
// the session's history. A replay is an answer with a session that an earlier request has made. A session is due when its status is
// created or pending and its ExpiresAt has come; a sweep stores that it has expired. A session is late when it was paid after it had
// ended.
//
// # Idempotency
//
// One idempotency key of one account in one mode names at most one session, until [Checkouts.Prune] removes that session. The same
// request under the key finds that session as it is now; another request is refused and changes nothing. The key is written in the
// same atomic step as the session. So there is no state in between, no lock, and nothing to clean up.
//
// A key belongs to a payment, not to a try. Choose it when the order is made, store it with the order, and send it with every try. Only
// a request that was accepted uses up its key: after a [*ValidationError], correct the request and send it under the same key.
//
// "The same request" compares what a request means. The order of JSON members, white space, escapes, and separators in a phone
// number do not matter. [KeyReusedError] names the members that differ, never their values.
//
// # The life of a session
//
// The host moves a session from status to status as the operator reports:
//
//	[Checkouts.Begin]     the payer is being asked           created    -> pending
//	[Checkouts.Process]   the operator holds the money       pending    -> processing
//	[Checkouts.Complete]  the money is the merchant's        processing -> completed
//	[Checkouts.Fail]      the operator has refused           pending    -> failed
//	[Checkouts.Cancel]    merchant or payer has given up     pending    -> cancelled
//
// Steps may be left out, because an operator may report only the outcome. Every step may be repeated, because operators repeat
// their callbacks: a repeated step changes nothing and is no error. Every call but Cancel names a payment, so the late refusal of
// one attempt cannot end another attempt. [Transitions] is the table of all steps.
//
// Expiry needs no timer. From its ExpiresAt on, a session that is created or pending is shown as expired. [Checkouts.ExpireDue]
// stores the expiries and returns the sessions. A session that is processing never expires, because the operator holds the money.
//
// Money that has moved is always recorded. Complete is accepted for a session that expired, failed or was cancelled. It then sets
// [Session].Late, and the host must still deliver, or pay the money back.
//
// # Errors
//
// A host looks at four kinds of errors:
//
//   - [*ValidationError], [*KeyReusedError], [*TransitionError] and [*PaymentConflictError] say that the call was not right. Nothing
//     was written, and the same call fails again.
//   - [ErrNotFound] says that the account has no such session.
//   - [ErrUnavailable] says that the store is down, full or overloaded. Nothing was written. Call again later.
//   - [ErrOutcomeUnknown] says that nobody knows whether the store has written. Call again with the same key. After a change of a
//     session, read the session.
//
// Every error but ErrOutcomeUnknown is a promise that nothing was written. No error contains a token, a key, a full phone number
// or any other value that a client has sent.
//
// # Money and phones
//
// Amounts are whole numbers of the currency's smallest unit and never pass through floating point: 5000 means 5000 francs in XOF, and
// 50 dollars in USD. Fees are computed with exact decimals and rounded once ([FeeSchedule]), so the net amount and the fee always add
// up to the amount.
//
// Phone numbers are international numbers, of the eight countries unless the host chooses others ([ParsePhone], Config.PhoneRegions).
// Numbers of the old numbering plans of Côte d'Ivoire and Benin are accepted and kept as they were sent; [Phone].Dialable is the
// number that an operator accepts today.
//
// # Learning of changes
//
// Every change is an event, written in the same step. There are three ways to learn of it:
//
//   - [Checkouts.Wait] returns when one session changes, here or in another process. Over HTTP it is "Prefer: wait=60".
//   - [Checkouts.Events] is the feed of all changes, for the host to build on. It never skips one and never goes back.
//   - Package webhook sends each change to the merchant's endpoints, signed, at least once.
//
// # Stores
//
// Package store/memory is for tests and first steps, store/sqlite for one machine, store/postgres for many machines. Package
// store/storetest tests any other [Store]; its use takes five lines. On a durable store, a session that was acknowledged is still
// there after a crash.
//
// # Several instances
//
// Any number of processes may use one PostgreSQL database. Several processes on one machine may use one SQLite database. They need
// not know each other, and there is no leader. If a process is killed in the middle of a call, the database has either the whole
// session or nothing of it. Only three things should be the same in all processes: Config.Fees and the other settings, because each
// instance applies its own; the clocks, to well under a second, because they decide when a session expires; and the keys of package
// paypage.
//
// Two methods have to be called now and then, by any instance or by all: [Checkouts.ExpireDue], and [Checkouts.Prune] if sessions are
// not kept for ever. examples/observed has a loop for ExpireDue.
//
// # Security
//
// An account never sees a session of another account, and neither mode sees the sessions of the other. Such a session is answered as
// if it did not exist. IDs need not be secret. Keys must not be guessable by other clients of the same account. Keys and tokens are
// never answered, logged or put into errors. Free texts, such as a description, are answered to the session's merchant, but never
// logged or put into errors. Phone numbers appear in full only in a session's JSON, which its merchant gets. In logs and under fmt, a
// session shows its number masked, also with %#v. There is one exception: [slog.JSONHandler] writes a slice, a map or a struct as
// JSON, with the full numbers of the sessions in it. Log each session by itself.
//
// Everything that a client sends is bounded before any work is done on it: the body, its nesting, each text, the number of
// metadata members, the digits of a phone number. Waiting requests are bounded by HandlerConfig.MaxWaiting. The host should set a
// rate limit by account, in front of the handler (examples/mounting).
//
// This package does not talk to an operator and never sees a card number. It relies on the host to say which payment belongs to a
// session and whether it was paid. So check the signature of your operator's callbacks, and the amount, before you call
// [Checkouts.Complete].
//
// # Testing code that uses this package
//
// Use store/memory and a clock of your own, and a test can move a session through its life without waiting:
//
//	now := time.Date(2026, time.November, 22, 7, 31, 56, 0, time.UTC)
//	checkouts, err := checkout.New(memory.New(), checkout.Config{
//		Clock: checkout.ClockFunc(func() time.Time { return now }),
//	})
//	// Create a session, then let its time pass:
//	now = now.Add(31 * time.Minute)
//
// Package simulator takes the operator's part. It has payments that are refused, late, reported twice or never answered.
// examples/tested is a host with its tests.
//
// # More
//
// Besides this package there are paypage, the page on which a payer pays; simulator, an operator for tests; and client, for Go
// programs that call the endpoint over HTTP.
package checkout
