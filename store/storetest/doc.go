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
// that checks cannot share one. Let it release with t.Cleanup what it opened. A check writes a few sessions, 64 at
// most, from up to 16 goroutines. Run it with -race.
//
// A store may constrain its columns to what [checkout.Checkouts] writes, and the checks keep to that: ids of the
// documented form, keys of visible ASCII, text in UTF-8 without U+0000, lengths and amounts in their ranges, and each
// status with the fields that belong to it. It must not judge transitions: a session is updated to any status.
//
// Where the interface leaves something open, the suite settles it, so that all stores answer alike:
//
//   - an instant is cut to the microsecond, never rounded, and comes back in [time.UTC];
//   - a key that is used answers a Create even where the ID is taken too;
//   - an ID is taken whichever account has it, and the error is none of those that the interface names;
//   - List returns sessions as they are kept, whatever their status at the instant asked;
//   - Expire takes sessions that are due at the same instant by ID, ascending; with a limit of 0 it moves none.
//
// What the suite cannot see: whether a created session survives a crash, and whether two instances over one database
// keep the contract between them.
package storetest
