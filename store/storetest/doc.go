// Package storetest holds a [checkout.Store] to its contract: the comments of that interface. It asks for nothing that they
// do not say, and gives a store nothing that they rule out.
//
// A new store proves itself in five lines:
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) checkout.Store {
//			return mystore.New(emptyDatabase(t))
//		})
//	}
//
// The function is called once for every check and returns a store that holds nothing: Expire, Events and Prune see every
// account, so that checks cannot share one. Let it release with t.Cleanup what it opened. Most checks write some sessions,
// 100 at most, from up to 16 goroutines. One writes 10,007 from 64, to see where a list stops counting. Run it with -race.
//
// A store may constrain its columns to what [checkout.Checkouts] writes, and the checks keep to that: ids of the
// documented form, keys of visible ASCII, text in UTF-8 without U+0000, lengths and amounts in their ranges. It must not
// judge transitions: a session is updated to any status.
//
// An event may take up to ten seconds to appear in the feed, as it does where a transaction of another test holds it up. What
// is sent as a cursor that no store has made is text that none would write, such as a blank.
//
// What the suite cannot see: whether a session or an event survives a crash, and whether two instances over one database keep
// the contract between them.
package storetest
