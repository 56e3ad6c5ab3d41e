// Package postgres keeps checkout sessions in PostgreSQL, for hosts that outgrow one machine: any number of instances
// may share one database, its replicas and its failover.
//
//	store, err := postgres.Open(ctx, "postgres://checkout@db1,db2/shop?target_session_attrs=read-write")
//	defer store.Close()
//	checkouts, err := checkout.New(store, checkout.Config{})
//
// A durable write costs a disk flush, and a flush carries many rows as easily as one. So concurrent creates share a
// transaction, and so do updates: one INSERT or UPDATE for up to 256 rows. Nothing waits for more callers to arrive: a single
// call is written at once. If a batch fails, or one of its rows is locked by another transaction for more than 100 ms, each of
// its rows is retried in its own transaction. So one bad row does not fail the others.
//
// # Connections
//
// One store writes with eight connections at most, however many callers there are: two batches of creates, two of updates, two
// rows that are retried, and two that wait for a locked row. A sweep, a call of Prune and each write of [Store.Webhooks] take one
// more while they last. The rest of the pool is for reads. All callers that wait for the same locked key or session share one
// connection. The other callers of their batch are delayed by 100 ms, and by 50 ms more for each further key or session that is
// found to be locked at the same time.
//
// # Outcomes
//
// [checkout.ErrUnavailable] says that nothing was written, for one of these reasons:
//
//   - The server refuses connections, starts or shuts down (57P01 to 57P03), has no connection left or lacks some other resource
//     (class 53), is read-only (25006), or was too slow (57014).
//   - The pool gave no connection within five seconds, the connection broke before COMMIT was sent, or ten seconds passed
//     before that or in a read.
//   - Another transaction has locked the row for too long (55P03). The first caller waits for two seconds, and for up to two more
//     if rows with other locks wait before it. Callers that come later wait only until the first one gives up.
//   - Serialization failures and deadlocks (40001, 40P01) did not end after five tries.
//   - Another session had the key, and Prune removed that session during the call.
//
// [checkout.ErrOutcomeUnknown] says that COMMIT may have been sent, and that nothing proves its outcome, for one of these reasons:
//
//   - The connection broke, or ten seconds passed.
//   - COMMIT failed with an internal error (class XX) or an I/O error (class 58), or a pooler has lost the server (class 08).
//   - The server committed with a warning, as PostgreSQL does when its wait for a standby is cancelled.
//   - A function of the host, such as a tracer, panicked during the write.
//
// Repeat the call with the same key to learn the outcome. No other error is or wraps one of these two.
//
// If a commit takes too long, the store stops waiting for it, but does not cancel it. A cancellation would end the commit's wait
// for a standby. Others could then see and replay a session that a failover can still lose. If the connection breaks during such
// a wait, pgx itself asks the server to cancel. If that request arrives, such a session may be seen.
//
// # What the database must be
//
// The URL must lead to the primary: reads go there too, so that they see every acknowledged write. An acknowledged write is as
// durable as the server makes it: leave fsync and synchronous_commit on, and leave client_min_messages at warning or a lower
// level. With synchronous_standby_names set, every acknowledged write survives a failover to such a standby.
//
// PostgreSQL must be 14 or later, and the database's encoding UTF8. The default isolation of the database does not matter: the store
// writes with READ COMMITTED. Its statements need SELECT, INSERT, UPDATE and DELETE on checkout_sessions, and SELECT, INSERT and
// DELETE on checkout_events. DELETE is for Prune alone. [Store.Webhooks] needs SELECT, INSERT, UPDATE and DELETE on
// checkout_webhooks and checkout_webhook_deliveries, and SELECT and UPDATE on checkout_webhook_position. [Open] and [Migrate] need
// SELECT on checkout_migrations. When a release brings a migration, the role that applies it must own all tables, and have CREATE
// on the schema.
//
// Behind a pooler in transaction mode, such as PgBouncer before 1.21 or without max_prepared_statements, statements cannot be
// prepared. [Open] notices a pooler and uses default_query_exec_mode=exec, unless the URL names a mode. For the pool of [New], set
// this mode yourself. Under any mode but the default one, or with a tracer on the host's own pool, a write waits for two answers
// rather than one, which takes some 20 µs longer. The store uses no advisory locks, no LISTEN, no session settings and no
// temporary tables.
//
// # Events
//
// Update and Expire append the event in the statement of the change, so that both are stored or neither, also in a transaction of
// the host's. The feed of Events is ordered by transaction. It shows an event only after every transaction has ended that began to
// write before the event's own transaction did, in any database of the same server. So a transaction that has written and is left
// open, or is prepared and not finished, delays the feed and everything that is built on it, such as webhooks. It does not delay
// the sessions. A transaction that only reads delays nothing. Set idle_in_transaction_session_timeout. To find a transaction that
// delays the feed, look in pg_stat_activity, by backend_xid, and in pg_prepared_xacts.
//
// A place in the feed begins with the number of a transaction. The server counts its transactions. Its standbys, a base backup and
// pg_upgrade keep the count. A dump does not: a new server counts from the beginning. If the dump is restored there, the feed does
// not show the old events, new events come before them, and older cursors are refused. There are two ways to avoid that.
//
// The first is to raise the count of the new server before any program uses it. Compute N with
//
//	SELECT div(max(xid::text::numeric), 4294967296) + 1 FROM checkout_events
//
// Then stop the server, run pg_resetwal --epoch=N on its data, and start it. All cursors stay valid.
//
// If that cannot be done, let every reader reach the end of the feed before the dump. After the restore, run
//
//	UPDATE checkout_events SET xid = '3' WHERE xid IS NOT NULL
//
// All readers must then begin at the cursor of [checkout.LastEvent], because their old cursors may be refused or skip events.
// The same holds for logical replication to another server.
//
// # Upgrades
//
// Programs of the previous release can run beside this one. Their changes write no event, so the feed does not show them. The
// history does: the next change by this release also stores the state that it finds. The lists of the older programs become slow
// in a large table, because 0006_created.sql and 0007_waiting.sql replace the index that these programs use.
//
// 0002_events.sql takes milliseconds. 0003_lists.sql rewrites the table and its indexes, and locks the table meanwhile. On two
// cores that took 24 s for 2,000,000 sessions and 103 s for 10,000,000. It needs as much free room on the disk as the table and
// its indexes take. Calls in that time fail with [checkout.ErrUnavailable]. The new column is computed by PostgreSQL, so that
// lists are right while older programs write, too. 0004_pending.sql builds an index, 0006_created.sql and 0007_waiting.sql two
// each. Meanwhile writes of sessions wait, and at the end of the two last ones reads wait for a moment, too. Calls that wait for
// too long fail with [checkout.ErrUnavailable].
//
// # Partitions
//
// The table of sessions can be partitioned by hash of the account. The primary key must then be (account, id), which a host's own
// migration must say in place of 0001_sessions.sql. Most statements name the account, and so need only its partition. The feed takes
// the account from each event. Three kinds of statement search all partitions: those of the sweep and of Prune, the search of a
// list for due sessions, and the check whether an id is taken.
package postgres
