// Package history records the calls of a checkout service and their answers. Every test under faults records in this form,
// and package oracle judges it.
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
// Nothing secret is written. Of an idempotency key there is a digest. The phone number, the texts and the URLs of a request are
// one digest together, with the key as its salt.
package history
