package pgtest_test

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/caisse/checkout/internal/pgtest"
	"github.com/matryer/is"
)

// If a test process is killed, the watchdog must stop its PostgreSQL server, which would otherwise run for ever. The test starts itself
// again as a child that starts a server, and kills the child.
func TestKilled(t *testing.T) {
	const child = "PGTEST_CHILD"
	if os.Getenv(child) != "" {
		fmt.Println("address", pgtest.Start(t).Address())
		select {}
	}
	pgtest.URL(t) // skips the test if there is no PostgreSQL
	is := is.New(t)
	cmd := exec.Command(os.Args[0], "-test.run=^TestKilled$")
	cmd.Env = append(os.Environ(), child+"=1")
	output, err := cmd.StdoutPipe()
	is.NoErr(err)
	is.NoErr(cmd.Start())
	t.Cleanup(func() { cmd.Process.Kill() })
	address := ""
	for lines := bufio.NewScanner(output); address == "" && lines.Scan(); {
		address, _ = strings.CutPrefix(lines.Text(), "address ")
		if !strings.Contains(address, ":") {
			address = ""
		}
	}
	conn, err := net.Dial("tcp", address)
	is.NoErr(err) // the server is up
	conn.Close()

	is.NoErr(cmd.Process.Kill())
	cmd.Wait()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			return // the watchdog has stopped the server
		}
		conn.Close()
		if time.Now().After(deadline) {
			t.Fatal("the server still runs a minute after the process that started it was killed")
		}
	}
}
