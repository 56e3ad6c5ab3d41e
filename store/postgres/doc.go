// Package postgres keeps checkout sessions in PostgreSQL, for hosts that outgrow one machine: any number of instances
// may share one database, its replicas and its failover.
//
//	store, err := postgres.Open(ctx, "postgres://checkout@db1,db2/shop?target_session_attrs=read-write")
//	defer store.Close()
//	checkouts, err := checkout.New(store, checkout.Config{})
//
// A durable write costs a disk flush, and a flush carries many rows as easily as one. So creates that come at once share
// a transaction, as do updates: one INSERT or UPDATE for up to 256 rows. Nothing waits for others to come: a lone call
// goes at once. A row that fails, or that another transaction holds for more than 100 ms, goes again alone, and does
// not fail those it came with.
//
// # Outcomes
//
// [checkout.ErrUnavailable] says that nothing was written: the server refuses connections, starts or shuts down
// (57P01 to 57P03), has none left or lacks some other resource (class 53), is read-only (25006), was too slow (57014) or
// another transaction held the row for more than two seconds (55P03); or serialization failures and deadlocks (40001, 40P01) did not
// end after five tries. [checkout.ErrOutcomeUnknown] says that COMMIT was sent and its answer is not to be had: the
// connection broke, ten seconds passed, or the server committed with a warning, as PostgreSQL does when its wait for
// a standby is cancelled. The same call with the same key finds out. No other error is either.
//
// A commit that takes too long is not cancelled, only no longer waited for. To cancel it would end its wait for a
// standby and show a session to others, who might replay it, that a failover can still lose.
//
// # What the database must be
//
// The URL must lead to the primary: reads go there too, so that they see what was acknowledged. What is acknowledged is
// as durable as the server makes it: leave fsync and synchronous_commit on, and leave client_min_messages at warning or
// below. With synchronous_standby_names set, what was acknowledged is there after a failover to such a standby.
//
// The default isolation of the database does not matter: the store writes with READ COMMITTED. Its statements need
// SELECT, INSERT and UPDATE on checkout_sessions; [Migrate] needs CREATE on the schema, once for each release that
// brings a migration.
//
// Behind a pooler in transaction mode, such as PgBouncer before 1.21 or without max_prepared_statements, add
// default_query_exec_mode=exec to the URL. The store uses no advisory locks, no LISTEN, no session settings and no
// temporary tables.
//
// # Sessions of one account on one server
//
// Every statement but the sweep's names the account. The table can be partitioned by hash of the account: the primary
// key must then be (account, id), which a host's own migration says in place of 0001_sessions.sql.
package postgres
