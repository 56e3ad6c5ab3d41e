// Package cluster has suites on a PostgreSQL cluster as a host would run it: three nodes under Patroni with synchronous_mode, etcd,
// HAProxy, and PgBouncer by transaction and by session, all on free ports of the loopback. It starts and stops all of that itself, from
// Debian's packages etcd-server, patroni, haproxy, pgbouncer and postgresql. Where one is missing it says "not run".
//
// Patroni keeps the cluster: it makes another node the leader when one is lost. The suites lose nodes, and hold the store to what
// it has acknowledged.
package cluster
