// Package sqlite keeps sessions in a SQLite database: one file, durable, shared by any number of processes on one machine. It
// uses modernc.org/sqlite, a translation of SQLite to Go that needs no C compiler.
//
//	store, err := sqlite.Open(ctx, "checkouts.db")
//	if err != nil {
//		return err
//	}
//	defer store.Close()
//
// [Open] makes the file and its schema. [New] uses the host's own pool (*sql.DB), whose database may also contain the host's own
// tables. [Store.WithTx] uses a transaction of the host, so that a session commits or rolls back together with the host's order.
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
// A store that Open made notices every flush that fails. A store on the host's pool notices a failed flush of a commit, but not one
// of SQLite's own checkpoints: see [New].
//
// # The file
//
// While the store is open, and after a crash, there are two files beside checkouts.db. checkouts.db-wal grows to some 64 MB under
// load, or to 128 MB if the database is large. It grows further while somebody reads one snapshot for long, as VACUUM INTO does.
// checkouts.db-shm is small. The three belong together: never copy, move or delete one without the others. To copy a database
// that is in use, run VACUUM INTO.
//
// A program that has the store open must not open the file without SQLite, for example with os.Open, not even to read it. When the
// program closes the file again, it loses SQLite's locks (https://www.sqlite.org/howtocorrupt.html, section 2.2). The file must be on
// a local disk: network file systems break the locks.
package sqlite
