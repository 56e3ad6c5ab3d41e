// Package history records what callers asked of a checkout service and what they were told: the one form in which every
// test under faults keeps what happened, and which package oracle judges.
//
// A [Recorder] makes a [Client] for each caller, which has the methods of a *checkout.Checkouts and passes every call
// on to one, or to anything else that has them ([Service]): an adapter over HTTP, say.
//
//	recorder := history.New(history.Header{Test: t.Name(), Store: "sqlite", Seed: seed}, clock)
//	caller := recorder.Client("caller 1", checkouts)
//	session, replayed, err := caller.Create(ctx, params)
//	verdict := oracle.Judge(recorder.History(), oracle.Options{})
//
// # The form
//
// As a file a history is JSON lines: a [Header], then a [Call] for every call before it is made and a [Return] when it
// has come back, matched by ID. So a process that is killed leaves a file that is whole up to there: calls without a
// return have an unknown outcome. [Recorder.Stream] writes that way, [Read] reads it, and [Merge] joins the files of several
// processes of one machine, whose times are on one clock.
//
// Nothing that is secret is written: an idempotency key is a digest of it, and the phone number, the texts and the URLs
// of a request are one digest together, whose salt is the key.
package history
