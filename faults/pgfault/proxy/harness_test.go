package proxy_test

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/matryer/is"

	_ "github.com/caisse/checkout/faults/effort" // defines the flags -long and -seed
	"github.com/caisse/checkout/internal/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.WithoutCancel(t.Context())) })
	return conn
}

// await waits until done returns true. It fails the test after a minute.
func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited a minute for %s", what)
		}
	}
}

// countWhenUnlocked counts the rows once the server has committed the write or rolled it back: no transaction locks the table any more.
func countWhenUnlocked(t *testing.T, direct *pgx.Conn) (rows int) {
	t.Helper()
	is := is.New(t)
	await(t, "the end of every write", func() (ended bool) {
		is.NoErr(direct.QueryRow(t.Context(), "select not exists (select from pg_locks where relation = 'rows'::regclass and mode = 'RowExclusiveLock')").Scan(&ended))
		return ended
	})
	is.NoErr(direct.QueryRow(t.Context(), "select count(*) from rows").Scan(&rows))
	return rows
}

// writers are the ways in which clients send a write. Each inserts one row, and returns the error of COMMIT or of an earlier statement.
var writers = map[string]func(ctx context.Context, conn *pgx.Conn) error{
	"a simple query": func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "insert into rows values (1)")
		return err
	},
	"an extended query": func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "with n as (select $1::int) insert into rows select * from n", 1)
		return err
	},
	"one multi-statement query": func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "begin; insert into rows values (1); commit")
		return err
	},
	"one batch": func(ctx context.Context, conn *pgx.Conn) error {
		var batch pgx.Batch
		batch.Queue("begin")
		batch.Queue("insert into rows values ($1)", 1)
		batch.Queue("commit")
		err := conn.SendBatch(ctx, &batch).Close()
		if conn.PgConn().TxStatus() == 'E' { // the server has skipped all statements after the error, COMMIT included
			conn.Exec(ctx, "rollback")
		}
		return err
	},
	"a transaction step by step": func(ctx context.Context, conn *pgx.Conn) error {
		return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, "insert into rows values ($1)", 1)
			return err
		})
	},
	pipelined: func(ctx context.Context, conn *pgx.Conn) error {
		var batch pgx.Batch
		batch.Queue("begin")
		batch.Queue("insert into rows values ($1)", 1)
		answers := conn.SendBatch(ctx, &batch)
		conn.PgConn().Frontend().SendQuery(&pgproto3.Query{String: "commit"})
		if err := conn.PgConn().Frontend().Flush(); err != nil {
			return err
		}
		err := answers.Close()
		if conn.IsClosed() {
			return fmt.Errorf("before COMMIT: %w", err)
		}
		for {
			message, lost := conn.PgConn().ReceiveMessage(ctx)
			if lost != nil {
				return lost
			}
			switch message := message.(type) {
			case *pgproto3.ErrorResponse:
				err = pgconn.ErrorResponseToPgError(message)
			case *pgproto3.ReadyForQuery:
				return err
			}
		}
	},
}

// pipelined sends COMMIT without waiting for the answers to the batch. So the proxy gets COMMIT even if it withholds these answers.
const pipelined = "a batch with a pipelined COMMIT"
