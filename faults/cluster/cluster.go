//go:build linux

package cluster

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/caisse/checkout/internal/pgtest"
)

// settings decide how long a cluster has no leader after it has lost one. See docs/postgresql.md.
type settings struct {
	ttl      time.Duration // after which a leader that has not renewed its lock is replaced
	loopWait time.Duration // between two checks that the Patroni of a node makes
	retry    time.Duration // for how long Patroni tries to reach etcd or its PostgreSQL server

	asynchronous bool // the control: commits do not wait for a standby
}

// cluster has three nodes, etcd and the proxies. If a method waits for something that does not happen, it fails the test.
type cluster struct {
	settings
	tb      testing.TB
	dir     string
	etcd    *program
	nodes   []*node
	proxies []*program // HAProxy, and PgBouncer in both modes
	haproxy int        // its port
	pooled  [2]int     // the ports of PgBouncer, by transaction and by session
	clear   func()     // makes the watchdog end all processes and remove dir
}

// start starts a cluster, which ends with the test. It returns once there is a leader with its synchronous standby.
func start(tb testing.TB, s settings) *cluster {
	tb.Helper()
	postgres := pgtest.Binaries(tb)
	if err := exec.Command("/usr/bin/python3", "-c", "import etcd").Run(); err != nil {
		pgtest.Missing(tb, fmt.Errorf("python3-etcd is not installed: %w", err))
	}
	etcd, patroni, haproxy, pgbouncer := pgtest.Find(tb, "etcd"), pgtest.Find(tb, "patroni"), pgtest.Find(tb, "haproxy"), pgtest.Find(tb, "pgbouncer")
	dir, err := os.MkdirTemp("", "cluster")
	if err != nil {
		tb.Fatal(err)
	}
	c := &cluster{settings: s, tb: tb, dir: dir}
	c.watch()
	tb.Cleanup(c.end)
	if err := pgtest.Give(dir); err != nil {
		tb.Fatal(err)
	}
	free := pgtest.Ports(tb, 11)
	client, peer := fmt.Sprintf("http://127.0.0.1:%d", free[0]), fmt.Sprintf("http://127.0.0.1:%d", free[1])
	c.etcd = c.run(etcd, "--data-dir", filepath.Join(dir, "etcd"), "--enable-v2", "--listen-client-urls", client, "--advertise-client-urls", client,
		"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", "default="+peer)
	for n := range 3 {
		name := fmt.Sprintf("node%d", n+1)
		member := &node{name: name, data: filepath.Join(dir, name), api: free[2+n], sql: free[5+n]}
		member.program = c.run(patroni, c.write(name+".yml", c.patroniConfig(member, free[0], postgres)))
		c.nodes = append(c.nodes, member)
	}
	c.awaitHealth()

	c.haproxy, c.pooled = free[8], [2]int{free[9], free[10]}
	c.proxies = append(c.proxies, c.run(haproxy, "-f", c.write("haproxy.cfg", c.haproxyConfig())))
	for n, mode := range []string{"transaction", "session"} {
		c.proxies = append(c.proxies, c.run(pgbouncer, c.write("pgbouncer-"+mode+".ini", c.pgbouncerConfig(c.pooled[n], mode))))
	}
	c.awaitProxies()
	return c
}

func (c *cluster) awaitProxies() {
	c.tb.Helper()
	c.await("the proxies to listen", 30*time.Second, func() bool {
		for _, port := range []int{c.haproxy, c.pooled[0], c.pooled[1]} {
			conn, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", port), time.Second)
			if err != nil {
				return false
			}
			conn.Close()
		}
		return true
	})
}

// watchdog is a shell script. Its input ends when the test is over or killed. Then it kills every process whose command line has the
// folder $1. The children of a PostgreSQL server are not among these. They end by themselves when the server is gone, but not while they
// are stopped, so the script first continues the children of each process.
const watchdog = `cat
for started in $(grep -aFl -- "$1" /proc/[0-9]*/cmdline | cut -d/ -f3); do
	[ "$started" = $$ ] && continue
	for child in $(cat "/proc/$started/task/$started/children"); do kill -CONT "$child"; done
	kill -KILL "$started"
done 2>/dev/null
rm -rf "$1" || { sleep 1; rm -rf "$1"; } # a process may have been writing until now`

