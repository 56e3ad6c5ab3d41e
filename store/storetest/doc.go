// Package storetest holds a [checkout.Store] to its contract.
//
// A new store proves itself in five lines:
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) checkout.Store {
//			return mystore.New(emptyDatabase(t))
//		})
//	}
//
// The function is called once for every check and returns a store that holds nothing: Expire sees every account, so
// that checks cannot share one. Let it release what it opened with t.Cleanup. A check writes a few sessions, fifty at
// most; those of concurrency use up to sixteen goroutines at once. Run with -race.
//
// Checks pass on any store that keeps the contract, whatever it is made of. They send what [checkout.Checkouts] can
// send: ids of the documented form, keys of visible ASCII, texts in UTF-8 without U+0000, statuses with the fields
// that belong to them. So a store may constrain its columns accordingly. Three points that the interface leaves
// open are settled here, so that all stores answer alike: instants are cut to the microsecond, not rounded; Expire
// takes sessions that are due at the same instant by ID, ascending; and a key that is used answers a Create even where
// the ID is taken too.
//
// What the suite cannot see: whether a created session survives a crash, and whether two instances over one database
// keep the contract between them.
package storetest
