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
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// What Patroni is told, in its configuration.
const (
	ttl      = 20 * time.Second // after which a leader that says nothing is replaced
	loopWait = 5 * time.Second
)

// cluster is all of it. Its methods fail the test where something does not come about.
type cluster struct {
	tb      testing.TB
	dir     string
	etcd    *program
	nodes   []*node
	proxies []*program // HAProxy, and PgBouncer in both modes
	haproxy int        // the port of the primary
	pooled  [2]int     // the ports of PgBouncer, by transaction and by session
}

// node is a PostgreSQL under its own Patroni.
type node struct {
	*program
	c        *cluster
	name     string
	api, sql int // ports
}

// program is one process of the cluster, in a group of its own.
type program struct {
	tb   testing.TB
	dir  string
	name string
	args []string
	cmd  *exec.Cmd
}

func (p *program) start() {
	p.tb.Helper()
	log, err := os.OpenFile(filepath.Join(p.dir, filepath.Base(p.name)+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		p.tb.Fatal(err)
	}
	defer log.Close()
	p.cmd = exec.Command(p.name, p.args...)
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = p.dir, log, log
	p.cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=" + p.dir, "LC_ALL=C.UTF-8"}
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: credential(p.tb), Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		p.tb.Fatal(err)
	}
}

// kill ends the program, if it runs, and all of its group.
func (p *program) kill() {
	if p == nil || p.cmd == nil || p.cmd.Process == nil {
		return
	}
	syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	p.cmd.Wait()
}

// credential is who runs what refuses root.
func credential(tb testing.TB) *syscall.Credential {
	tb.Helper()
	if os.Geteuid() != 0 {
		return nil
	}
	postgres, err := user.Lookup("postgres")
	if err != nil {
		tb.Fatal(err)
	}
	uid, _ := strconv.Atoi(postgres.Uid)
	gid, _ := strconv.Atoi(postgres.Gid)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

// find returns where a program is, also if that is not on the path of everybody. Where it is not installed the test is skipped, and
// fails in CI.
func find(tb testing.TB, name string) string {
	tb.Helper()
	for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/sbin", "/usr/bin") {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && !info.IsDir() {
			return path
		}
	}
	if os.Getenv("CI") == "true" {
		tb.Fatalf("%s is not installed", name)
	}
	tb.Skipf("%s is not installed", name)
	return ""
}

func ports(tb testing.TB, n int) (free []int) {
	tb.Helper()
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			tb.Fatal(err)
		}
		defer l.Close()
		free = append(free, l.Addr().(*net.TCPAddr).Port)
	}
	return free
}

