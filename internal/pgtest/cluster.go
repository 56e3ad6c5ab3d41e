package pgtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Cluster is a PostgreSQL server of one test. The test may crash it and change it. It listens on a port of the loopback
// interface, which stays the same after a restart. It asks for no password, and flushes to disk as a real server does.
type Cluster struct {
	bin, dir string
	port     int
	settings []string

	server   *exec.Cmd // nil while it is down
	watchdog *exec.Cmd
	alive    io.Closer // the watchdog acts when this is closed
}

// Start starts a new server, which ends with the test. Settings such as "max_connections=20" are those of postgresql.conf. If the test
// fails, its output has the end of the server's log.
func Start(t testing.TB, settings ...string) *Cluster {
	t.Helper()
	return start(t, settings, (*Cluster).initialize)
}

// Standby starts a hot standby of c, and returns once it is streaming. Commits of c wait for it after [Cluster.WaitForStandby].
func (c *Cluster) Standby(t testing.TB) *Cluster {
	t.Helper()
	standby := start(t, c.settings, func(s *Cluster) error {
		return s.run("pg_basebackup", "-D", s.data(), "-d", c.URL(), "-R", "-c", "fast", "--no-sync")
	})
	await(t, "the standby to stream", func() bool {
		return c.query(t, "select count(*) from pg_stat_replication where state = 'streaming'") == "1"
	})
	return standby
}

func start(t testing.TB, settings []string, initialize func(*Cluster) error) *Cluster {
	t.Helper()
	c, err := newCluster(settings...)
	if errors.Is(err, errMissing) {
		Missing(t, err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the end of the PostgreSQL server's log:\n%s", c.logTail())
		}
		c.remove()
	})
	if err := initialize(c); err != nil {
		t.Fatal(err)
	}
	if err := c.start(); err != nil {
		t.Fatal(err)
	}
	return c
}

// URL returns the URL of the database postgres.
func (c *Cluster) URL() string {
	return fmt.Sprintf("postgres://postgres@%s/postgres?sslmode=disable", c.Address())
}

// Address returns the server's host and port.
func (c *Cluster) Address() string { return "127.0.0.1:" + strconv.Itoa(c.port) }

// WaitForStandby sets whether every commit waits until a standby has it on disk.
func (c *Cluster) WaitForStandby(t testing.TB, wait bool) {
	t.Helper()
	names := ""
	if wait {
		names = "*"
	}
	// With synchronous_commit=local this cannot wait for a standby that is gone.
	execute(t, c.URL()+"&synchronous_commit=local", "alter system set synchronous_standby_names = '"+names+"'")
	execute(t, c.URL(), "select pg_reload_conf()")
	await(t, "the setting to take effect", func() bool { return c.query(t, "show synchronous_standby_names") == names })
	if wait {
		await(t, "the standby to be synchronous", func() bool {
			return c.query(t, "select count(*) from pg_stat_replication where sync_state = 'sync'") == "1"
		})
	}
}

// Promote makes a standby the primary, and returns once it takes writes.
func (c *Cluster) Promote(t testing.TB) {
	t.Helper()
	if err := c.run("pg_ctl", "promote", "-D", c.data(), "-w"); err != nil {
		t.Fatal(err)
	}
}

// Crash ends the server at once (SIGQUIT): it finishes nothing and writes nothing more, so the next start recovers from its log. Crash does
// nothing to a server that is down.
func (c *Cluster) Crash(t testing.TB) {
	t.Helper()
	if err := c.stop(syscall.SIGQUIT); err != nil {
		t.Fatal(err)
	}
}

// Restart starts a server that is down, and returns once it answers.
func (c *Cluster) Restart(t testing.TB) {
	t.Helper()
	if err := c.start(); err != nil {
		t.Fatal(err)
	}
}

// watch is the script of the watchdog. It waits until the test's process has ended, which closes the script's input. Then it ends the
// server and removes the folder. It ignores an interrupt from the keyboard, which is for the tests.
const watch = `
trap "" INT
read -r _
if server=$(head -n 1 "$1/postmaster.pid") 2>/dev/null; then
	kill -QUIT "$server"
	while kill -0 "$server" 2>/dev/null; do sleep 1; done
fi
rm -rf "$2"`

