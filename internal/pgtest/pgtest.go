// Package pgtest gives tests a PostgreSQL server.
//
// A package that tests against PostgreSQL calls Main in its TestMain, and asks for an empty schema in each test:
//
//	func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }
//
//	func TestStore(t *testing.T) {
//		pool, err := pgxpool.New(t.Context(), pgtest.URL(t))
//		...
//	}
//
// Main starts a throw-away server if initdb is found, on the PATH or where Debian keeps it. If there is none, or to test another server,
// set the environment variable [Env] to its URL. Without either, the tests are skipped, or fail if CI=true. Tests that break a server
// start one of their own with [Start].
package pgtest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Env is the environment variable with the URL of a server to test against. Its user must be allowed to create schemas in the database.
const Env = "CHECKOUT_TEST_POSTGRES"

// errMissing says that PostgreSQL is not installed.
var errMissing = errors.New("no PostgreSQL: initdb is neither on the PATH nor in /usr/lib/postgresql/*/bin, and " + Env + " is not set")

// Main starts a server for all tests of a package, unless [Env] names one, runs the tests, and returns the exit code.
func Main(m *testing.M) int {
	if os.Getenv(Env) != "" {
		return m.Run()
	}
	c, err := newCluster()
	if errors.Is(err, errMissing) {
		return m.Run() // there may be tests that need no server
	}
	if err == nil {
		defer c.remove()
		err = c.initialize()
	}
	if err == nil {
		err = c.start()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	os.Setenv(Env, c.URL())
	code := m.Run()
	if code != 0 {
		fmt.Fprintf(os.Stderr, "the end of the PostgreSQL server's log:\n%s", c.logTail())
	}
	return code
}

// URL makes an empty schema, which is dropped when the test ends, and returns a URL whose connections use it. Each setting, such as
// "default_transaction_isolation=serializable", becomes a parameter of the URL.
func URL(t testing.TB, settings ...string) string {
	t.Helper()
	server := os.Getenv(Env)
	if server == "" {
		Missing(t, errMissing)
	}
	schema := "test_" + strings.ToLower(rand.Text())
	execute(t, server, "create schema "+schema)
	t.Cleanup(func() { execute(t, server, "drop schema "+schema+" cascade") })
	return With(t, server, append(settings, "search_path="+schema)...)
}

// With returns a URL with more parameters, each given as "name=value".
func With(t testing.TB, server string, settings ...string) string {
	t.Helper()
	u, err := url.Parse(server)
	if err != nil {
		t.Fatalf("the URL of the server: %v", err)
	}
	query := u.Query()
	for _, setting := range settings {
		name, value, _ := strings.Cut(setting, "=")
		query.Set(name, value)
	}
	u.RawQuery = strings.ReplaceAll(query.Encode(), "+", "%20") // libpq and pgx do not read a plus as a space
	return u.String()
}

// Missing skips a test because something is not installed. In CI it fails the test.
func Missing(t testing.TB, why error) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(why)
	}
	t.Skip(why)
}

// execute runs statements on a new connection, also after the test's context has ended.
func execute(t testing.TB, server, sql string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, server)
	if err != nil {
		t.Fatalf("connect to PostgreSQL: %v", err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}
