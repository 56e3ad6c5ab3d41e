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
// rows that are retried, and two that wait for a locked row. A sweep takes one more while it lasts. The rest of the pool is for
// reads. Callers whose key or session is locked for long share one connection while they wait. The other callers of their batch
// are delayed by those 100 ms, and by 50 ms more for each further key or session that is found to be locked at the same time.
//
// # Outcomes
//
// [checkout.ErrUnavailable] says that nothing was written: the server refuses connections, starts or shuts down
// (57P01 to 57P03), has none left or lacks some other resource (class 53), is read-only (25006), was too slow (57014) or
// another transaction held the row for too long (55P03), which is two seconds for whoever comes first and less for those
// who join the wait; or serialization failures and deadlocks (40001, 40P01) did not end after five tries.
// [checkout.ErrOutcomeUnknown] says that COMMIT was sent and its answer is not to be had: the connection broke, ten
// seconds passed, or the server committed with a warning, as PostgreSQL does when its wait for a standby is cancelled.
// The same call with the same key finds out. No other error is either.
//
// A commit that takes too long is not cancelled, only no longer waited for. To cancel it would end its wait for a
// standby and show a session to others, who might replay it, that a failover can still lose.
// Where the connection breaks in the midst of such a wait, pgx itself asks the server to cancel: if that gets through,
// such a session may be seen.
//
// # What the database must be
//
// The URL must lead to the primary: reads go there too, so that they see what was acknowledged. What is acknowledged is
// as durable as the server makes it: leave fsync and synchronous_commit on, and leave client_min_messages at warning or
// below. With synchronous_standby_names set, what was acknowledged is there after a failover to such a standby.
//
// PostgreSQL must be 14 or later, and the database's encoding UTF8. The default isolation of the database does not matter: the store
// writes with READ COMMITTED. Its statements need SELECT, INSERT, UPDATE and DELETE on checkout_sessions, and SELECT, INSERT and
// DELETE on checkout_events. DELETE is for Prune alone. [Store.Webhooks] needs SELECT, INSERT, UPDATE and DELETE on
// checkout_webhooks and checkout_webhook_deliveries, and SELECT and UPDATE on checkout_webhook_position. [Migrate] needs to own
// all tables, and CREATE on the schema, once for each release that brings a migration.
//
// Behind a pooler in transaction mode, such as PgBouncer before 1.21 or without max_prepared_statements, statements cannot be
// prepared. [Open] notices a pooler and uses default_query_exec_mode=exec, unless the URL names a mode; give it to the pool of
// [New] yourself. Under any mode but the default one, or with a tracer on the host's own pool, a write waits for two answers
// rather than one, which takes some 20 µs longer. The store uses no advisory locks, no LISTEN, no session settings and no
// temporary tables.
//
// # Events
//
// Update and Expire append the event in the statement of the change, so that either both are there or neither, in a
// transaction of the host's too. The feed of Events is ordered by transaction. It shows an event once every transaction is
// over that has written, on the same server, in any database, and was under way when the event was. So a transaction that
// has written and is left open, or prepared and not finished, holds up the feed, and all that stands on it; it does
// not hold up the sessions. One that only reads does not hold it up. Set idle_in_transaction_session_timeout, and look for
// the culprit in pg_stat_activity, by backend_xid, and in pg_prepared_xacts.
//
// The places of the feed are those of the server's count of transactions, which its standbys, a base backup and pg_upgrade
// keep. A dump does not: a new server counts from the beginning. Restored there, the old events are not shown, new ones
// would stand before them, and a cursor from before is refused. Either give the new server a count beyond, before any
// program uses it: with N as
//
//	SELECT div(max(xid::text::numeric), 4294967296) + 1 FROM checkout_events
//
// stop it, run pg_resetwal --epoch=N on its data, and start it. Cursors stay good. Or, where that cannot be done: let every
// reader reach the end of the feed before the dump, and after the restore
//
//	UPDATE checkout_events SET xid = '3' WHERE xid IS NOT NULL
//
// Readers must then begin anew, at the cursor of [checkout.LastEvent]: their old ones may be refused, or pass over events.
// The same holds for logical replication to another server.
//
// # Upgrades
//
// Programs of the release before go on beside this one. What they change has no event, and the feed does not tell it. The
// history does: the next change by this release keeps the state that it finds. Their lists take long in a large table, since
// 0006_created.sql and 0007_waiting.sql put three indexes in place of the one that they read.
//
// 0002_events.sql takes milliseconds. 0003_lists.sql writes the table anew, with its indexes, and keeps everybody from it
// meanwhile: measured, 24 s for 2,000,000 sessions and 103 s for 10,000,000, on two cores. It needs as much free room on
// the disk as the table and its indexes have. Calls in that time fail with [checkout.ErrUnavailable]. The new column is
// computed by PostgreSQL, so that lists are right while older programs write, too. 0004_pending.sql builds an index,
// 0006_created.sql and 0007_waiting.sql two each; nobody writes sessions meanwhile.
//
// # Sessions of one account on one server
//
// Every statement names the account but those of the sweep, the feed and Prune. The table of sessions can be partitioned
// by hash of the account: the primary key must then be (account, id), which a host's own migration says in place of
// 0001_sessions.sql.
package postgres