// newCluster makes the folder of a server, and a watchdog that removes everything if this process is killed.
func newCluster(settings ...string) (*Cluster, error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "pgtest")
	if err != nil {
		return nil, err
	}
	c := &Cluster{bin: bin, dir: dir, settings: settings}
	if err := c.prepare(); err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	return c, nil
}

func (c *Cluster) prepare() error {
	if err := Give(c.dir); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	c.port = listener.Addr().(*net.TCPAddr).Port
	listener.Close()

	c.watchdog = exec.Command("/bin/sh", "-c", watch, "watchdog", c.data(), c.dir)
	pipe, err := c.watchdog.StdinPipe()
	if err != nil {
		return err
	}
	c.alive = pipe
	return c.watchdog.Start()
}

func (c *Cluster) data() string { return filepath.Join(c.dir, "data") }
func (c *Cluster) log() string  { return filepath.Join(c.dir, "log") }

func (c *Cluster) initialize() error {
	return c.run("initdb", "-D", c.data(), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync")
}

// command returns a command that runs one of PostgreSQL's programs as a user that PostgreSQL accepts.
func (c *Cluster) command(name string, args ...string) (*exec.Cmd, error) {
	cmd := exec.Command(filepath.Join(c.bin, name), args...)
	cmd.Dir = c.dir
	// A PGPORT or a LANG of the caller's must not change what is tested.
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "PG") && !strings.HasPrefix(variable, "LC_") && !strings.HasPrefix(variable, "LANG") {
			cmd.Env = append(cmd.Env, variable)
		}
	}
	return cmd, AsOwner(cmd)
}

// run runs one of PostgreSQL's programs to its end.
func (c *Cluster) run(name string, args ...string) error {
	cmd, err := c.command(name, args...)
	if err != nil {
		return err
	}
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", name, err, output)
	}
	return nil
}

func (c *Cluster) start() error {
	log, err := os.OpenFile(c.log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	args := []string{"-D", c.data(), "-p", strconv.Itoa(c.port)}
	settings := []string{"listen_addresses=127.0.0.1", "unix_socket_directories=", "max_connections=200", "log_min_error_statement=panic"}
	for _, setting := range append(settings, c.settings...) {
		args = append(args, "-c", setting)
	}
	cmd, err := c.command("postgres", args...)
	if err != nil {
		return err
	}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return err
	}
	c.server = cmd
	deadline := time.Now().Add(time.Minute)
	for {
		err := c.ping()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the PostgreSQL server does not answer: %w\n%s", err, c.logTail())
		}
		time.Sleep(20 * time.Millisecond) // there is no notification that works with every version
	}
}

func (c *Cluster) ping() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, c.URL())
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}

// stop signals the server and waits for its end.
func (c *Cluster) stop(signal os.Signal) error {
	if c.server == nil {
		return nil
	}
	if err := c.server.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	c.server.Wait() // the error says only how it was stopped
	c.server = nil
	return nil
}

// remove ends the server and leaves nothing behind.
func (c *Cluster) remove() {
	c.stop(syscall.SIGQUIT) // at once
	os.RemoveAll(c.dir)
	c.alive.Close()
	c.watchdog.Wait()
}

// query returns the single value of a query, as text.
func (c *Cluster) query(t testing.TB, sql string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), c.URL())
	if err != nil {
		t.Fatalf("connect to PostgreSQL: %v", err)
	}
	defer conn.Close(t.Context())
	var value string
	if err := conn.QueryRow(t.Context(), sql, pgx.QueryExecModeSimpleProtocol).Scan(&value); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return value
}

// logTail returns the last 8 KiB of the server's log.
func (c *Cluster) logTail() string {
	log, err := os.ReadFile(c.log())
	if err != nil {
		return err.Error() + "\n"
	}
	return string(log[max(0, len(log)-8<<10):])
}

// await waits until a condition is true.
func await(t testing.TB, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !done(); {
		if time.Now().After(deadline) {
			t.Fatalf("waited a minute for %s", what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
