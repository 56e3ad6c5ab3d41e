// Package sqlite keeps sessions in a SQLite database: one file, durable, shared by as many processes of one machine as
// need be. It is written in Go alone (modernc.org/sqlite).
//
//	store, err := sqlite.Open(ctx, "checkouts.db")
//	if err != nil {
//		return err
//	}
//	defer store.Close()
//
// [Open] makes the file and its schema. [New] takes a pool that the host has, beside tables of its own, and
// [Store.WithTx] a transaction of it, so that a session commits or rolls back with the host's order.
//
// # Durability
//
// A write is flushed to disk before it is acknowledged (WAL mode, synchronous=FULL), so it survives a crash of the
// process and of the machine. Writes that are under way at once share a flush.
//
// Where a flush fails, whether the sessions of that commit were written is not known, and their callers get
// [checkout.ErrOutcomeUnknown]. After that neither the page cache of the operating system nor a second flush can be
// trusted, so the store answers nothing any more but [checkout.ErrUnavailable]: close it, and open it again, best in a
// new process, once the disk is well. A full disk is no such case: those writes get ErrUnavailable, are surely not
// written, and go through once there is room.
//
// That holds for a store of Open to the end. On a pool of the host's, the flushes of commits are seen and those of
// SQLite's own checkpoints are not: see [New].
//
// # The file
//
// Beside checkouts.db there are checkouts.db-wal, which grows to some 64 MB under load and beside a large database to 128,
// and further while somebody reads one snapshot for long, as VACUUM INTO does, and checkouts.db-shm while the store is
// open, and after a crash. They belong together: never copy, move or delete one without the others. To copy a database
// that is in use, run VACUUM INTO through SQLite. A program that has the store open must not open the file by other
// means, not even to read it: closing it would drop SQLite's locks (https://www.sqlite.org/howtocorrupt.html, section
// 2.2). A network file system will not do.
package sqlite
