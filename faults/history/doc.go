// Package history records the calls of a checkout service and their answers. Every test under faults records in this form,
// and package oracle judges it.
//
// A [Recorder] makes a [Client] for each caller. A Client has the methods of a *checkout.Checkouts, and passes every call on to a
// [Service]: a *checkout.Checkouts, or anything else that has these methods, such as an adapter over HTTP.
//
//	recorder := history.New(history.Header{Test: t.Name(), Store: "sqlite", Seed: seed}, clock)
//	caller := recorder.Client("caller 1", checkouts)
//	session, replayed, err := caller.Create(ctx, params)
//	verdict := oracle.Judge(recorder.History(), oracle.Options{})
//
// # The form
//
// In a file, a history is JSON lines. The first is a [Header]. A [Call] is written before each call is made, and a [Return] with the
// same ID after it has returned. So a process that is killed leaves a file that is complete up to that moment. Calls without a
// return have an unknown outcome. [Recorder.Stream] writes that way, [Read] reads it, and [Merge] joins the files of several
// processes of one machine, whose times are on one clock.
//
// Nothing secret is written. Of an idempotency key there is a digest. The phone number, the texts and the URLs of a request are
// one digest together, with the key as its salt.
package history
