package pgtest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// pooler is a PgBouncer in front of a cluster.
type pooler struct {
	*Cluster
	program *exec.Cmd
	port    int
}

// Pooler starts a PgBouncer in front of c, with a pool_mode such as "transaction", and returns the URL of the database postgres through it.
// It ends with the test. If PgBouncer is not installed, the test is skipped, or fails in CI.
func (c *Cluster) Pooler(t testing.TB, mode string, settings ...string) string {
	t.Helper()
	program := Find(t, "pgbouncer")
	p := &pooler{Cluster: c, port: Ports(t, 1)[0]}
	config := filepath.Join(c.dir, "pgbouncer-"+mode+".ini")
	text := fmt.Sprintf("[databases]\n* = host=127.0.0.1 port=%d user=postgres\n[pgbouncer]\nlisten_addr=127.0.0.1\nlisten_port=%d\nunix_socket_dir=\n"+
		"auth_type=any\npool_mode=%s\nignore_startup_parameters=extra_float_digits\n", c.port, p.port, mode)
	for _, setting := range settings {
		text += setting + "\n"
	}
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	p.program = exec.Command(program, config)
	p.program.Dir = c.dir
	if err := AsOwner(p.program); err != nil { // it refuses root too
		t.Fatal(err)
	}
	if err := p.program.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.program.Process.Signal(syscall.SIGTERM) // at once; SIGINT would wait for clients
		p.program.Wait()
	})
	url := "postgres://postgres@127.0.0.1:" + strconv.Itoa(p.port) + "/postgres?sslmode=disable"
	await(t, "PgBouncer to listen", func() bool {
		conn, err := net.DialTimeout("tcp", "127.0.0.1:"+strconv.Itoa(p.port), time.Second)
		if err != nil {
			return false
		}
		conn.Close()
		return true
	})
	return url
}
