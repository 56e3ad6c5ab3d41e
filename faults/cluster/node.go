//go:build linux

package cluster

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/caisse/checkout/internal/pgtest"
)

// program is a program of the cluster. It runs in a process group of its own.
type program struct {
	tb   testing.TB
	dir  string
	path string
	args []string
	cmd  *exec.Cmd
}

func (p *program) start() {
	p.tb.Helper()
	log, err := os.OpenFile(filepath.Join(p.dir, filepath.Base(p.path)+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		p.tb.Fatal(err)
	}
	defer log.Close()
	p.cmd = exec.Command(p.path, p.args...)
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = p.dir, log, log
	p.cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=" + p.dir, "LC_ALL=C.UTF-8"}
	if err := pgtest.AsOwner(p.cmd); err != nil { // also gives it a process group of its own
		p.tb.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		p.tb.Fatal(err)
	}
}

// kill ends the program, if it runs, and all of its group.
func (p *program) kill() {
	if p.cmd == nil || p.cmd.Process == nil {
		return
	}
	syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	p.cmd.Wait()
}

// node is a PostgreSQL server under its own Patroni.
type node struct {
	*program
	name     string
	data     string // its directory
	api, sql int    // ports
}

// url returns a URL that leads to this node, whether or not it is the primary.
func (n *node) url(database string) string { return address(n.sql, database) }

func address(port int, database string) string {
	return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/%s?sslmode=disable", port, database)
}

// server returns the process ID of the node's PostgreSQL, or 0 if it does not run. A server that was killed leaves its PID file behind.
func (n *node) server() int {
	text, err := os.ReadFile(filepath.Join(n.data, "postmaster.pid"))
	if err != nil {
		return 0
	}
	pid, _ := strconv.Atoi(strings.SplitN(string(text), "\n", 2)[0])
	if pid <= 0 || syscall.Kill(pid, 0) != nil {
		return 0
	}
	return pid
}

// children returns the processes that a server has started: one for each connection, and some of its own.
func (n *node) children(server int) (all []int) {
	n.tb.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", server, server))
	if err != nil && syscall.Kill(server, 0) == nil {
		n.tb.Fatalf("the processes of a server: %v", err)
	}
	for child := range strings.FieldsSeq(string(text)) {
		if pid, err := strconv.Atoi(child); err == nil {
			all = append(all, pid)
		}
	}
	return all
}

// signal sends a signal to all processes of the node. Patroni comes first, because it would start the server again. The server comes
// next, because it would start more processes. These processes, the server's children, come last.
func (n *node) signal(signal syscall.Signal) {
	n.tb.Helper()
	if n.cmd == nil || n.cmd.Process == nil {
		return
	}
	syscall.Kill(-n.cmd.Process.Pid, signal)
	server := n.server()
	if server == 0 {
		return
	}
	all := n.children(server) // before the signal, since a dead server has no children
	syscall.Kill(server, signal)
	for _, pid := range append(all, n.children(server)...) { // a stopped server starts no more processes
		syscall.Kill(pid, signal)
	}
}

// killServer kills the node's PostgreSQL, and not its Patroni, which starts PostgreSQL again.
func (n *node) killServer() {
	n.tb.Helper()
	pid := n.server()
	if pid == 0 {
		n.tb.Fatalf("PostgreSQL of %s does not run", n.name)
	}
	syscall.Kill(pid, syscall.SIGKILL)
}

// kill kills all processes of the node.
func (n *node) kill() {
	n.signal(syscall.SIGKILL)
	n.program.kill() // also waits for Patroni
}

// stop stops all processes of the node with SIGSTOP, as when a virtual machine is paused. resume continues them.
func (n *node) stop()   { n.signal(syscall.SIGSTOP) }
func (n *node) resume() { n.signal(syscall.SIGCONT) }
