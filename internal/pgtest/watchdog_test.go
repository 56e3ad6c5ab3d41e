package pgtest_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/caisse/checkout/internal/pgtest"
	"github.com/jackc/pgx/v5"
	"github.com/matryer/is"
)

// If a test process is killed, the watchdog must stop its PostgreSQL server, which would otherwise run for ever. The test starts itself
// again as a child that starts a server, and kills the child.
func TestKilled(t *testing.T) {
	const child = "PGTEST_CHILD"
	if os.Getenv(child) != "" {
		fmt.Println("server", pgtest.Start(t).URL())
		select {}
	}
	pgtest.URL(t) // skips the test if there is no PostgreSQL
	is := is.New(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestKilled$")
	cmd.Env = append(os.Environ(), child+"=1")
	output, err := cmd.StdoutPipe()
	is.NoErr(err)
	is.NoErr(cmd.Start())
	t.Cleanup(func() { cmd.Process.Kill() })
	server, found := "", false
	for lines := bufio.NewScanner(output); !found && lines.Scan(); {
		server, found = strings.CutPrefix(lines.Text(), "server ")
	}
	if !found {
		t.Fatal("the child has started no server within a minute")
	}
	conn, err := pgx.Connect(ctx, server)
	is.NoErr(err) // the server is up
	defer conn.Close(t.Context())

	is.NoErr(cmd.Process.Kill())
	cmd.Wait()
	ctx, cancel = context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err = conn.WaitForNotification(ctx) // nobody notifies, so it returns when the server ends the connection
	if ctx.Err() != nil {
		t.Fatal("the server still runs a minute after the process that started it was killed")
	}
	is.True(err != nil)
}
