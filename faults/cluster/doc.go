// Package cluster has suites on a PostgreSQL cluster as a host would run it: three nodes under Patroni with synchronous_mode,
// etcd, HAProxy, and PgBouncer by transaction and by session, all on free ports of the loopback. It starts and stops all of that
// itself, from Debian's packages etcd-server, patroni, python3-etcd, haproxy, pgbouncer and postgresql. Where one is missing the report says
// "not run", and CI fails.
//
// Patroni makes another node the leader when one is lost. The suites lose nodes while callers create and pay for sessions, and
// dispatchers send what became of them. What was acknowledged must be there afterwards, and every event delivered.
package cluster
