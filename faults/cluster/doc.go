// Package cluster has suites on a PostgreSQL cluster as a host would run it: three nodes under Patroni with synchronous_mode,
// etcd, HAProxy, and PgBouncer by transaction and by session, all on free ports of the loopback. It starts and stops all of that
// itself, from Debian's packages etcd-server, patroni, python3-etcd, haproxy, pgbouncer and postgresql. If one is missing the report says
// "not run", and CI fails.
//
// When Patroni loses the leader, it makes another node the leader. The suites make nodes fail while callers create sessions and pay
// for them, and dispatchers send webhooks. Afterwards everything that was acknowledged must be there, and every event delivered.
package cluster
