// Package cluster has suites on a PostgreSQL cluster as a host would run it: three nodes under Patroni with synchronous_mode, etcd,
// HAProxy, and PgBouncer with pool_mode transaction and session, all on free ports of the loopback interface. The package itself starts
// and stops these programs, from Debian's packages etcd-server, patroni, python3-etcd, haproxy, pgbouncer and postgresql. If one of them
// is missing, the suites are skipped, and in CI they fail.
//
// When Patroni loses the leader, it makes another node the leader. The suites make nodes fail while callers create sessions and pay
// for them, and dispatchers send webhooks. Afterwards every acknowledged session must be found, and every event must be delivered.
package cluster
