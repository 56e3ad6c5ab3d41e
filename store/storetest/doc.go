// Package storetest tests a [checkout.Store] against its contract, which is the comments of that interface. It requires nothing
// beyond these comments, and never gives a store a value that they exclude.
//
// The test of a new store takes five lines:
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) checkout.Store {
//			return mystore.New(emptyDatabase(t))
//		})
//	}
//
// The function is called once for every check, and must return an empty store each time. Checks cannot share a store, because Expire,
// Events and Prune see every account. The function should use t.Cleanup to close what it opens. Most checks write
// at most 100 sessions, from up to 16 goroutines. One check writes 10,007 sessions from 8 goroutines, to see where a list stops
// counting. Run the suite with -race.
//
// A store may constrain its columns to what [checkout.Checkouts] writes, and the checks keep to that: ids of the documented form,
// keys of visible ASCII, text in UTF-8 without U+0000, lengths and amounts in their ranges. It must not check transitions: the
// suite updates a session to any status.
//
// An event may take up to ten seconds to appear in the feed, because a transaction of another test may delay it. To test that a
// store refuses cursors that it has not made, the suite sends texts that no store would make, such as a blank.
//
// The suite cannot see whether a session or an event survives a crash, nor whether two instances over one database keep the
// contract together.
package storetest