func (c *cluster) watch() {
	c.tb.Helper()
	cmd := exec.Command("/bin/sh", "-c", watchdog, "watchdog", c.dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // an interrupt from the keyboard must reach only the test
	alive, err := cmd.StdinPipe()
	if err != nil {
		c.tb.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		c.tb.Fatal(err)
	}
	c.clear = sync.OnceFunc(func() {
		alive.Close()
		cmd.Wait()
	})
}

// end ends all processes and removes the folder.
func (c *cluster) end() {
	if log, err := os.ReadFile(filepath.Join(c.dir, "patroni.log")); err == nil && c.tb.Failed() {
		c.tb.Logf("the end of Patroni's log:\n%s", log[max(0, len(log)-8<<10):])
	}
	c.clear()
}

func (c *cluster) run(path string, args ...string) *program {
	c.tb.Helper()
	p := &program{tb: c.tb, dir: c.dir, path: path, args: args}
	p.start()
	return p
}

func (c *cluster) write(name, text string) (path string) {
	c.tb.Helper()
	path = filepath.Join(c.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		c.tb.Fatal(err)
	}
	return path
}

// patroniConfig returns the configuration of docs/postgresql.md. It uses version 2 of etcd's API. With version 3, Patroni 3.0.2, as in
// Debian 12, lets a leader that was stopped take its lock back from the leader that replaced it
// (https://github.com/patroni/patroni/pull/2689). Sessions that the second leader acknowledged meanwhile are then lost.
func (c *cluster) patroniConfig(n *node, etcd int, bin string) string {
	return fmt.Sprintf(`scope: shop
name: %[1]s
restapi: {listen: "127.0.0.1:%[2]d", connect_address: "127.0.0.1:%[2]d"}
etcd: {host: "127.0.0.1:%[3]d"}
bootstrap:
  dcs:
    ttl: %[4]d
    loop_wait: %[5]d
    retry_timeout: %[6]d
    synchronous_mode: %[11]t
    postgresql:
      use_pg_rewind: true
      parameters: {max_connections: 200, wal_keep_size: 256MB}
  initdb: [{encoding: UTF8}, {auth-local: trust}, {auth-host: trust}]
  pg_hba: ["host all all 127.0.0.1/32 trust", "host replication all 127.0.0.1/32 trust", "local all all trust"]
postgresql:
  listen: "127.0.0.1:%[7]d"
  connect_address: "127.0.0.1:%[7]d"
  data_dir: %[8]s
  bin_dir: %[9]s
  authentication:
    superuser: {username: postgres, password: unused}
    replication: {username: replicator, password: unused}
    rewind: {username: rewind, password: unused}
  parameters: {unix_socket_directories: "%[10]s"}
`, n.name, n.api, etcd, int(c.ttl.Seconds()), int(c.loopWait.Seconds()), int(c.retry.Seconds()), n.sql, n.data, bin, c.dir, !c.asynchronous)
}

// haproxyConfig returns a configuration with which HAProxy connects clients to the node that Patroni reports as the primary.
func (c *cluster) haproxyConfig() string {
	var b strings.Builder
	fmt.Fprintf(&b, `defaults
  mode tcp
  timeout connect 2s
  timeout client 30m
  timeout server 30m
  timeout check 2s
listen primary
  bind 127.0.0.1:%d
  option httpchk OPTIONS /primary
  http-check expect status 200
  default-server inter 1s fall 2 rise 1 on-marked-down shutdown-sessions
`, c.haproxy)
	for _, n := range c.nodes {
		fmt.Fprintf(&b, "  server %s 127.0.0.1:%d check port %d\n", n.name, n.sql, n.api)
	}
	return b.String()
}

// pgbouncerConfig returns a configuration with which PgBouncer connects to HAProxy.
func (c *cluster) pgbouncerConfig(port int, mode string) string {
	return fmt.Sprintf(`[databases]
* = host=127.0.0.1 port=%d user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
unix_socket_dir =
auth_type = any
pool_mode = %s
default_pool_size = 40
server_login_retry = 1
server_idle_timeout = 5
ignore_startup_parameters = extra_float_digits
`, c.haproxy, port, mode)
}

// member is a node as Patroni describes it.
type member struct {
	Name, Role, State string
}

// members returns the nodes, as the first node that answers describes them.
func (c *cluster) members() []member {
	client := http.Client{Timeout: 2 * time.Second}
	for _, n := range c.nodes {
		answer, err := client.Get(fmt.Sprintf("http://127.0.0.1:%d/cluster", n.api))
		if err != nil {
			continue
		}
		var status struct{ Members []member }
		err = json.NewDecoder(answer.Body).Decode(&status)
		answer.Body.Close()
		if err == nil {
			return status.Members
		}
	}
	return nil
}

// leader waits until a node other than the given one leads, and returns it. With nil it accepts any node.
func (c *cluster) leader(than *node) (leader *node) {
	c.tb.Helper()
	c.await("a leader", 2*time.Minute, func() bool {
		for _, m := range c.members() {
			if m.Role == "leader" && m.State == "running" {
				leader = c.nodes[slices.IndexFunc(c.nodes, func(n *node) bool { return n.name == m.Name })]
				return leader != than
			}
		}
		return false
	})
	return leader
}

// awaitHealth waits until all three nodes run and one of them leads. Unless commits are asynchronous, one of the others must be the
// leader's synchronous standby.
func (c *cluster) awaitHealth() {
	c.tb.Helper()
	c.await("three nodes that run", 3*time.Minute, func() bool {
		roles := make(map[string]int)
		for _, m := range c.members() {
			if m.State == "running" || m.State == "streaming" {
				roles[m.Role]++
			}
		}
		synchronous := 1
		if c.asynchronous {
			synchronous = 0
		}
		return roles["leader"] == 1 && roles["sync_standby"] == synchronous && roles["replica"] == 2-synchronous
	})
}

func (c *cluster) await(what string, most time.Duration, done func() bool) {
	c.tb.Helper()
	for deadline := time.Now().Add(most); !done(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			c.tb.Fatalf("waited %v for %s; Patroni says %+v", most, what, c.members())
		}
	}
}