// start starts a cluster, which ends with the test, and returns when it has a leader and a synchronous standby.
func start(tb testing.TB) *cluster {
	tb.Helper()
	servers, err := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if err != nil || len(servers) == 0 {
		tb.Skip("PostgreSQL is not installed where Debian keeps it")
	}
	etcd, patroni, haproxy, pgbouncer := find(tb, "etcd"), find(tb, "patroni"), find(tb, "haproxy"), find(tb, "pgbouncer")
	dir, err := os.MkdirTemp("", "cluster")
	if err != nil {
		tb.Fatal(err)
	}
	c := &cluster{tb: tb, dir: dir}
	tb.Cleanup(c.end)
	if id := credential(tb); id != nil {
		if err := os.Chown(dir, int(id.Uid), int(id.Gid)); err != nil {
			tb.Fatal(err)
		}
	}
	free := ports(tb, 11)
	client, peer := fmt.Sprintf("http://127.0.0.1:%d", free[0]), fmt.Sprintf("http://127.0.0.1:%d", free[1])
	c.etcd = &program{tb: tb, dir: dir, name: etcd, args: []string{"--data-dir", filepath.Join(dir, "etcd"), "--listen-client-urls", client,
		"--advertise-client-urls", client, "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", "default=" + peer}}
	c.etcd.start()
	bin := filepath.Dir(slices.Max(servers))
	for n := range 3 {
		name := fmt.Sprintf("node%d", n+1)
		nd := &node{c: c, name: name, api: free[2+n], sql: free[5+n]}
		nd.program = &program{tb: tb, dir: dir, name: patroni, args: []string{c.write(name+".yml", nd.config(free[0], bin))}}
		c.nodes = append(c.nodes, nd)
		nd.start()
	}
	c.awaitHealth()

	c.haproxy, c.pooled = free[8], [2]int{free[9], free[10]}
	c.proxies = append(c.proxies, &program{tb: tb, dir: dir, name: haproxy, args: []string{"-f", c.write("haproxy.cfg", c.haproxyConfig())}})
	for n, mode := range []string{"transaction", "session"} {
		config := fmt.Sprintf("[databases]\n* = host=127.0.0.1 port=%d user=postgres\n[pgbouncer]\nlisten_addr=127.0.0.1\nlisten_port=%d\nunix_socket_dir=\n"+
			"auth_type=any\npool_mode=%s\ndefault_pool_size=40\nserver_login_retry=1\nignore_startup_parameters=extra_float_digits\n", c.haproxy, c.pooled[n], mode)
		c.proxies = append(c.proxies, &program{tb: tb, dir: dir, name: pgbouncer, args: []string{c.write("pgbouncer-"+mode+".ini", config)}})
	}
	for _, p := range c.proxies {
		p.start()
	}
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
	return c
}

func (c *cluster) write(name, text string) (path string) {
	path = filepath.Join(c.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		c.tb.Fatal(err)
	}
	return path
}

// config is what docs/postgresql.md says of Patroni.
func (n *node) config(etcd int, bin string) string {
	return fmt.Sprintf(`scope: shop
name: %[1]s
restapi: {listen: "127.0.0.1:%[2]d", connect_address: "127.0.0.1:%[2]d"}
etcd3: {host: "127.0.0.1:%[3]d"}
bootstrap:
  dcs:
    ttl: %[4]d
    loop_wait: %[5]d
    retry_timeout: 5
    synchronous_mode: true
    postgresql:
      use_pg_rewind: true
      parameters: {max_connections: 200, wal_keep_size: 256MB}
  initdb: [{encoding: UTF8}, {auth-local: trust}, {auth-host: trust}]
  pg_hba: ["host all all 127.0.0.1/32 trust", "host replication all 127.0.0.1/32 trust", "local all all trust"]
postgresql:
  listen: "127.0.0.1:%[6]d"
  connect_address: "127.0.0.1:%[6]d"
  data_dir: %[7]s
  bin_dir: %[8]s
  authentication:
    superuser: {username: postgres, password: unused}
    replication: {username: replicator, password: unused}
    rewind: {username: rewind, password: unused}
  parameters: {unix_socket_directories: "%[9]s"}
`, n.name, n.api, etcd, int(ttl.Seconds()), int(loopWait.Seconds()), n.sql, n.data(), bin, n.c.dir)
}

func (n *node) data() string { return filepath.Join(n.c.dir, n.name) }

// haproxyConfig leads to the node of which Patroni says that it is the primary.
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

// route is a way to the primary.
type route struct{ name, url string }

func (c *cluster) routes() []route {
	url := func(port int) string {
		return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/postgres?sslmode=disable", port)
	}
	return []route{
		{"all hosts", c.direct()}, {"HAProxy", url(c.haproxy)},
		{"PgBouncer by transaction", url(c.pooled[0])}, {"PgBouncer by session", url(c.pooled[1])},
	}
}

func (c *cluster) direct() string {
	var hosts []string
	for _, n := range c.nodes {
		hosts = append(hosts, fmt.Sprintf("127.0.0.1:%d", n.sql))
	}
	return "postgres://postgres@" + strings.Join(hosts, ",") + "/postgres?sslmode=disable&target_session_attrs=read-write&connect_timeout=2"
}

// member is a node as Patroni tells of it.
type member struct {
	Name, Role, State string
}

