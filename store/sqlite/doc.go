// Package sqlite keeps sessions in a SQLite database: one file, durable, shared by any number of processes on one machine. It
// uses a SQLite that is written only in Go (modernc.org/sqlite).
//
//	store, err := sqlite.Open(ctx, "checkouts.db")
//	if err != nil {
//		return err
//	}
//	defer store.Close()
//
// [Open] makes the file and its schema. [New] uses a pool of the host's, whose database may also have tables of the host.
// [Store.WithTx] uses a transaction of the host's, so that a session commits or rolls back with the host's order.
//
// # Durability
//
// A write is flushed to disk before it is acknowledged (WAL mode, synchronous=FULL), so it survives a crash of the
// process and of the machine. Concurrent writes share a flush.
//
// If a flush fails, nobody knows whether the sessions of that commit were written, and their callers get
// [checkout.ErrOutcomeUnknown]. From then on neither the page cache of the operating system nor a second flush can be
// trusted. So every later call fails with [checkout.ErrUnavailable]: close the store and open it again, best in a new process,
// once the disk works. A full disk is different: those writes fail with ErrUnavailable and are certainly not written, and
// writes succeed again once there is room.
//
// A store of Open notices every flush that fails. On a pool of the host's, it notices the flushes of commits and not those of
// SQLite's own checkpoints: see [New].
//
// # The file
//
// While the store is open, and after a crash, there are two files beside checkouts.db. checkouts.db-wal grows to some 64 MB under
// load, or to 128 MB if the database is large. It grows further while somebody reads one snapshot for long, as VACUUM INTO does.
// checkouts.db-shm is small. The three belong together: never copy, move or delete one without the others. To copy a database
// that is in use, run VACUUM INTO.
//
// A program that has the store open must not open the file by other means, not even to read it: when it closes the file again,
// SQLite's locks are lost (https://www.sqlite.org/howtocorrupt.html, section 2.2). The file must be on a local disk: network file
// systems break the locks.
package sqlite