// switchover makes another node the leader.
func (c *cluster) switchover() {
	c.tb.Helper()
	leader := c.leader(nil)
	body, err := json.Marshal(map[string]string{"leader": leader.name})
	if err != nil {
		c.tb.Fatal(err)
	}
	client := http.Client{Timeout: 30 * time.Second}
	answer, err := client.Post(fmt.Sprintf("http://127.0.0.1:%d/switchover", leader.api), "application/json", bytes.NewReader(body))
	if err != nil {
		c.tb.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		c.tb.Fatalf("switchover: %s", answer.Status)
	}
	c.leader(leader)
}

func (c *cluster) restartProxies() {
	for _, p := range c.proxies {
		p.kill()
		p.start()
	}
	c.awaitProxies()
}

// route is a way to connect to the primary.
type route struct {
	name string
	url  func(database string) string
}

func (c *cluster) routes() []route {
	through := func(port int) func(string) string {
		return func(database string) string { return address(port, database) }
	}
	return []route{
		{"all hosts", c.direct}, {"HAProxy", through(c.haproxy)},
		{"PgBouncer by transaction", through(c.pooled[0])}, {"PgBouncer by session", through(c.pooled[1])},
	}
}

func (c *cluster) direct(database string) string {
	var hosts []string
	for _, n := range c.nodes {
		hosts = append(hosts, fmt.Sprintf("127.0.0.1:%d", n.sql))
	}
	return fmt.Sprintf("postgres://postgres@%s/%s?sslmode=disable&target_session_attrs=read-write&connect_timeout=2", strings.Join(hosts, ","), database)
}