// members asks any node that answers.
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

// leader is the node that leads.
func (c *cluster) leader() (leader *node) {
	c.tb.Helper()
	c.await("a leader", time.Minute, func() bool {
		leader = c.leads(c.members())
		return leader != nil
	})
	return leader
}

func (c *cluster) leads(members []member) *node {
	for _, m := range members {
		if m.Role == "leader" && m.State == "running" {
			return c.nodes[slices.IndexFunc(c.nodes, func(n *node) bool { return n.name == m.Name })]
		}
	}
	return nil
}

// awaitLeader waits until another node than one leads.
func (c *cluster) awaitLeader(than *node) {
	c.tb.Helper()
	c.await("another leader", 2*time.Minute, func() bool {
		leader := c.leads(c.members())
		return leader != nil && leader != than
	})
}

// awaitHealth waits until all nodes run, one leads, and one is its synchronous standby.
func (c *cluster) awaitHealth() {
	c.tb.Helper()
	c.await("three nodes that run", 3*time.Minute, func() bool {
		members, roles := c.members(), make(map[string]int)
		for _, m := range members {
			if m.State == "running" || m.State == "streaming" {
				roles[m.Role]++
			}
		}
		return roles["leader"] == 1 && roles["sync_standby"] == 1 && roles["replica"] == 1
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

// switchover has another node lead.
func (c *cluster) switchover(leader *node) {
	c.tb.Helper()
	body, _ := json.Marshal(map[string]string{"leader": leader.name})
	answer, err := http.Post(fmt.Sprintf("http://127.0.0.1:%d/switchover", leader.api), "application/json", bytes.NewReader(body))
	if err != nil {
		c.tb.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		c.tb.Fatalf("switchover: %s", answer.Status)
	}
	c.awaitLeader(leader)
}

func (c *cluster) restartProxies() {
	for _, p := range c.proxies {
		p.kill()
		p.start()
	}
}

// server is the process ID of the node's PostgreSQL, 0 where it does not run.
func (n *node) server() int {
	text, err := os.ReadFile(filepath.Join(n.data(), "postmaster.pid"))
	if err != nil {
		return 0
	}
	pid, _ := strconv.Atoi(strings.SplitN(string(text), "\n", 2)[0])
	return pid
}

func (n *node) killServer() { syscall.Kill(n.server(), syscall.SIGKILL) }

// backends are the processes of the node's PostgreSQL, the first of which starts the others.
func (n *node) backends() []int {
	server := n.server()
	if server == 0 {
		return nil
	}
	all := []int{server}
	children, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", server, server))
	for _, child := range strings.Fields(string(children)) {
		if pid, err := strconv.Atoi(child); err == nil {
			all = append(all, pid)
		}
	}
	return all
}

// kill ends the whole node, as a power cut does to who talks to it.
func (n *node) kill() {
	n.signal(syscall.SIGKILL)
	n.program.kill() // waits for it
}

// stop halts the whole node, which does not notice, and resume lets it go on as if no time had passed.
func (n *node) stop()   { n.signal(syscall.SIGSTOP) }
func (n *node) resume() { n.signal(syscall.SIGCONT) }

func (n *node) signal(signal syscall.Signal) {
	if n.cmd == nil || n.cmd.Process == nil {
		return
	}
	syscall.Kill(-n.cmd.Process.Pid, signal) // Patroni first, or it would start the server again
	for _, pid := range n.backends() {
		syscall.Kill(pid, signal)
	}
}

// end ends everything and leaves nothing behind.
func (c *cluster) end() {
	for _, p := range c.proxies {
		p.kill()
	}
	for _, n := range c.nodes {
		n.resume()
		n.kill()
	}
	c.etcd.kill()
	if log, err := os.ReadFile(filepath.Join(c.dir, "patroni.log")); err == nil && c.tb.Failed() {
		c.tb.Logf("the end of Patroni's log:\n%s", log[max(0, len(log)-8<<10):])
	}
	os.RemoveAll(c.dir)
}
