package pgtest_test

import (
	"os"
	"testing"

	"github.com/caisse/checkout/internal/pgtest"
	"github.com/jackc/pgx/v5"
	"github.com/matryer/is"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

func TestURL(t *testing.T) {
	t.Run("gives every test a schema of its own, with the settings it asks for", func(t *testing.T) {
		is := is.New(t)
		for range 2 {
			conn, err := pgx.Connect(t.Context(), pgtest.URL(t, "default_transaction_isolation=serializable"))
			is.NoErr(err)
			defer conn.Close(t.Context())
			_, err = conn.Exec(t.Context(), "create table mine (id int)")
			is.NoErr(err) // no other test has made this table
			var level string
			is.NoErr(conn.QueryRow(t.Context(), "show transaction_isolation").Scan(&level))
			is.Equal(level, "serializable")
		}
	})
}

// After a commit that the standby has confirmed, neither a crash of the primary nor a promotion may lose the row.
func TestCluster(t *testing.T) {
	count := func(t *testing.T, c *pgtest.Cluster) (n int) {
		t.Helper()
		is := is.New(t)
		conn, err := pgx.Connect(t.Context(), c.URL())
		is.NoErr(err)
		defer conn.Close(t.Context())
		is.NoErr(conn.QueryRow(t.Context(), "select count(*) from kept").Scan(&n))
		return n
	}
	is := is.New(t)
	primary := pgtest.Start(t)
	conn, err := pgx.Connect(t.Context(), primary.URL())
	is.NoErr(err)
	_, err = conn.Exec(t.Context(), "create table kept as select 1 as id")
	is.NoErr(err)

	standby := primary.Standby(t)
	primary.WaitForStandby(t, true)
	_, err = conn.Exec(t.Context(), "insert into kept values (2)")
	is.NoErr(err)

	primary.Crash(t)
	is.True(conn.Ping(t.Context()) != nil) // the server is gone
	standby.Promote(t)
	is.Equal(count(t, standby), 2) // the standby has both rows

	primary.Restart(t)
	is.Equal(count(t, primary), 2) // the primary has both rows after the crash
}
